/**
 * The queue port on BullMQ (Redis 6.2 or newer, Valkey too), delivered by workers in this process; several gateways share the work. All
 * keys share one hash slot, `{<namespace>:queue}`. BullMQ keeps the jobs; which queues there are, and what they are, is ours. Redis
 * must not evict keys: `maxmemory-policy noeviction`.
 */
import { createRedisBackend, type JobJson, type RedisQueueBackend } from 'bullmq'
import { HyperError } from '../../server/error.ts'
import type { Page } from '../../server/ports/common.ts'
import type { JobStatus, QueueJob, QueuePort } from '../../server/ports/queue.ts'
import { connectRedis, type RedisServer } from '../shared/redis.ts'
import { createDeliveries, type Deliveries, type QueueEntry } from './bullmq-deliveries.ts'
import { type JobFields, NO_QUEUE, type Scripted, type ScriptName, scripts } from './bullmq-scripts.ts'
import { createSender, type Locate, type Sender } from './delivery.ts'
import { idOf, noJob } from './job-id.ts'
import { itemOf } from './jobs.ts'

export interface BullmqQueueOptions {
  /** `redis://user:password@host:6379/0`, `rediss://` for TLS. */
  url: string
  /** What all keys begin with, in braces. @default 'hyper' */
  namespace?: string | undefined
  /** Requests on their way at once, for each queue and gateway; 0 sends nothing. @default 10 */
  concurrency?: number | undefined
  /** How often a job is tried before it is kept as failed. @default 3 */
  attempts?: number | undefined
  /** How long a target may take to answer. @default 30 000 */
  timeoutMs?: number | undefined
  /** The first wait between attempts; each further one is four times longer. @default 200 */
  backoffMs?: number | undefined
  /** Which targets are ours to answer. @default none */
  locate?: Locate | undefined
}

const PAGE_JOBS = 1_000
/** A page of large jobs ends early. */
const PAGE_BYTES = 4 * 1024 * 1024

/** What is on its way when the sandbox stops has so long to end; the rest is sent again at the next start. */
const CLOSE_GRACE_MS = 1_000

const FAILED_KEPT_MS = 7 * 24 * 3_600_000
const SWEEP_INTERVAL_MS = 3_600_000
const SWEEP_JOBS = 10_000
/** Jobs of an ended generation that are removed before Redis answers others. */
const CLEARED_AT_ONCE = 500

/** So often something is tried that another gateway may come before. */
const TRIES = 10

