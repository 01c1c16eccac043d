/** One version of an app: its processes, kept running until it is drained (worker-runtime §§9, 12.5 RULE 4). */
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppConfig, RestartReason } from '../../../server/ports/apps.ts'
import type { VersionPlan } from './configuration.ts'
import type { ConsoleLine } from './console-line.ts'
import { OUT_OF_HEAP } from './explain-start.ts'
import { startProcess } from './process.ts'
import { createReplica, type Replica } from './replica.ts'

/** One that ends so soon after its start ends again, unless it is given time. */
const SOON_MS = 5_000
const BACKOFF_MS = 100
const MAX_BACKOFF_MS = 30_000
/** Requests wait for a restart that is due within so long; beyond, they are refused. */
const PATIENCE_MS = 2_000

export interface Version {
  readonly config: AppConfig
  readonly digest: string
  readonly number: number
  /** The replica with the least to do; a promise while none runs; nothing while the app is in a crash loop. */
  pick(): Replica | Promise<Replica | undefined> | undefined
  replicas(): Replica[]
  /** Ends every process, the open requests first. @returns how many were cut */
  drain(drainMs: number): Promise<number>
}

export interface VersionOptions {
  /** A plan with a fresh directory for each process. */
  plan(): VersionPlan
  number: number
  onConsole(line: ConsoleLine): void
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
      slot.replica = undefined
      const reason = replica.killed ?? (isOutOfHeap ? 'memory' : 'crash')
      for (const exchange of replica.exchanges) exchange.onKilled(reason)
      if (isEnding) return
      if (!replica.killed)
        onRestart(
          reason,
          isOutOfHeap ? `its heap was full at ${config.memoryMb} MB` : `it ended by ${signal ?? `exit code ${code}`}`,
        )
      const lasted = performance.now() - startedAt
      slot.failures = lasted < SOON_MS ? slot.failures + 1 : 1
      restart(slot)
    })
    return replica
  }

  function restart(slot: Slot): void {
    const wait = slot.failures <= 1 ? 0 : Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (slot.failures - 1))
    slot.dueAt = performance.now() + wait
    slot.starting = (async () => {
      await sleep(wait, undefined, { ref: false })
      if (isEnding) return undefined
      try {
        return await start(slot)
      } catch (error) {
        slot.failures += 1
        onConsole({ level: 'error', message: `cannot be started again: ${(error as Error).message}` })
        if (!isEnding) setImmediate(restart, slot)
        return undefined
      } finally {
        slot.starting = undefined
      }
    })()
  }

  try {
    await Promise.all(slots.map(start))
  } catch (error) {
    isEnding = true
    await end(0)
    throw error
  }

  async function end(drainMs: number): Promise<number> {
    isEnding = true
    const cut = await Promise.all(
      slots.map(async (slot) => (await (slot.replica ?? (await slot.starting))?.drain(drainMs)) ?? 0),
    )
    return cut.reduce((sum, count) => sum + count, 0)
  }

  return {
    config,
    digest,
    number,
    pick() {
      let best: Replica | undefined
      for (const { replica } of slots) {
        if (replica && !replica.killed && (!best || replica.exchanges.size < best.exchanges.size)) best = replica
      }
      if (best) return best
      const soon = performance.now() + PATIENCE_MS
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
