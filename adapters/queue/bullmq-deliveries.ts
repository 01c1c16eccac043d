/**
 * What a gateway delivers: a worker for each queue that there is, whichever gateway made it. Which those are is read from the server when
 * news comes that they changed, and now and then, because news may be lost.
 */
import { RedisConnection } from 'bullmq'
import { Redis } from 'ioredis'
import { createQueueWorker, type QueueWorker } from './bullmq-worker.ts'
import type { Sender } from './delivery.ts'
import { targetOf } from './delivery.ts'
import type { WorkersOptions } from './workers.ts'

/** What a queue is, besides its name. */
export interface QueueEntry {
  id: number
  generation: string
  target: string
  secret?: string | undefined
}

export interface Deliveries {
  start(): void
  stop(): void
  /** Makes the workers those of the queues that there are. */
  refresh(): void
  close(graceMs: number): Promise<void>
}

interface Surroundings {
  url: string
  prefix: string
  /** The channel of news: `queues` changed, there is `work <generation>`, `cut <generation> <job>` off. */
  news: string
  sender: Sender
  queues(): Promise<QueueEntry[]>
  /** Removes what is left of generations that ended. */
  clear(): Promise<void>
}

const REFRESH_MS = 5_000
const LONGEST_RETRY_MS = 1_000
/** A connection that was silent for so long while we wait for an answer leads nowhere any more. */
const SILENCE_MS = 4_000
/** What a server that does not answer keeps us from when we end. */
const CLOSE_MS = 1_000

export function createDeliveries(
  { url, prefix, news, sender, queues, clear }: Surroundings,
  options: WorkersOptions,
): Deliveries {
  const workers = new Map<string, QueueWorker>()
  let link: { client: Redis; subscriber: Redis; connection: RedisConnection } | undefined
  let timer: NodeJS.Timeout | undefined
  let isStarted = false
  let isClosed = false
  let isRefreshing = false
  let isClearing = false
  let isStale = false

  /** BullMQ's workers wait for a server that has gone, where callers of ours are told. */
  function connect() {
    const client = new Redis(url, {
      retryStrategy: (times) => Math.min(20 * 2 ** times, LONGEST_RETRY_MS),
      maxRetriesPerRequest: null,
      socketTimeout: SILENCE_MS,
      disableClientInfo: true,
    }).on('error', () => {})
    const subscriber = client.duplicate().on('error', () => {})
    subscriber.on('message', (_, message) => hear(message))
    subscriber.on('ready', () => {
      refresh()
      for (const worker of workers.values()) worker.ring()
    })
    subscriber.subscribe(news).catch(() => {}) // closed before
    const connection = new RedisConnection(client, {
      shared: true,
      blocking: false,
      skipVersionCheck: true,
      skipWaitingForReady: true,
    }).on('error', () => {})
    return { client, subscriber, connection }
  }

  function hear(message: string): void {
    const [what, generation = '', id = ''] = message.split(' ')
    if (what === 'queues') refresh()
    if (what === 'work') workers.get(generation)?.ring()
    if (what === 'cut') workers.get(generation)?.cut(id)
  }

  function lookAround(): void {
    // Who only listens does not notice that nobody speaks any more.
    link?.subscriber.ping().catch(() => {})
    refresh()
  }

  function refresh(): void {
    if (!isStarted && workers.size === 0) return
    isStale = true
    if (!isRefreshing) void followAll()
  }

  async function followAll(): Promise<void> {
    isRefreshing = true
    while (isStale && !isClosed) {
      isStale = false
      await follow()
    }
    isRefreshing = false
  }

  async function follow(): Promise<void> {
    try {
      const found = new Map((await queues()).map((queue) => [queue.generation, queue]))
      for (const generation of workers.keys()) if (!found.has(generation)) end(generation)
      for (const queue of found.values()) if (isStarted && !isClosed && !workers.has(queue.generation)) begin(queue)
    } catch {
      return // the server is not there: what there was goes on, and the next round tries again
    }
    // A hundred thousand jobs take seconds, in which other queues come and go.
    if (!isClearing) void clearAside()
  }

  async function clearAside(): Promise<void> {
    isClearing = true
    await clear().catch(() => {}) // the next round goes on
    isClearing = false
  }

  function begin({ generation, target, secret }: QueueEntry): void {
    if (options.concurrency < 1 || !link) return
    const address = targetOf(target)
    const worker = createQueueWorker(
      { ...link, prefix, generation, send: (text, signal) => sender.send({ target: address, secret, text, signal }) },
      options,
    )
    workers.set(generation, worker)
    worker.start()
  }

  function end(generation: string): void {
    void workers.get(generation)?.close(0, true)
    workers.delete(generation)
  }

  return {
    start() {
      isStarted = true
      link ??= connect()
      timer ??= setInterval(lookAround, REFRESH_MS).unref()
      for (const worker of workers.values()) worker.start()
      refresh()
    },
    stop() {
      isStarted = false
      for (const worker of workers.values()) worker.stop()
    },
    refresh,
    async close(graceMs) {
      isClosed = true
      clearInterval(timer)
      const closing = Promise.all([...workers.values()].map((worker) => worker.close(graceMs, false)))
      let late: NodeJS.Timeout | undefined
      const deadline = new Promise<void>((resolve) => {
        late = setTimeout(resolve, graceMs + CLOSE_MS)
      })
      await Promise.race([closing, deadline])
      clearTimeout(late)
      if (link) for (const client of [link.subscriber, link.client]) disconnect(client)
      await closing.catch(() => {})
    },
  }
}

function disconnect(client: Redis): void {
  // Between two attempts, ioredis would leave waiting for ever what waits for a connection.
  if (client.status === 'reconnecting') client.connect().catch(() => {})
  client.disconnect()
}