export function createBullmqQueue({
  url,
  namespace = 'hyper',
  concurrency = 10,
  attempts = 3,
  timeoutMs = 30_000,
  backoffMs = 200,
  locate,
}: BullmqQueueOptions): QueuePort {
  const prefix = `{${namespace}:queue}`
  const [queuesKey, idsKey, doomedKey, news] = ['queues', 'ids', 'doomed', 'news'].map((key) => `${prefix}:${key}`) as [
    string,
    string,
    string,
    string,
  ]
  let open: { server: RedisServer; backend: RedisQueueBackend; sender: Sender; deliveries: Deliveries } | undefined
  let sweeper: NodeJS.Timeout | undefined

  function opened() {
    if (!open) throw new HyperError('CLOSED', 'the queue is not open')
    return open
  }

  function ask<T>(operation: (client: Scripted) => Promise<T>): Promise<T> {
    const { server } = opened()
    return server.ask(() => operation(server.client as Scripted))
  }

  async function run(script: ScriptName, name: string, ...args: (string | number)[]) {
    const answer = await ask((client) => client[script](queuesKey, idsKey, doomedKey, news, name, prefix, ...args))
    if (answer === NO_QUEUE) throw noQueue()
    return answer
  }

  async function queueNamed(name: string): Promise<QueueEntry> {
    const entry = await ask((client) => client.hget(queuesKey, name))
    if (entry === null) throw noQueue()
    return entryOf(entry)
  }

  async function queues(): Promise<(QueueEntry & { name: string })[]> {
    const entries = Object.entries(await ask((client) => client.hgetall(queuesKey)))
    return entries.map(([name, entry]) => ({ name, ...entryOf(entry) })).sort((one, other) => one.id - other.id)
  }

  /** BullMQ's commands on one generation. */
  function jobsOf(generation: string): RedisQueueBackend {
    return opened().backend.forQueue(generation) as RedisQueueBackend
  }

  function tell(message: string): void {
    // A worker that misses it looks by itself.
    void open?.server.client.publish(news, message).catch(() => {})
  }

  async function clear(): Promise<void> {
    for (const generation of await ask((client) => client.smembers(doomedKey))) {
      const jobs = jobsOf(generation)
      while ((await ask(() => jobs.obliterate({ force: true, count: CLEARED_AT_ONCE }))) > 0);
      await ask((client) => client.srem(doomedKey, generation))
    }
  }

  async function sweep(): Promise<void> {
    for (const { generation } of await queues()) {
      await ask(() => jobsOf(generation).cleanJobsByState('failed', Date.now() - FAILED_KEPT_MS, SWEEP_JOBS))
    }
  }

  return {
    async open() {
      const server = connectRedis(url, scripts)
      const shared = { connection: server.client, prefix, skipVersionCheck: true, skipWaitingForReady: true }
      const backend = createRedisBackend('shared', shared)
      backend.on('error', () => {}) // the connection's, told to whoever uses it
      const sender = createSender({ timeoutMs, now: Date.now, locate })
      const deliveries = createDeliveries(
        { url, prefix, news, sender, queues, clear },
        { concurrency, attempts, backoffMs },
      )
      open = { server, backend, sender, deliveries }
      // What cannot be swept now is in the next round.
      sweeper = setInterval(() => void sweep().catch(() => {}), SWEEP_INTERVAL_MS).unref()
    },

    async check() {
      await opened().server.check()
    },

    async close() {
      clearInterval(sweeper)
      const closing = open
      await closing?.deliveries.close(CLOSE_GRACE_MS)
      closing?.sender.close()
      await closing?.server.close()
      open = undefined
    },

    async start() {
      opened().deliveries.start()
    },

    async stop() {
      opened().deliveries.stop()
    },

    async create({ name, target, secret }) {
      const made = await run(
        'createQueue',
        name,
        JSON.stringify({ target, secret: secret === '' ? undefined : secret }),
      )
      if (made === 0) throw new HyperError('QUEUE_EXISTS', 'queue already exists')
      opened().deliveries.refresh()
    },

    async delete({ name }) {
      await run('deleteQueue', name)
      opened().deliveries.refresh()
    },

    async list() {
      return { names: (await queues()).map(({ name }) => name) }
    },

    async empty({ name }) {
      const count = (await run('emptyQueue', name)) as number
      opened().deliveries.refresh()
      return { count }
    },

    async post({ name, job, error }) {
      const text = JSON.stringify(job)
      if (error !== undefined) return { id: (await run('addFailed', name, text, error, Date.now())) as number }
      for (let tries = 0; tries < TRIES; tries += 1) {
        const { generation } = await queueNamed(name)
        const jobs = jobsOf(generation)
        const added = { name: 'job', data: text, opts: {}, timestamp: Date.now() } as JobJson
        const redis = await jobs.client
        // Sent one behind the other: the second tells whether the first came to a queue that is still there.
        const [id, entry] = await ask((client) =>
          Promise.all([
            jobs.addJobToTransaction(redis, added, '', {}, { ...jobs.keys, id: idsKey }),
            client.hget(queuesKey, name),
          ]),
        )
        tell(`work ${generation}`)
        if (entry !== null && entryOf(entry).generation === generation) return { id: Number(id) }
        await run('doomAgain', generation)
      }
      throw new HyperError('BACKEND_UNAVAILABLE', 'the queue is emptied over and over')
    },

    async get({ name, status }) {
      const { generation } = await queueNamed(name)
      const states = status === 'ERROR' ? ['failed'] : ['wait', 'active', 'delayed']
      const found = (await ask(() => jobsOf(generation).getRanges(states as never, 0, -1, true))) as string[][]
      const ids = found.flat().map(Number)
      ids.sort((one, other) => one - other)
      const pageFrom = async (start: number): Promise<Page<QueueJob>> => {
        const some = ids.slice(start, start + PAGE_JOBS)
        const jobs = (await run('readJobs', name, generation, PAGE_BYTES, ...some)) as JobFields[]
        const end = start + jobs.length
        return {
          items: jobs.flatMap((fields, index) => itemFrom(ids[start + index] as number, fields, name, status)),
          next: end < ids.length ? () => pageFrom(end) : undefined,
        }
      }
      return pageFrom(0)
    },

    async retry({ name, id }) {
      const { generation } = await queueNamed(name)
      const number = String(idOf(id))
      const jobs = jobsOf(generation)
      for (let tries = 0; tries < TRIES; tries += 1) {
        const [isThere, failed, delayed] = await ask((client) =>
          Promise.all([
            client.exists(jobs.toKey(number)),
            client.zscore(jobs.keys.failed as string, number),
            client.zscore(jobs.keys.delayed as string, number),
          ]),
        )
        if (!isThere) throw noJob()
        try {
          if (failed !== null) {
            const all = { resetAttemptsMade: true, resetAttemptsStarted: true }
            await ask(() => jobs.retryFinishedJob({ id: number, opts: {} } as never, 'failed', all))
          } else if (delayed !== null) {
            await ask((client) => client.hdel(jobs.toKey(number), 'atm'))
            await ask(() => jobs.promote(number))
          }
          tell(`work ${generation}`)
          return
        } catch (error) {
          if (!isOutOfDate(error)) throw error
        }
      }
    },

    async cancel({ name, id }) {
      const { generation } = await queueNamed(name)
      const number = String(idOf(id))
      const jobs = jobsOf(generation)
      for (let tries = 0; tries < TRIES; tries += 1) {
        // BullMQ removes no job that a worker has locked; a worker that has lost its lock can change nothing any more.
        const [isThere] = await ask((client) =>
          Promise.all([client.exists(jobs.toKey(number)), client.del(`${jobs.toKey(number)}:lock`)]),
        )
        if (!isThere) throw noJob()
        if ((await ask(() => jobs.remove(number, false))) === 1) break
      }
      tell(`cut ${generation} ${number}`)
    },
  } satisfies QueuePort
}

/** `<id> <generation> <settings>` */
function entryOf(text: string): QueueEntry {
  const [, id, generation = '', settings = '{}'] = /^(\d+) (\d+) (.*)$/s.exec(text) ?? []
  return { id: Number(id), generation, ...(JSON.parse(settings) as Pick<QueueEntry, 'target' | 'secret'>) }
}

/** Nothing when the job has gone, or is of the other status by now. */
function itemFrom(id: number, [job, timestamp, reason, end]: JobFields, queue: string, status: JobStatus) {
  if (job === null || (end === null) === (status === 'ERROR')) return []
  const error = reason === null ? null : JSON.stringify(reason)
  return [itemOf({ id, enqueued_at: Number(timestamp), error, job }, queue, status)]
}

/** The job is no longer where it was just now. */
function isOutOfDate(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number'
}

function noQueue(): HyperError {
  return new HyperError('QUEUE_NOT_FOUND', 'queue not found')
}
