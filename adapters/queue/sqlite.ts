/** The queue port on SQLite: one table per queue, delivered by workers in this process. */
import { join } from 'node:path'
import { HyperError } from '../../server/error.ts'
import type { Page } from '../../server/ports/common.ts'
import type { QueueJob, QueuePort } from '../../server/ports/queue.ts'
import { atomically, openSqlite, type SqliteFile } from '../shared/sqlite.ts'
import { createSender, type Locate, type Sender, targetOf } from './delivery.ts'
import { idOf, noJob } from './job-id.ts'
import { type Jobs, jobsIn, layoutOf } from './jobs.ts'
import { createWorkers, type Workers } from './workers.ts'

export interface SqliteQueueOptions {
  /** Where `queue.db` is kept; made when missing. */
  directory: string
  /** Requests on their way at once, for each queue; 0 sends nothing. @default 10 */
  concurrency?: number | undefined
  /** How often a job is tried before it is kept as failed. @default 3 */
  attempts?: number | undefined
  /** How long a target may take to answer. @default 30 000 */
  timeoutMs?: number | undefined
  /** The first wait between attempts; each further one is four times longer. @default 200 */
  backoffMs?: number | undefined
  /** Which targets are ours to answer. @default none */
  locate?: Locate | undefined
  /** Unix time in milliseconds. @default Date.now */
  now?: () => number
}

const LAYOUT_VERSION = 1
/** Queues and jobs take their ids from one sequence (hyper-api §8.2); `reserved` is the greatest that may be in use. */
const LAYOUT = `
  CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, target TEXT NOT NULL, secret TEXT);
  CREATE TABLE sequence (reserved INTEGER NOT NULL);
  INSERT INTO sequence VALUES (0)`

/** Ids reserved at once: fewer writes, and after a crash so many are skipped at most. */
const RESERVED_IDS = 1_000

/** What is on its way when the sandbox stops has so long to end; the rest is sent again at the next start. */
const CLOSE_GRACE_MS = 1_000

const FAILED_KEPT_MS = 7 * 24 * 3_600_000
const SWEEP_INTERVAL_MS = 3_600_000

interface Queue {
  id: number
  jobs: Jobs
  workers: Workers
  isDeleted: boolean
}

