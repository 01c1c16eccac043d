/**
 * Watches for how long a process holds its only thread (worker-runtime §9, §12.5 RULE 3). While requests are open it is asked for a
 * sign of life now and then: any answer is one. Waiting for something is not holding.
 */
import { join } from 'node:path'
import { setImmediate as poll } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { Exchange } from '../exchange.ts'
import { FILES } from './configuration.ts'
import { processorMs } from './process-figures.ts'

const TICK_MS = 50
/** It is asked so often in the time that it may hold its thread. */
const ASKED_TIMES = 10
/** A thread that ran so long and answered nothing was busy; one that ran less was kept from running by others. */
const RAN_MS = 20
/** Then it is ended even so: it may be stopped, or wait for a system that does not answer. */
const PATIENCE_MS = 3_000

export interface ThreadWatch {
  /** It answered something. */
  heard(): void
  end(): Promise<void>
}

export interface WatchedProcess {
  pid: number
  directory: string
  exchanges: ReadonlySet<Exchange>
}

/** @param onHeld called once: it has not given a sign of life for `timeoutMs` */
export function watchThread(
  { pid, directory, exchanges }: WatchedProcess,
  timeoutMs: number,
  onHeld: (heldMs: number) => void,
): ThreadWatch {
  const dispatcher = new Agent({
    connect: { socketPath: join(directory, FILES.ping) },
    headersTimeout: 0,
    connections: 1,
  })
  const everyMs = Math.max(TICK_MS, timeoutMs / ASKED_TIMES)
  let heardAt = performance.now()
  let asked: { at: number; ranMs: number | undefined } | undefined
  let isEnded = false

  const timer = setInterval(() => {
    const now = performance.now()
    if (exchanges.size === 0) heardAt = now
    else if (asked && now - heardAt >= timeoutMs) void judge(now)
    else if (!asked && now - heardAt >= everyMs) void ask(now)
  }, TICK_MS).unref()

  async function judge(now: number): Promise<void> {
    // Its answer may be here already, behind what kept this process busy.
    await poll()
    await poll()
    if (!asked || isEnded || now - heardAt < timeoutMs || !isHeld(asked, now)) return
    for (const exchange of exchanges) exchange.isLate = !exchange.isAnswered && exchange.startedAt <= asked.at
    isEnded = true
    onHeld(now - heardAt)
  }

  function isHeld({ ranMs }: { ranMs: number | undefined }, now: number): boolean {
    const ran = ranMs === undefined ? undefined : processorMs(pid)
    if (ran === undefined || ranMs === undefined) return true
    return ran - ranMs >= RAN_MS || now - heardAt >= timeoutMs + PATIENCE_MS
  }

  async function ask(at: number): Promise<void> {
    asked = { at, ranMs: processorMs(pid) }
    try {
      const { body } = await request('http://ping/', { dispatcher })
      await body.dump()
      heardAt = performance.now()
    } catch {
      // It ended, which others notice.
    }
    asked = undefined
  }

  return {
    heard() {
      heardAt = performance.now()
    },
    async end() {
      isEnded = true
      clearInterval(timer)
      await dispatcher.destroy()
    },
  }
}
