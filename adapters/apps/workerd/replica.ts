/** A running process of an app with its connections, and the watch over how long it holds its thread (worker-runtime §§9, 12.5). */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, Pool, request } from 'undici'
import type { AppConfig, RestartReason } from '../../../server/ports/apps.ts'
import type { Exchange } from '../exchange.ts'
import type { Upstream } from '../upstream.ts'
import { FILES, isStateful } from './configuration.ts'
import type { WorkerdProcess } from './process.ts'

const PING_MS = 250
const WATCH_MS = 50
const MEMORY_WATCH_MS = 500
/** What a healthy process has beside its heap (worker-runtime §12.5, RULE 2). */
const RSS_BASE_MB = 96 + 256
const PAGE_BYTES = 4096
const LINGER_POLL_MS = 20

export interface Replica extends Upstream {
  readonly pid: number
  memoryBytes: number
  readonly exited: WorkerdProcess['exited']
  /** Asks the app's own control socket. */
  control(path: string, body?: object): Promise<{ statusCode: number; json: unknown }>
  /** No new requests; ends when the open ones and what they left to be awaited are done, at the latest after `drainMs`. @returns how many were cut */
  drain(drainMs: number): Promise<number>
}

export function createReplica(
  process: WorkerdProcess,
  app: AppConfig,
  onKill: (reason: RestartReason, detail: string) => void,
): Replica {
  const { timeoutMs, memoryMb, maxConcurrent } = app
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
  const aside = { control: new Agent({ connect: at('control') }), ping: new Agent({ connect: at('ping') }) }
  const exchanges = new Set<Exchange>()
  let killed: RestartReason | undefined
  let isAsking = false

  const kill = (reason: RestartReason, detail: string) => {
    if (killed) return
    killed = reason
    onKill(reason, detail)
    process.kill('SIGKILL')
  }

  const watch = setInterval(() => void lookAtThread(), WATCH_MS).unref()
  const memoryWatch = setInterval(() => void lookAtMemory(), MEMORY_WATCH_MS).unref()

  async function lookAtThread(): Promise<void> {
    if (isAsking || killed || exchanges.size === 0) return
    const latest = performance.now() - timeoutMs
    const late = [...exchanges].filter((one) => !one.isAnswered && one.startedAt < latest)
    if (late.length === 0) return
    isAsking = true
    try {
      if (!(await answersPing())) {
        for (const one of late) one.isLate = true
        kill('timeout', `its thread was held for over ${timeoutMs} ms`)
      }
      // Late because it waits for something; it may still come to hold the thread.
      else await sleep(PING_MS, undefined, { ref: false })
    } finally {
      isAsking = false
    }
  }

  async function answersPing(): Promise<boolean> {
    try {
      const signal = AbortSignal.timeout(PING_MS)
      const { body } = await request('http://ping/', { dispatcher: aside.ping, signal })
      await body.dump()
      return true
    } catch {
      return killed !== undefined
    }
  }

  async function lookAtMemory(): Promise<void> {
    const bytes = await residentBytes(process.pid)
    replica.memoryBytes = bytes
    const limitMb = RSS_BASE_MB + 2 * memoryMb
    if (bytes > limitMb * 1024 * 1024)
      kill('memory', `it had ${Math.round(bytes / 1024 / 1024)} MB, over ${limitMb} MB`)
  }

  const exited = process.exited.then(async (exit) => {
    clearInterval(watch)
    clearInterval(memoryWatch)
    await Promise.all([pool, aside.control, aside.ping].map((one) => one.destroy()))
    return exit
  })

  const replica: Replica = {
    pid: process.pid,
    pool,
    address: { path: at('app').socketPath },
    exchanges,
    get killed() {
      return killed
    },
    memoryBytes: 0,
    exited,
    async control(path, body) {
      const options = body === undefined ? {} : { method: 'POST' as const, body: JSON.stringify(body) }
      const answer = await request(`http://control${path}`, { dispatcher: aside.control, ...options })
      return { statusCode: answer.statusCode, json: await answer.body.json() }
    },
    async drain(drainMs) {
      const deadline = performance.now() + drainMs
      while (performance.now() < deadline && (exchanges.size > 0 || (await stillAwaits()))) await sleep(LINGER_POLL_MS)
      // Its timers would keep a stateful app from ending by itself.
      process.kill(isStateful(app) ? 'SIGKILL' : 'SIGTERM')
      const ended = await Promise.race([
        exited.then(() => true),
        sleep(Math.max(100, deadline - performance.now()), false),
      ])
      const cut = ended ? 0 : exchanges.size
      if (!ended) process.kill('SIGKILL')
      await exited
      return cut
    },
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

/** @returns 0 where the system does not tell */
async function residentBytes(pid: number): Promise<number> {
  try {
    const [, resident = '0'] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')
    return Number(resident) * PAGE_BYTES
  } catch {
    return 0
  }
}
