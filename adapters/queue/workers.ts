/**
 * One queue's workers: up to `concurrency` jobs on their way at once, started in the order of their ids, those to be tried again
 * first. Only ids wait in memory, a page of them; a job is read when a worker has time for it, and a worker is free again when the
 * outcome is kept, so that nothing runs ahead of a disk that takes no writes.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Jobs } from './jobs.ts'

/** Each wait between attempts is so many times longer than the one before, give or take a quarter. */
const BACKOFF_FACTOR = 4
const JITTER = 0.25
const LONGEST_BACKOFF_MS = 600_000

const WAITING_IDS = 1_000
/** After the store failed, and the longest sleep of the timer: a clock may be set back. */
const STORE_RETRY_MS = 1_000
const LONGEST_SLEEP_MS = 60_000

export interface WorkersOptions {
  concurrency: number
  attempts: number
  backoffMs: number
}

export interface Workers {
  /** Until then, nothing is sent. */
  start(): void
  /** Begins no further job until `start`. */
  stop(): void
  /** A job that was just committed. Ids come in ascending order. */
  offer(id: number): void
  /** Something is due now, or may be. */
  wake(): void
  /** Cuts off a job whose row has gone. */
  abort(id: number): void
  /** Cuts off all, after their rows have gone. */
  abortAll(): void
  /** Begins no further job; resolves when none is on its way, after `graceMs` at the latest. Aborted jobs stay as they are. */
  close(graceMs: number): Promise<void>
}

interface Surroundings {
  jobs: Jobs
  /** Resolves with nothing when delivered, else with the reason; what an aborted one resolves with is not looked at. */
  send(text: string, signal: AbortSignal): Promise<string | undefined>
  write<T>(job: () => T): Promise<T>
  now(): number
}

export function createWorkers(
  { jobs, send, write, now }: Surroundings,
  { concurrency, attempts, backoffMs }: WorkersOptions,
): Workers {
  const onTheWay = new Map<number, { controller: AbortController; ended: Promise<void> }>()
  /** Untried jobs in the order of their ids. */
  const waiting = new Set<number>()
  /** The greatest id that was ever in `waiting`. */
  let reached = 0
  /** The table may hold untried jobs beyond it. */
  let isBehind = true
  let nextDue = 0
  let timer: NodeJS.Timeout | undefined
  let isStarted = false
  const closing = new AbortController()

  function pump(): void {
    clearTimeout(timer)
    if (!isStarted || closing.signal.aborted) return
    try {
      while (onTheWay.size < concurrency) {
        const id = firstDue() ?? firstWaiting()
        if (id === undefined) break
        const text = jobs.text(id)
        waiting.delete(id)
        if (text !== undefined) begin(id, text)
      }
      if (onTheWay.size < concurrency && nextDue !== Number.POSITIVE_INFINITY) wakeIn(nextDue - now())
    } catch {
      wakeIn(STORE_RETRY_MS) // the store cannot be read now; whoever asks it for something is told
    }
  }

  function wakeIn(ms: number): void {
    timer = setTimeout(pump, Math.min(Math.max(ms, 1), LONGEST_SLEEP_MS))
  }

  function firstDue(): number | undefined {
    const time = now()
    if (nextDue > time) return undefined
    // Those on their way are due as well, until their outcome is kept.
    const id = jobs.due(time, concurrency).find((due) => !onTheWay.has(due))
    if (id === undefined) nextDue = jobs.nextDue(time) ?? Number.POSITIVE_INFINITY
    return id
  }

  function firstWaiting(): number | undefined {
    if (waiting.size === 0 && isBehind) {
      const page = jobs.untried(reached, WAITING_IDS)
      for (const id of page) waiting.add(id)
      reached = page.at(-1) ?? reached
      isBehind = page.length === WAITING_IDS
    }
    return waiting.values().next().value
  }

  function begin(id: number, text: string): void {
    const controller = new AbortController()
    onTheWay.set(id, { controller, ended: deliver(id, text, controller.signal) })
  }

  async function deliver(id: number, text: string, signal: AbortSignal): Promise<void> {
    const reason = await send(text, signal)
    await keep(id, reason, signal)
    onTheWay.delete(id)
    pump()
  }

  /** Keeps the outcome, in the end: a full disk may be emptied. */
  async function keep(id: number, reason: string | undefined, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await write(() => (reason === undefined ? void jobs.remove(id) : failed(id, reason)))
        return
      } catch {
        if (closing.signal.aborted) return
        await sleep(STORE_RETRY_MS, undefined, { signal: closing.signal }).catch(() => {})
      }
    }
  }

  function failed(id: number, reason: string): void {
    const before = jobs.attempts(id)
    if (before === undefined) return
    const made = before + 1
    if (made >= attempts) {
      jobs.fail(id, made, now(), reason)
      return
    }
    const dueAt = now() + backoff(backoffMs, made)
    jobs.tryAgain(id, made, dueAt)
    nextDue = Math.min(nextDue, dueAt)
  }

  function abortAll(): void {
    for (const { controller } of onTheWay.values()) controller.abort()
  }

  return {
    start() {
      isStarted = true
      pump()
    },
    stop() {
      isStarted = false
    },
    offer(id) {
      if (id <= reached) return
      if (isBehind || waiting.size >= WAITING_IDS) {
        isBehind = true
      } else {
        waiting.add(id)
        reached = id
      }
      if (onTheWay.size < concurrency) pump()
    },
    wake() {
      nextDue = 0
      pump()
    },
    abort: (id) => onTheWay.get(id)?.controller.abort(),
    abortAll,
    async close(graceMs) {
      closing.abort()
      clearTimeout(timer)
      const grace = new AbortController()
      const ended = Promise.all([...onTheWay.values()].map((job) => job.ended))
      const graceEnd = sleep(graceMs, undefined, { signal: grace.signal }).catch(() => {})
      await Promise.race([ended, graceEnd])
      grace.abort()
      abortAll()
      await ended
    },
  }
}

/** How long to wait, in milliseconds, when so many attempts were made. */
export function backoff(firstMs: number, made: number): number {
  const jitter = 1 + JITTER * (2 * Math.random() - 1)
  return Math.round(Math.min(firstMs * BACKOFF_FACTOR ** (made - 1), LONGEST_BACKOFF_MS) * jitter)
}