export function createSqliteQueue({
  directory,
  concurrency = 10,
  attempts = 3,
  timeoutMs = 30_000,
  backoffMs = 200,
  locate,
  now = Date.now,
}: SqliteQueueOptions): QueuePort {
  let file: SqliteFile | undefined
  let sender: Sender | undefined
  let sweeper: NodeJS.Timeout | undefined
  let lastId = 0
  let reserved = 0
  let isStarted = false
  const queues = new Map<string, Queue>()

  function opened(): SqliteFile {
    if (!file) throw new HyperError('CLOSED', 'the queue is not open')
    return file
  }

  function queueNamed(name: string): Queue {
    const queue = queues.get(name)
    if (!queue || queue.isDeleted) throw new HyperError('QUEUE_NOT_FOUND', 'queue not found')
    return queue
  }

  function addQueue(id: number, name: string, target: string, secret: string | undefined): void {
    const { write } = opened()
    const jobs = jobsIn(opened(), tableOf(id))
    const address = targetOf(target)
    const courier = sender as Sender
    const workers = createWorkers(
      { jobs, now, write, send: (text, signal) => courier.send({ target: address, secret, text, signal }) },
      { concurrency, attempts, backoffMs },
    )
    queues.set(name, { id, jobs, workers, isDeleted: false })
    if (isStarted) workers.start()
  }

  /** To be called inside a write job. */
  function nextId(): number {
    lastId += 1
    if (lastId > reserved) reserve(lastId + RESERVED_IDS)
    return lastId
  }

  function reserve(upTo: number): void {
    opened().db.prepare('UPDATE sequence SET reserved = ?').run(upTo)
    reserved = upTo
  }

  /** For a write job that takes ids: when its commit fails, so has the reservation. */
  async function writeWithIds<T>(job: () => T): Promise<T> {
    try {
      return await opened().write(job)
    } catch (error) {
      reserved = 0
      throw error
    }
  }

  function sweep(): void {
    void file
      ?.write(() => {
        for (const { jobs, isDeleted } of queues.values()) if (!isDeleted) jobs.sweep(now() - FAILED_KEPT_MS)
      })
      .catch(() => {}) // the next round tries again
  }

  return {
    async open() {
      file = openSqlite(join(directory, 'queue.db'), LAYOUT_VERSION, LAYOUT, { exclusive: true })
      sender = createSender({ timeoutMs, now, locate })
      ;({ reserved } = file.db.prepare('SELECT reserved FROM sequence').get() as { reserved: number })
      lastId = reserved
      const rows = file.db.prepare('SELECT id, name, target, secret FROM queues ORDER BY id').all() as unknown as {
        id: number
        name: string
        target: string
        secret: string | null
      }[]
      for (const { id, name, target, secret } of rows) addQueue(id, name, target, secret ?? undefined)
      sweep()
      sweeper = setInterval(sweep, SWEEP_INTERVAL_MS).unref()
    },

    async check() {
      opened().db.prepare('SELECT 1').get()
    },

    async close() {
      clearInterval(sweeper)
      await Promise.all([...queues.values()].map(({ workers }) => workers.close(CLOSE_GRACE_MS)))
      queues.clear()
      sender?.close()
      // The ids that were reserved and not used.
      await file?.write(() => reserve(lastId)).catch(() => {})
      await file?.close()
      file = undefined
    },

    async start() {
      isStarted = true
      for (const { workers } of queues.values()) workers.start()
    },

    async stop() {
      isStarted = false
      for (const { workers } of queues.values()) workers.stop()
    },

    async create({ name, target, secret }) {
      const { db } = opened()
      const kept = secret === '' ? undefined : secret
      const id = await writeWithIds(() =>
        atomically(db, () => {
          if (db.prepare('SELECT 1 FROM queues WHERE name = ?').get(name))
            throw new HyperError('QUEUE_EXISTS', 'queue already exists')
          const made = nextId()
          db.prepare('INSERT INTO queues (id, name, target, secret) VALUES (?, ?, ?, ?)').run(
            made,
            name,
            target,
            kept ?? null,
          )
          db.exec(layoutOf(tableOf(made)))
          return made
        }),
      )
      addQueue(id, name, target, kept)
    },

    async delete({ name }) {
      const { db, write } = opened()
      const queue = queueNamed(name)
      let isDropped = false
      try {
        await write(() => {
          queueNamed(name)
          atomically(db, () => {
            db.prepare('DELETE FROM queues WHERE id = ?').run(queue.id)
            db.exec(`DROP TABLE ${tableOf(queue.id)}`)
          })
          isDropped = queue.isDeleted = true
        })
      } catch (error) {
        if (isDropped) queue.isDeleted = false // its commit failed
        throw error
      }
      if (queues.get(name) === queue) queues.delete(name)
      await queue.workers.close(0)
    },

    async list() {
      const inOrder = [...queues].sort(([, one], [, other]) => one.id - other.id)
      return { names: inOrder.map(([name]) => name) }
    },

    async empty({ name }) {
      const { jobs, workers } = queueNamed(name)
      const count = await opened().write(() => {
        queueNamed(name)
        return jobs.clear()
      })
      workers.abortAll()
      return { count }
    },

    async post({ name, job, error }) {
      const text = JSON.stringify(job)
      const { db } = opened()
      const { jobs, workers } = queueNamed(name)
      const id = await writeWithIds(() => {
        queueNamed(name)
        const given = nextId()
        const insert = () => jobs.insert(given, now(), text)
        if (error === undefined) insert()
        else
          atomically(db, () => {
            insert()
            jobs.fail(given, attempts, now(), error)
          })
        return given
      })
      if (error === undefined) workers.offer(id)
      return { id }
    },

    async get({ name, status }) {
      const pageAfter = (after: number): Page<QueueJob> => {
        const { items, end } = queueNamed(name).jobs.page(name, status, after)
        return { items, next: end === undefined ? undefined : async () => pageAfter(end) }
      }
      return pageAfter(0)
    },

    async retry({ name, id }) {
      const { jobs, workers } = queueNamed(name)
      const number = idOf(id)
      await opened().write(() => {
        queueNamed(name)
        if (!jobs.restart(number, now())) throw noJob()
      })
      workers.wake()
    },

    async cancel({ name, id }) {
      const { jobs, workers } = queueNamed(name)
      const number = idOf(id)
      await opened().write(() => {
        queueNamed(name)
        if (!jobs.remove(number)) throw noJob()
      })
      workers.abort(number)
    },
  } satisfies QueuePort
}

function tableOf(id: number): string {
  return `jobs_${id}`
}
