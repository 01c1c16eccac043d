/**
 * One queue's worker: BullMQ's, without the connection of its own on which each of those waits for work. Ours waits for a bell, which is
 * rung when news of work comes, so that a gateway needs the same few connections for any number of queues.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  QueueKeys,
  RATE_LIMIT_ERROR,
  type RedisConnection,
  RedisQueueBackend,
  WaitingError,
  Worker,
  type WorkerOptions,
} from 'bullmq'
import type { Redis } from 'ioredis'
import { backoff, type WorkersOptions } from './workers.ts'

/** A job whose gateway is gone is sent again when it was not heard of for so long, at the next look. */
const LOCK_MS = 6_000
const LOCK_RENEWAL_MS = 3_000
const STALLED_LOOK_MS = 2_000
/** News may be lost with a connection: so often a worker looks by itself. */
const LOOK_SECONDS = 5
/** After the server refused to hand out a job. */
const REFUSED_MS = 1_000

export interface QueueWorker {
  /** There may be work. */
  ring(): void
  start(): void
  /** Begins no further job until `start`. */
  stop(): void
  /** Cuts off a job that is being sent. */
  cut(id: string): void
  /**
   * Begins no further job; what is on its way has so long to end, then it is cut off.
   * @param isGone whether its jobs have gone; otherwise those cut off will be sent again, before the others
   */
  close(graceMs: number, isGone: boolean): Promise<void>
}

interface Surroundings {
  client: Redis
  connection: RedisConnection
  prefix: string
  generation: string
  /** Resolves with nothing when delivered, else with the reason. */
  send(text: string, signal: AbortSignal): Promise<string | undefined>
}

export function createQueueWorker(
  { client, connection, prefix, generation, send }: Surroundings,
  { concurrency, attempts, backoffMs }: WorkersOptions,
): QueueWorker {
  const bell = createBell()
  const onTheWay = new Set<string>()
  let isStarted = false
  let isGone = false
  let closing: Promise<void> | undefined

  const worker = new Worker(
    generation,
    // BullMQ counts the parameters: with three there is a signal.
    async (job, token, signal) => {
      const { id = '' } = job
      const giveBack = async () => {
        // Lost its lock meanwhile: then it is sent again as one whose gateway is gone.
        if (!isGone) await job.moveToWait(token as string).catch(() => {})
        throw new WaitingError()
      }
      if (!isStarted || closing) return await giveBack()
      // Today's settings, not those of when the job was enqueued.
      Object.assign(job.opts, { attempts, backoff: { type: 'custom' }, stackTraceLimit: 0 })
      onTheWay.add(id)
      const reason = await send(JSON.stringify(job.data), signal as AbortSignal)
      onTheWay.delete(id)
      if (signal?.aborted) return await giveBack()
      if (reason === undefined) return
      // BullMQ takes an error of this text for its own.
      throw new Error(reason === RATE_LIMIT_ERROR ? `${reason}.` : reason)
    },
    {
      connection: client,
      prefix,
      concurrency,
      autorun: false,
      drainDelay: LOOK_SECONDS,
      lockDuration: LOCK_MS,
      lockRenewTime: LOCK_RENEWAL_MS,
      stalledInterval: STALLED_LOOK_MS,
      // That a gateway was killed says nothing about its jobs.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      runRetryDelay: REFUSED_MS,
      removeOnComplete: { count: 0 },
      settings: { backoffStrategy: (made) => backoff(backoffMs, made) },
    },
    (name, options) => new SharingBackend(connection, name, prefix, options as WorkerOptions, bell),
  )
  worker.on('error', () => {}) // what it cannot do now it tries again; whoever asks the queue for something is told
  worker.on('stalled', () => bell.ring())
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id)
  })

  return {
    ring: () => bell.ring(),
    start() {
      if (isStarted || closing) return
      isStarted = true
      bell.release()
      if (worker.isPaused()) void worker.resume()
      else worker.run().catch(() => {})
    },
    stop() {
      isStarted = false
      bell.hold()
      void worker.pause(true)
    },
    cut: (id) => void worker.cancelJob(id),
    close(graceMs, gone) {
      isGone ||= gone
      closing ??= (async () => {
        const closed = worker.close()
        const grace = new AbortController()
        await Promise.race([closed, sleep(graceMs, undefined, { signal: grace.signal }).catch(() => {})])
        grace.abort()
        // Each goes to the head of the queue.
        for (const id of [...onTheWay].toSorted((one, other) => Number(other) - Number(one))) worker.cancelJob(id)
        await closed
      })()
      return closing
    },
  }
}

interface Bell {
  /** Wakes whoever waits, or will wait next. */
  ring(): void
  /** Until `release`, it is rung in vain, but not forgotten. */
  hold(): void
  release(): void
  /** Resolves when it is rung, at the latest after `ms`, or when it is closed. */
  wait(ms: number): Promise<void>
  close(): void
}

function createBell(): Bell {
  const waiting = new Set<() => void>()
  let isRung = false
  let isHeld = false
  let isClosed = false

  function ring(): void {
    isRung = true
    if (isHeld && !isClosed) return
    if (waiting.size > 0) isRung = false
    for (const wake of waiting) wake()
    waiting.clear()
  }

  return {
    ring,
    hold() {
      isHeld = true
    },
    release() {
      isHeld = false
      if (isRung) ring()
    },
    async wait(ms) {
      if (isClosed) return
      if (isRung && !isHeld) {
        isRung = false
        return
      }
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.add(resolve)
      const timer = setTimeout(ring, ms)
      await promise
      clearTimeout(timer)
    },
    close() {
      isClosed = true
      ring()
    },
  }
}

class SharingBackend extends RedisQueueBackend {
  readonly #bell: Bell

  constructor(connection: RedisConnection, name: string, prefix: string, options: WorkerOptions, bell: Bell) {
    const keys = new QueueKeys(prefix)
    super(connection, name, keys.getKeys(name), (type) => keys.toKey(name, type), options, undefined, false)
    this.#bell = bell
  }

  override async waitForJob(blockTimeout: number): Promise<null> {
    await this.#bell.wait(blockTimeout * 1_000)
    return null
  }

  override async disconnectBlocking(): Promise<void> {
    this.#bell.close()
  }

  /** Whoever waits has to hear of the new time to wake. */
  override async moveToDelayed(...args: Parameters<RedisQueueBackend['moveToDelayed']>) {
    const moved = await super.moveToDelayed(...args)
    this.#bell.ring()
    return moved
  }

  /** A worker that is refused, such as by a server without memory, asks again at once: it would ask all the time. */
  override async moveToActive(token: string, name?: string): Promise<unknown[]> {
    try {
      return await super.moveToActive(token, name)
    } catch (error) {
      await this.#bell.wait(REFUSED_MS)
      throw error
    }
  }
}
