/** One version of an app: its processes, kept running until it is drained (worker-runtime §§9, 12.5 RULE 4). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppConfig, LoadError, RestartReason } from '../../../server/ports/apps.ts'
import type { VersionPlan } from './configuration.ts'
import type { ConsoleLine } from './console-line.ts'
import { OUT_OF_HEAP } from './explain-start.ts'
import { asLoadError } from './load-error.ts'
import { startProcess } from './process.ts'
import { createReplica, type Replica } from './replica.ts'

/** One that ends so soon after its start ends again, unless it is given time. */
const SOON_MS = 5_000
const BACKOFF_MS = 100
const MAX_BACKOFF_MS = 30_000
/** What held its thread was a request's doing: it has to be back within a second. */
const MAX_TIMEOUT_BACKOFF_MS = 400
/** Requests wait for a restart that is due within so long; beyond, they are refused. */
const PATIENCE_MS = 2_000
const IDLE_LOOKS = 4

export interface Version {
  readonly config: AppConfig
  readonly digest: string
  readonly number: number
  /** None of its processes runs, since nothing is asked of it. */
  readonly isAsleep: boolean
  /** The replica with the least to do; a promise while none runs; nothing while the app is in a crash loop. */
  pick(): Replica | Promise<Replica | undefined> | undefined
  replicas(): Replica[]
  /** Ends every process, the open requests first. @returns how many requests were cut */
  drain(drainMs: number): Promise<number>
}

export interface VersionOptions {
  /** A plan with a fresh directory for each process. */
  plan(): VersionPlan
  number: number
  /** Starts with the first request. */
  isLazy: boolean
  /** For what is open when it falls asleep. */
  drainMs: number
  onConsole(line: ConsoleLine): void
  /** A process was started that was not to be waited for. */
  onStarted(): void
  onStartFailed(error: LoadError): void
  onRestart(reason: RestartReason, detail: string): void
}

interface Slot {
  replica?: Replica | undefined
  starting?: Promise<Replica | undefined> | undefined
  /** Starts in a row that did not last. */
  failures: number
  /** Restarts are due then. */
  dueAt: number
}

/** Resolves when all its processes listen. @throws AppLoadError; nothing of it runs then */
export async function startVersion(config: AppConfig, options: VersionOptions): Promise<Version> {
  const { plan, number, onConsole, onRestart } = options
  const slots: Slot[] = Array.from({ length: config.replicas }, () => ({ failures: 0, dueAt: 0 }))
  const { digest } = plan().bundle
  /** Those that fell asleep and still have something open. */
  const falling = new Set<Replica>()
  const { idleMs } = config
  let idleWatch: NodeJS.Timeout | undefined
  let isAsleep = options.isLazy
  let askedAt = performance.now()
  let isEnding = false

  async function start(slot: Slot): Promise<Replica> {
    const startedAt = performance.now()
    let isOutOfHeap = false
    const process = await startProcess(plan(), (line) => {
      isOutOfHeap ||= OUT_OF_HEAP.test(line.message)
      onConsole(line)
    })
    const replica = createReplica(process, config, onRestart)
    slot.replica = replica
    void replica.exited.then(({ code, signal }) => {
      const reason = replica.killed ?? (isOutOfHeap ? 'memory' : 'crash')
      for (const exchange of replica.exchanges) exchange.onKilled(reason)
      if (isEnding || slot.replica !== replica) return
      slot.replica = undefined
      if (!replica.killed)
        onRestart(
          reason,
          isOutOfHeap ? `its heap was full at ${config.memoryMb} MB` : `it ended by ${signal ?? `exit code ${code}`}`,
        )
      const lasted = performance.now() - startedAt
      slot.failures = lasted < SOON_MS ? slot.failures + 1 : 1
      void restart(slot, reason === 'timeout' ? MAX_TIMEOUT_BACKOFF_MS : MAX_BACKOFF_MS)
    })
    return replica
  }

  function restart(slot: Slot, mostMs = MAX_BACKOFF_MS): Promise<Replica | undefined> {
    const wait = slot.failures <= 1 ? 0 : Math.min(mostMs, BACKOFF_MS * 2 ** (slot.failures - 1))
    slot.dueAt = performance.now() + wait
    slot.starting = (async () => {
      await sleep(wait, undefined, { ref: false })
      if (isEnding) return undefined
      try {
        const replica = await start(slot)
        options.onStarted()
        return replica
      } catch (error) {
        slot.failures += 1
        options.onStartFailed(asLoadError(error))
        if (!isEnding) setImmediate(restart, slot)
        return undefined
      } finally {
        slot.starting = undefined
      }
    })()
    return slot.starting
  }

  if (!isAsleep) {
    try {
      await Promise.all(slots.map(start))
    } catch (error) {
      await end(0)
      throw error
    }
  }

  if (idleMs !== undefined) idleWatch = setInterval(fallAsleep, idleMs / IDLE_LOOKS, idleMs).unref()

  function fallAsleep(idleMs: number): void {
    const isBusy = slots.some(({ replica, starting }) => starting || (replica && replica.exchanges.size > 0))
    if (isBusy) askedAt = performance.now()
    if (isAsleep || performance.now() - askedAt < idleMs) return
    isAsleep = true
    for (const slot of slots) {
      const { replica } = slot
      slot.replica = undefined
      if (!replica) continue
      falling.add(replica)
      void replica.drain(options.drainMs).finally(() => falling.delete(replica))
    }
  }

  function wake(): Promise<Replica | undefined> | undefined {
    isAsleep = false
    const [first] = slots.map((slot) => restart(slot))
    return first
  }

  async function end(drainMs: number): Promise<number> {
    isEnding = true
    clearInterval(idleWatch)
    const cut = await Promise.all([
      ...slots.map(async (slot) => (await (slot.replica ?? (await slot.starting))?.drain(drainMs)) ?? 0),
      ...[...falling].map((replica) => replica.drain(drainMs)),
    ])
    return cut.reduce((sum, count) => sum + count, 0)
  }

  return {
    config,
    digest,
    number,
    get isAsleep() {
      return isAsleep
    },
    pick() {
      askedAt = performance.now()
      if (isAsleep && !isEnding) return wake()
      let best: Replica | undefined
      for (const { replica } of slots) {
        if (replica && !replica.killed && (!best || replica.exchanges.size < best.exchanges.size)) best = replica
      }
      if (best) return best
      const soon = askedAt + PATIENCE_MS
      // One that was ended a moment ago is not yet starting again.
      return slots.find(({ starting, dueAt }) => starting && dueAt < soon)?.starting ?? restarting(slots)
    },
    replicas: () => slots.flatMap(({ replica }) => replica ?? []),
    drain: end,
  }
}

async function restarting(slots: readonly Slot[]): Promise<Replica | undefined> {
  const dying = slots.find(({ replica }) => replica?.killed)
  if (!dying) return undefined
  await dying.replica?.exited
  return await dying.starting
}
