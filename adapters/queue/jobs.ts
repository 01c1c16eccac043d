/**
 * One queue's jobs: a table of its own, in the order of their ids. A job that has never been tried has neither `due_at` nor
 * `failed_at`; between attempts it has the former; after the last one failed, the latter. Rows of delivered jobs are gone.
 */
import type { StatementSync } from 'node:sqlite'
import { JsonText, type Stored } from '../../server/json-text.ts'
import type { JobStatus, QueueJob } from '../../server/ports/queue.ts'
import type { SqliteFile } from '../shared/sqlite.ts'

const PAGE_JOBS = 1_000
/** A page of large jobs ends early. */
const PAGE_CHARACTERS = 4 * 1024 * 1024

/** What is small stands first, so that reading it never walks through a large job. */
export function layoutOf(table: string): string {
  return `
    CREATE TABLE ${table} (
      id INTEGER PRIMARY KEY, enqueued_at INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
      due_at INTEGER, failed_at INTEGER, error TEXT, job TEXT NOT NULL
    );
    CREATE INDEX ${table}_due ON ${table} (due_at) WHERE due_at IS NOT NULL;
    CREATE INDEX ${table}_failed ON ${table} (id) WHERE failed_at IS NOT NULL`
}

/** Those that change something are to be called inside a write job. Times are Unix milliseconds. */
export interface Jobs {
  insert(id: number, time: number, text: string): void
  /** The JSON text; undefined when the job has gone. */
  text(id: number): string | undefined
  /** Whether there was one. */
  remove(id: number): boolean
  /** How often it was tried; undefined when the job has gone. */
  attempts(id: number): number | undefined
  /** An attempt failed; the next one is due then. */
  tryAgain(id: number, attempts: number, dueAt: number): void
  /** The last attempt failed. */
  fail(id: number, attempts: number, time: number, error: string): void
  /** A failed job, and one between attempts, is due now with no attempt made. Whether there was one. */
  restart(id: number, time: number): boolean
  /** Jobs after this one that were never tried, oldest first. */
  untried(after: number, limit: number): number[]
  /** Jobs to try again by now, longest due first. */
  due(time: number, limit: number): number[]
  /** When the next one is to be tried again after this time. */
  nextDue(time: number): number | undefined
  /** Removes jobs that failed before this time. */
  sweep(before: number): void
  clear(): number
  /** Jobs after the one given, by id; `end` is the last one's id when there may be more. */
  page(queue: string, status: JobStatus, after: number): { items: Stored<QueueJob>[]; end: number | undefined }
}

interface Row {
  id: number
  enqueued_at: number
  error: string | null
  job: string
}

export function jobsIn({ db }: SqliteFile, table: string): Jobs {
  const prepared = new Map<string, StatementSync>()
  /** Prepared on first use: a sandbox may hold thousands of queues and touch a few. */
  const statement = (sql: string): StatementSync => {
    const known = prepared.get(sql) ?? db.prepare(sql)
    prepared.set(sql, known)
    return known
  }
  const ids = (rows: unknown[]): number[] => (rows as { id: number }[]).map(({ id }) => id)

  return {
    insert: (id, time, text) =>
      void statement(`INSERT INTO ${table} (id, enqueued_at, job) VALUES (?, ?, ?)`).run(id, time, text),
    text: (id) => (statement(`SELECT job FROM ${table} WHERE id = ?`).get(id) as { job: string } | undefined)?.job,
    remove: (id) => statement(`DELETE FROM ${table} WHERE id = ?`).run(id).changes === 1,
    attempts: (id) =>
      (statement(`SELECT attempts FROM ${table} WHERE id = ?`).get(id) as { attempts: number } | undefined)?.attempts,
    tryAgain: (id, attempts, dueAt) =>
      void statement(`UPDATE ${table} SET attempts = ?, due_at = ? WHERE id = ?`).run(attempts, dueAt, id),
    fail: (id, attempts, time, error) =>
      void statement(`UPDATE ${table} SET attempts = ?, due_at = NULL, failed_at = ?, error = ? WHERE id = ?`).run(
        attempts,
        time,
        JSON.stringify(error),
        id,
      ),
    restart: (id, time) =>
      statement(
        `UPDATE ${table} SET attempts = 0, failed_at = NULL, error = NULL,
           due_at = CASE WHEN failed_at IS NULL AND due_at IS NULL THEN NULL ELSE ? END
         WHERE id = ?`,
      ).run(time, id).changes === 1,
    untried: (after, limit) =>
      ids(
        statement(
          `SELECT id FROM ${table} WHERE id > ? AND due_at IS NULL AND failed_at IS NULL ORDER BY id LIMIT ? + 0`,
        ).all(after, limit),
      ),
    due: (time, limit) =>
      ids(statement(`SELECT id FROM ${table} WHERE due_at <= ? ORDER BY due_at, id LIMIT ? + 0`).all(time, limit)),
    nextDue: (time) =>
      (statement(`SELECT min(due_at) AS due FROM ${table} WHERE due_at > ?`).get(time) as { due: number | null }).due ??
      undefined,
    sweep: (before) => void statement(`DELETE FROM ${table} WHERE failed_at IS NOT NULL AND failed_at < ?`).run(before),
    clear: () => Number(statement(`DELETE FROM ${table}`).run().changes),
    page(queue, status, after) {
      const isOfStatus = status === 'ERROR' ? 'failed_at IS NOT NULL' : 'failed_at IS NULL'
      const rows = statement(
        `SELECT id, enqueued_at, error, job FROM ${table} WHERE ${isOfStatus} AND id > ? ORDER BY id LIMIT ? + 0`,
      ).iterate(after, PAGE_JOBS) as Iterable<unknown> as Iterable<Row>
      const items: Stored<QueueJob>[] = []
      let last: number | undefined
      let characters = 0
      for (const row of rows) {
        items.push(itemOf(row, queue, status))
        characters += row.job.length
        last = row.id
        if (characters >= PAGE_CHARACTERS) break
      }
      const isFull = items.length === PAGE_JOBS || characters >= PAGE_CHARACTERS
      return { items, end: isFull ? last : undefined }
    },
  }
}

/** @param row its `job` and `error` as JSON text */
export function itemOf({ id, enqueued_at, error, job }: Row, queue: string, status: JobStatus): JsonText {
  const head = `{"id":${id},"job":${job},"status":"${status}","queue":"${queue}"`
  const reason = error === null || status === 'READY' ? '' : `,"error":${error}`
  return new JsonText(`${head},"timestmp":"${new Date(enqueued_at).toISOString()}"${reason}}`)
}
