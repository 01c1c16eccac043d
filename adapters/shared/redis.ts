/**
 * A connection to Redis as our adapters use it: made when first used, remade by itself, and never one that keeps anybody waiting. What
 * was on its way when a connection broke fails, because nobody knows whether it was done; it is never sent again behind our callers' backs.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'
import { HyperError } from '../../server/error.ts'
import { createLiveness, unavailable } from './liveness.ts'

export interface RedisServer {
  readonly client: Redis
  /** Runs what asks `client` for something. @throws BACKEND_UNAVAILABLE when the server is not there, or cannot do it now */
  ask<T>(operation: () => Promise<T>): Promise<T>
  /** @throws BACKEND_UNAVAILABLE within 1.3 s, also when the server may evict keys of ours */
  check(): Promise<void>
  /** Waits for what is on its way, for a second at most. */
  close(): Promise<void>
}

/** How long a call waits for a connection that is being made. */
const CONNECT_MS = 1_000
const CHECK_MS = 1_300
const CLOSE_MS = 1_000
const LONGEST_RETRY_MS = 500
/** A connection that was silent for so long while we wait for an answer leads nowhere any more: another host may have its address. */
const SILENCE_MS = 2_000

/** @param scripts Lua by the name of the command that each becomes */
export function connectRedis(url: string, scripts: NonNullable<RedisOptions['scripts']> = {}): RedisServer {
  const options = {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    retryStrategy: (times: number) => Math.min(20 * 2 ** times, LONGEST_RETRY_MS),
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // A server that is still loading says so in its answers.
    enableReadyCheck: false,
    disableClientInfo: true,
    scripts,
  } satisfies RedisOptions
  const server = `Redis at ${new URL(url).host}`
  const main = connection(server, new Redis(url, options))
  let second: Connection | undefined
  let askedSince: number | undefined
  let silence = { bytes: -1, since: 0 }

  /** Asks beside what is on its way: an answer of many megabytes may take its time. */
  async function ping(): Promise<void> {
    second ??= connection(server, main.client.duplicate())
    // What arrived while we were busy is read first: ioredis's own limit takes our business for the server's silence.
    await nextTurn()
    if (performance.now() - (askedSince ?? Number.POSITIVE_INFINITY) > SILENCE_MS) {
      askedSince = undefined
      second.renew()
    }
    askedSince ??= performance.now()
    await second.ready()
    await second.client.ping()
    askedSince = undefined
    const bytes = main.client.stream?.bytesRead ?? 0
    if (bytes !== silence.bytes) silence = { bytes, since: performance.now() }
    else if (performance.now() - silence.since > SILENCE_MS) main.renew()
  }

  const liveness = createLiveness({ server, ping })

  async function run<T>(operation: () => Promise<T>): Promise<T> {
    try {
      if (main.client.status !== 'ready') await main.ready()
      return await liveness.watch(operation, main.renew)
    } catch (error) {
      throw asRedisError(server, error)
    }
  }

  return {
    client: main.client,
    ask: run,
    async check() {
      // Who may not ask for the policy is not told of it.
      const memory = run(() => main.client.info('memory')).catch(() => '')
      await within(CHECK_MS, unavailable(server), () => run(() => main.client.ping()))
      const [policy = ''] = EVICTION.exec(await memory) ?? []
      if (policy === '') return
      throw new HyperError('BACKEND_UNAVAILABLE', `${server} may drop what we keep: ${policy}`, {
        hint: 'Set maxmemory-policy to noeviction there, or name a Redis that keeps its keys.',
      })
    },
    async close() {
      liveness.close()
      // Redis answers in the order it was asked.
      if (main.client.status === 'ready')
        await within(CLOSE_MS, unavailable(server), () => main.client.quit()).catch(() => {})
      main.client.disconnect()
      second?.client.disconnect()
    },
  }
}

async function within<T>(ms: number, error: HyperError, operation: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error), ms)
  })
  return await Promise.race([operation(), late]).finally(() => clearTimeout(timer))
}

/** Without a limit of memory the policy is none. */
const EVICTION = /(?<=^maxmemory:[1-9]\d*\r?\n(?:.*\r?\n)*)maxmemory_policy:allkeys-\w+/m

interface Connection {
  client: Redis
  /** @throws BACKEND_UNAVAILABLE */
  ready(): Promise<void>
  /** Fails what is on its way, and connects again. */
  renew(): void
}

function connection(server: string, client: Redis): Connection {
  let lastError: unknown
  let waiting: Promise<void> | undefined
  client.on('error', (error) => {
    lastError = error
  })
  client.on('ready', () => {
    lastError = undefined
  })

  async function connected(): Promise<void> {
    if (client.status === 'end') throw new HyperError('CLOSED', 'the service is shutting down')
    if (client.status === 'wait') client.connect().catch(() => {}) // also told by 'close'
    const ended = new AbortController()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const failed = () => reject(asRedisError(server, lastError ?? unavailable(server)))
    const timer = setTimeout(async () => {
      await nextTurn()
      failed()
      // Whoever took the connection says nothing: a paused server, or none any more.
      if (client.status === 'connect') client.stream.destroy()
    }, CONNECT_MS)
    client.once('ready', resolve).once('close', failed)
    ended.signal.addEventListener('abort', () => {
      clearTimeout(timer)
      client.off('ready', resolve).off('close', failed)
    })
    await promise.finally(() => ended.abort())
  }

  return {
    client,
    async ready() {
      if (client.status === 'ready') return
      waiting ??= connected().finally(() => {
        waiting = undefined
      })
      await waiting
    },
    renew() {
      if (client.status === 'ready') client.stream.destroy()
    },
  }
}

/** What a server says that cannot do something now, and what to tell a client; Redis's own text never reaches one (B6). */
const TROUBLE: Record<string, string> = {
  LOADING: 'is still loading its data',
  BUSY: 'is busy with a script',
  OOM: 'has no memory left',
  MISCONF: 'cannot write to its disk',
  READONLY: 'is a replica that takes no writes',
  MASTERDOWN: 'has lost its master',
  NOREPLICAS: 'has too few replicas to take writes',
  CLUSTERDOWN: 'belongs to a cluster that is down',
  MOVED: 'belongs to a cluster and does not hold these keys',
  NOAUTH: 'asks for a password',
  WRONGPASS: 'refuses the user or the password',
  NOPERM: 'does not allow its user what is needed',
  'ERR max number of clients': 'takes no more connections',
}

// Redis 6 tells the errors of a script's commands in a sentence of its own.
const TROUBLE_WORDS = new RegExp(`^(?:ERR Error running script .*?-)?(${Object.keys(TROUBLE).join('|')})\\b`)

/** What ioredis says when there is no connection, or no longer. */
const GONE =
  /^(?:Connection is closed|Stream isn't writeable|Socket timeout|Reached the max retries|Command aborted due to connection)/

/** What to tell of an error: one of the server's trouble, or of its absence; any other is none of the server's and stays as it is. */
export function asRedisError(server: string, error: unknown): unknown {
  if (error instanceof HyperError || !(error instanceof Error)) return error
  const { previousErrors: [reason = error] = [], syscall } = error as { previousErrors?: Error[]; syscall?: string }
  // ioredis adds what was sent: keys, values, passwords.
  const cause = new Error(reason.message)
  const [, word = ''] = TROUBLE_WORDS.exec(reason.message) ?? []
  if (word !== '') return new HyperError('BACKEND_UNAVAILABLE', `${server} ${TROUBLE[word]}`, { cause })
  if (syscall !== undefined || GONE.test(reason.message)) return unavailable(server, cause)
  return reason.name === 'ReplyError' ? cause : error
}
