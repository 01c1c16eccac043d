/**
 * The connection to a MongoDB server, replica set or Atlas cluster: made once, when first needed, mended by the driver afterwards.
 * What the server is too dead or too ill to do is BACKEND_UNAVAILABLE.
 */
import {
  type Db,
  type Document,
  MongoAPIError,
  MongoBulkWriteError,
  MongoClient,
  type MongoClientOptions,
  MongoCompatibilityError,
  MongoInvalidArgumentError,
  MongoNetworkError,
  MongoRuntimeError,
  MongoServerError,
  MongoSystemError,
} from 'mongodb'
import { HyperError } from '../../../server/error.ts'
import { createLiveness, unavailable } from '../../shared/liveness.ts'

/**
 * What the URL cannot change, because promises rest on it: a dead server is noticed within two seconds, an acknowledged write is
 * in the journals of a majority, and a read comes from where writes go. Interrupted calls are repeated once by the driver, writes
 * only where the server sees that it has them already (not on a stand-alone one).
 */
const OPTIONS = {
  appName: 'hyper-sandbox',
  serverSelectionTimeoutMS: 1_200,
  connectTimeoutMS: 1_200,
  // While a call waits for a server that starts; the driver's half second is made for clusters far away.
  minHeartbeatFrequencyMS: 50,
  // A majority that is not there is an answer too late; the write may still come about.
  writeConcern: { w: 'majority', journal: true, wtimeoutMS: 10_000 },
  readPreference: 'primary',
  readConcernLevel: 'local',
  retryReads: true,
  retryWrites: true,
} as const satisfies MongoClientOptions

const CHECK_MS = 1_400

export interface MongoServer {
  /** Where everything of ours is. */
  readonly db: Db
  /** Runs what talks to the server. @throws BACKEND_UNAVAILABLE, or the error that the server answers with */
  run<T>(operation: () => Promise<T>): Promise<T>
  /** Whether several documents can be written as one: not on a stand-alone server. */
  hasTransactions(): Promise<boolean>
  /** @throws BACKEND_UNAVAILABLE */
  check(): Promise<void>
  close(): Promise<void>
}

/** @throws CONFIG_INVALID for a URL that is none of MongoDB's */
export function createMongoServer(url: string, namespace: string): MongoServer {
  const client = connectTo(url, {})
  // Beside the first one's connections, which may all be busy with long queries; open and let in before it is needed.
  const pulse = connectTo(url, { minPoolSize: 1, maxPoolSize: 1 })
  const { srvHost, hosts, dbName } = client.options
  const label = `MongoDB at ${srvHost ?? hosts.join(',')}`
  const db = client.db(namesDatabase(url) ? dbName : asDatabaseName(namespace))
  /** One that is not answered in time takes its connection with it. */
  const ask = async (command: Document) => {
    const signal = AbortSignal.timeout(CHECK_MS)
    await connected(pulse)
    await pulse.db(db.databaseName).command(command, { signal })
  }
  const liveness = createLiveness({ server: label, ping: () => ask({ ping: 1 }) })
  let transactions: Promise<boolean> | undefined
  let isPulseOpen = false
  let isClosed = false
  const connecting = new Set<Promise<unknown>>()

  /** The driver connects by itself, but never again where the first time failed, and anew where it has been closed. */
  async function connected(client: MongoClient): Promise<void> {
    if (isClosed) throw new HyperError('CLOSED', 'the service is shutting down')
    const attempt = client.connect()
    connecting.add(attempt)
    await attempt.finally(() => connecting.delete(attempt))
  }

  async function run<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await liveness.watch(async () => {
        await connected(client)
        if (!isPulseOpen) {
          isPulseOpen = true
          connected(pulse).catch(() => {}) // a ping tries again
        }
        return await operation()
      })
    } catch (error) {
      if (isInterrupted(error)) liveness.doubt()
      throw asHyperError(error, label)
    }
  }

  return {
    db,
    run,
    async hasTransactions() {
      transactions ??= run(() => client.db('admin').command({ hello: 1 })).then(
        ({ setName, msg }) => setName !== undefined || msg === 'isdbgrid',
        (error) => {
          transactions = undefined
          throw error
        },
      )
      return await transactions
    },
    async check() {
      try {
        // A ping is answered to anyone.
        await liveness.watch(() => ask({ find: `${namespace}.databases`, limit: 1, projection: { _id: 1 } }))
      } catch (error) {
        const known = asHyperError(error, label)
        throw known instanceof HyperError ? known : unavailable(label, error)
      }
    },
    async close() {
      isClosed = true
      liveness.close()
      await Promise.allSettled(connecting)
      await Promise.allSettled([client.close(), pulse.close()])
    },
  }
}

function connectTo(url: string, options: MongoClientOptions): MongoClient {
  try {
    return new MongoClient(url, { ...OPTIONS, ...options })
  } catch {
    // The driver's own words may repeat parts of the URL, and a password is one.
    throw new HyperError('CONFIG_INVALID', 'the data service has a URL that MongoDB’s driver cannot read', {
      hint: 'Write it as mongodb://user:password@host:27017 or mongodb+srv://…, with special characters percent-encoded.',
    })
  }
}

/** Whether the URL says in which database to work; `admin` is only where users are kept. */
function namesDatabase(url: string): boolean {
  const [, path = ''] = /^[^/]+\/\/[^/?]*\/([^?]*)/.exec(url) ?? []
  return path !== '' && path !== 'admin'
}

/** MongoDB's names of databases are short and know few characters. */
function asDatabaseName(namespace: string): string {
  return namespace.replace(/[^A-Za-z0-9_-]/g, '-').slice(0, 63)
}

const REFUSED_USER = new Set<unknown>([13, 18, 8000])
/** Steps down, shuts down, is full, has no majority, is no longer primary. */
const ILL = new Set<unknown>([6, 7, 64, 79, 89, 91, 100, 133, 189, 9001, 10107, 11600, 11602, 13435, 13436, 14031])

const GONE = [MongoNetworkError, MongoSystemError, MongoAPIError, MongoRuntimeError]

function asHyperError(error: unknown, label: string): unknown {
  // What cut a bulk off comes wrapped as if the server had said it.
  if (error instanceof MongoBulkWriteError && error.errorResponse instanceof Error) {
    return asHyperError(error.errorResponse, label)
  }
  if (refusesUser(error)) {
    return new HyperError('BACKEND_UNAVAILABLE', `${label} does not let this user in, or not do this`, { cause: error })
  }
  if (error instanceof MongoServerError) {
    const isIll = ILL.has(error.code) || error.hasErrorLabel('RetryableWriteError')
    return isIll ? unavailable(label, error) : error
  }
  const isMisuse = error instanceof MongoInvalidArgumentError || error instanceof MongoCompatibilityError
  const isGone =
    GONE.some((type) => error instanceof type) || (error as NodeJS.ErrnoException | null)?.syscall !== undefined
  return isGone && !isMisuse ? unavailable(label, error) : error
}

/** The driver's own watch came first and closed the connections: the server may have read from them what nobody will answer. */
function isInterrupted(error: unknown): boolean {
  return error instanceof Error && error.name === 'PoolClearedOnNetworkError'
}

/** Said by the server, or why a connection could not be had. */
function refusesUser(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (error instanceof MongoServerError && REFUSED_USER.has(error.code)) || refusesUser(error.cause)
}

/** The server is there and says no. */
export function isRefusal(error: unknown): error is MongoServerError {
  return error instanceof MongoServerError
}

export function isDuplicate(error: unknown): boolean {
  return isRefusal(error) && error.code === 11000
}
