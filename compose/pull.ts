/** Brings one image onto the machine, and says in a line why it cannot be had. */
import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { Engine } from './engine.ts'
import { credentialsFor } from './registry-credentials.ts'

const ATTEMPTS = 3
const PAUSE_MS = 1_500

/** Passing faults of registries and of the way to them. That there is no way at all, or no such image, stays so. */
const TRANSIENT = /timeout|timed out|connection reset|unexpected EOF|\b50[234]\b|temporar|try again/i

export interface Bytes {
  current: number
  total: number
}

interface PullEvent {
  status?: string
  id?: string
  error?: string
  progressDetail?: { current?: number; total?: number }
}

/** @throws Error with the engine's reason, in a line */
export async function pullImage(
  engine: Engine,
  image: string,
  onProgress: (bytes: Bytes) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await pullOnce(engine, image, onProgress, signal)
      return
    } catch (error) {
      signal?.throwIfAborted()
      const reason = reasonOf(error)
      if (attempt === ATTEMPTS || !TRANSIENT.test(reason)) throw new Error(reason, { cause: error })
      // Not all at the same time again, where many machines were refused together.
      await sleep(PAUSE_MS * attempt * (0.5 + Math.random()), undefined, { signal })
    }
  }
}

async function pullOnce(
  { docker, env }: Engine,
  image: string,
  onProgress: (bytes: Bytes) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const authconfig = await credentialsFor(image, env)
  const stream = await docker.createImage({
    fromImage: image,
    ...(authconfig ? { authconfig } : {}),
    ...(signal ? { abortSignal: signal } : {}),
  })
  const abort = () => (stream as NodeJS.ReadableStream & { destroy(error: unknown): void }).destroy(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await followPull(docker, stream, onProgress)
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

function followPull(docker: Docker, stream: NodeJS.ReadableStream, onProgress: (bytes: Bytes) => void): Promise<void> {
  const layers = new Map<string, Bytes>()
  let refusal: string | undefined
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error) => {
        if (error || refusal !== undefined) reject(error ?? new Error(refusal))
        else resolve()
      },
      ({ status, id = '', error, progressDetail }: PullEvent) => {
        if (error !== undefined) refusal = error
        if (status === 'Downloading' && progressDetail?.total !== undefined) {
          layers.set(id, { current: progressDetail.current ?? 0, total: progressDetail.total })
        }
        const layer = layers.get(id)
        if (layer && (status === 'Download complete' || status === 'Pull complete')) layer.current = layer.total
        if (layer) onProgress(sum([...layers.values()]))
      },
    )
  })
}

function sum(layers: readonly Bytes[]): Bytes {
  return layers.reduce((all, layer) => ({ current: all.current + layer.current, total: all.total + layer.total }), {
    current: 0,
    total: 0,
  })
}

/** Without the client's dressing: `(HTTP code 500) server error - `. */
function reasonOf(error: unknown): string {
  const { json, message } = error as Error & { json?: { message?: string } }
  const [line = ''] = (json?.message ?? message)
    .replace(/^\(HTTP code \d+\) [\w ]+ - /, '')
    .trim()
    .split('\n')
  return line
}
