/** A running process of an app with its connections, and the watch over what it takes (worker-runtime §§9, 12.5). */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, Pool, request } from 'undici'
import type { AppConfig, RestartReason } from '../../../server/ports/apps.ts'
import type { Exchange } from '../exchange.ts'
import type { Upstream } from '../upstream.ts'
import { FILES } from './configuration.ts'
import type { WorkerdProcess } from './process.ts'
import { residentBytes } from './process-figures.ts'
import { watchThread } from './thread-watch.ts'

const MEMORY_WATCH_MS = 500
/** What a healthy process has beside its heap (worker-runtime §12.5, RULE 2). */
const RSS_BASE_MB = 96 + 256
const MEGABYTE = 1024 * 1024
const LINGER_POLL_MS = 20

export interface Replica extends Upstream {
  readonly pid: number
  /** Where a debugger is attached to it. */
  readonly inspector: string | undefined
  memoryBytes: number
  readonly exited: WorkerdProcess['exited']
  /** Asks the app's own control socket. */
  control(path: string, body?: object): Promise<{ statusCode: number; json: unknown }>
  /**
   * No new requests; ends when the open ones and what they left to be awaited are done, at the latest after `drainMs`. Asked again,
   * the shorter time holds.
   *
   * @returns how many requests were cut
   */
  drain(drainMs: number): Promise<number>
}

export function createReplica(
  process: WorkerdProcess,
  { timeoutMs, memoryMb, maxConcurrent }: AppConfig,
  onKill: (reason: RestartReason, detail: string) => void,
): Replica {
  const at = (name: keyof typeof FILES) => ({ socketPath: join(process.directory, FILES[name]) })
  const pool = new Pool('http://app', {
    connect: at('app'),
    connections: maxConcurrent,
    pipelining: 1,
    // Our own watch decides.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 60_000,
  })
  const controlled = new Agent({ connect: at('control') })
  const exchanges = new Set<Exchange>()
  let killed: RestartReason | undefined
  let deadline = Number.POSITIVE_INFINITY
  let draining: Promise<number> | undefined

  const kill = (reason: RestartReason, detail: string) => {
    if (killed) return
    killed = reason
    onKill(reason, detail)
    process.kill('SIGKILL')
  }

  const thread = watchThread({ pid: process.pid, directory: process.directory, exchanges }, timeoutMs, (heldMs) =>
    kill('timeout', `its thread was held for ${Math.round(heldMs)} ms, over ${timeoutMs} ms`),
  )
  const memoryWatch = setInterval(() => {
    const bytes = residentBytes(process.pid)
    replica.memoryBytes = bytes
    const limitMb = RSS_BASE_MB + 2 * memoryMb
    if (bytes > limitMb * MEGABYTE) kill('memory', `it had ${Math.round(bytes / MEGABYTE)} MB, over ${limitMb} MB`)
  }, MEMORY_WATCH_MS).unref()

  const exited = process.exited.then(async (exit) => {
    clearInterval(memoryWatch)
    await Promise.all([thread.end(), pool.destroy(), controlled.destroy()])
    return exit
  })

  const replica: Replica = {
    pid: process.pid,
    inspector: process.inspector,
    pool,
    address: { path: at('app').socketPath },
    exchanges,
    heard: thread.heard,
    get killed() {
      return killed
    },
    memoryBytes: 0,
    exited,
    async control(path, body) {
      const options = body === undefined ? {} : { method: 'POST' as const, body: JSON.stringify(body) }
      const answer = await request(`http://control${path}`, { dispatcher: controlled, ...options })
      return { statusCode: answer.statusCode, json: await answer.body.json() }
    },
    drain(drainMs) {
      deadline = Math.min(deadline, performance.now() + drainMs)
      draining ??= end()
      return draining
    },
  }

  async function end(): Promise<number> {
    await withinTime(quiet())
    process.kill('SIGTERM')
    // One that is idle takes a moment to end.
    deadline = Math.max(deadline, performance.now() + 100)
    const hasEnded = await withinTime(exited)
    const cut = hasEnded ? 0 : exchanges.size
    if (!hasEnded) process.kill('SIGKILL')
    await Promise.all([exited, process.removed])
    return cut
  }

  /** Nothing is open, and nothing is awaited any more. A process that loops never says so. */
  async function quiet(): Promise<void> {
    while (exchanges.size > 0 || (await stillAwaits()) || exchanges.size > 0) await sleep(LINGER_POLL_MS)
  }

  /** @returns whether it came before the deadline, which may be moved meanwhile */
  async function withinTime(what: Promise<unknown>): Promise<boolean> {
    let came = false
    const done = () => {
      came = true
    }
    const settled = what.then(done, done)
    while (!came && performance.now() < deadline) await Promise.race([settled, sleep(LINGER_POLL_MS)])
    return came
  }

  async function stillAwaits(): Promise<boolean> {
    try {
      const { json } = await replica.control('/awaited')
      return (json as { awaited: number }).awaited > 0
    } catch {
      return false
    }
  }
  return replica
}
