/**
 * One SQLite file as the embedded adapters use it: WAL, reads at any time on the caller's thread, writes gathered and
 * committed once per event-loop tick, acknowledged after the commit. The log is written, not synced: it survives a kill of
 * the process, as promised, and is some ten times faster than surviving a power cut.
 */
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { HyperError } from '../../server/error.ts'

/** How long a write waits for another connection's transaction (an index build) before it fails. */
const WRITE_DEADLINE_MS = 60_000
const RETRY_MS = 3

const SQLITE_BUSY = 5

export interface SqliteFile {
  readonly db: DatabaseSync
  /**
   * Runs `job` in the next group transaction; resolves with its result once that is committed. A job that throws is
   * rejected alone; if it changes more than one row in more than one statement, it must run them in `atomically`.
   */
  write<T>(job: () => T): Promise<T>
  /**
   * A write that changes what memory knows of the file, all or nothing. When it is not committed, `reread` makes memory follow
   * the file again.
   */
  restructure<T>(job: () => T, reread: () => void): Promise<T>
  /**
   * Holds one read transaction until this tick ends, so that all its reads together take the file's locks once: half the
   * cost of reading one row. Call it before a read.
   */
  holdReads(): void
  /** Holds writes back (they queue up) until the returned function is called: room for a long transaction elsewhere. */
  pause(): () => void
  /** Commits what is queued, then closes. Safe to repeat. */
  close(): Promise<void>
}

interface Write {
  job: () => unknown
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/**
 * @param path of the file; its directory is made when missing
 * @param version of the layout inside; a file written by a newer version is refused
 * @param layout statements that make the layout in a new file
 * @param options.exclusive no other connection will want the file: reads and commits cost less than half without locks
 */
export function openSqlite(
  path: string,
  version: number,
  layout: string,
  options: { exclusive?: boolean } = {},
): SqliteFile {
  mkdirSync(dirname(path), { recursive: true })
  const db = connect(path, options)
  migrate(db, path, version, layout)

  let queue: Write[] = []
  let scheduled = false
  let blockedSince: number | undefined
  let pauses = 0
  let closing: Promise<void> | undefined
  const idle: (() => void)[] = []

  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  const beginReads = db.prepare('BEGIN')
  let readsHeld = false

  function releaseReads(): void {
    if (!readsHeld) return
    readsHeld = false
    try {
      commit.run()
    } catch {
      // A damaged file: the reads have failed already, and there is nobody here to tell.
      if (db.isTransaction) rollback.run()
    }
  }

  function schedule(): void {
    if (scheduled || pauses > 0) return
    scheduled = true
    setImmediate(flush)
  }

  function flush(): void {
    scheduled = false
    if (pauses > 0) return
    releaseReads()
    try {
      begin.run()
    } catch (error) {
      retryOrReject(error)
      return
    }
    blockedSince = undefined
    const batch = queue
    queue = []
    const settled: (() => void)[] = []
    try {
      for (const { job, resolve, reject } of batch) {
        try {
          const value = job()
          settled.push(() => resolve(value))
        } catch (error) {
          // A full or failing disk has ended the transaction: what came before is undone, what comes after would not be.
          if (!db.isTransaction) throw error
          settled.push(() => reject(asStoreError(error)))
        }
      }
      commit.run()
    } catch (error) {
      if (db.isTransaction) rollback.run()
      settled.length = 0
      for (const { reject } of batch) reject(asStoreError(error))
    }
    for (const settle of settled) settle()
    if (queue.length === 0) for (const done of idle.splice(0)) done()
  }

  /** Someone else holds the write lock: keep the queue and come back, without blocking the thread meanwhile. */
  function retryOrReject(error: unknown): void {
    blockedSince ??= performance.now()
    if (isBusy(error) && performance.now() - blockedSince < WRITE_DEADLINE_MS) {
      scheduled = true
      setTimeout(flush, RETRY_MS)
      return
    }
    blockedSince = undefined
    for (const { reject } of queue.splice(0)) reject(asStoreError(error))
    for (const done of idle.splice(0)) done()
  }

  function write<T>(job: () => T): Promise<T> {
    if (closing) return Promise.reject(new HyperError('CLOSED', 'the service is shutting down'))
    return new Promise<T>((resolve, reject) => {
      queue.push({ job, resolve: resolve as (value: unknown) => void, reject })
      schedule()
    })
  }

  return {
    db,
    write,
    async restructure<T>(job: () => T, reread: () => void): Promise<T> {
      try {
        return await write(() => atomically(db, job))
      } catch (error) {
        // A job that refused has changed nothing; one that failed may have done so in its commit.
        if (!(error instanceof HyperError) || error.status >= 500) reread()
        throw error
      }
    },
    holdReads() {
      if (readsHeld || db.isTransaction) return
      beginReads.run()
      readsHeld = true
      setImmediate(releaseReads)
    },
    pause() {
      pauses += 1
      let resumed = false
      return () => {
        if (resumed) return
        resumed = true
        pauses -= 1
        if (queue.length > 0) schedule()
      }
    },
    close() {
      closing ??= (async () => {
        if (queue.length > 0) await new Promise<void>((resolve) => idle.push(resolve))
        releaseReads()
        db.close()
      })()
      return closing
    },
  }
}

/** A connection with the settings all of ours share, reader or writer. `path` must exist unless it is the first. */
export function connect(path: string, options: { readOnly?: boolean; exclusive?: boolean } = {}): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { timeout: 0, readOnly: options.readOnly ?? false })
    if (options.exclusive) db.exec('PRAGMA locking_mode = EXCLUSIVE')
    if (!options.readOnly) {
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 67108864')
    }
    return db
  } catch (error) {
    throw asStoreError(error)
  }
}

/** Runs several statements as one: all of them or, when `run` throws, none. Only inside a write job. */
export function atomically<T>(db: DatabaseSync, run: () => T): T {
  db.exec('SAVEPOINT job')
  try {
    const value = run()
    db.exec('RELEASE job')
    return value
  } catch (error) {
    // A full or failing disk has undone it already.
    if (db.isTransaction) db.exec('ROLLBACK TO job; RELEASE job')
    throw error
  }
}

function migrate(db: DatabaseSync, path: string, version: number, layout: string): void {
  const found = (db.prepare('PRAGMA user_version').get() as { user_version: number }).user_version
  if (found === version) return
  if (found > version) {
    db.close()
    throw new HyperError('BACKEND_UNAVAILABLE', 'the stored data was written by a newer hyper-sandbox', {
      hint: `Update hyper-sandbox, or move ${path} away to begin empty.`,
      meta: { path, found, supported: version },
    })
  }
  db.exec(`BEGIN; ${layout}; PRAGMA user_version = ${version}; COMMIT;`)
}

export function sqliteCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode
  return typeof code === 'number' ? code & 0xff : undefined
}

export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === SQLITE_BUSY
}

// Primary result codes that mean the storage below us failed, not that we asked for something wrong.
const STORE_TROUBLE: Record<number, string> = {
  5: 'the store is busy',
  8: 'the store is read-only',
  10: 'the store cannot be read or written',
  11: 'the store is damaged',
  13: 'the disk is full',
  14: 'the store cannot be opened',
  26: 'the store is damaged',
}

/** SQLite's own text never reaches a client (B6); the cause is kept for the log. */
export function asStoreError(error: unknown): unknown {
  const trouble = STORE_TROUBLE[sqliteCode(error) ?? -1]
  return trouble ? new HyperError('BACKEND_UNAVAILABLE', trouble, { cause: error }) : error
}

/** Quotes an identifier for SQL text. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
