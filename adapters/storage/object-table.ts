/** The rows of `storage.db`, and the statements on them. */
import type { DatabaseSync } from 'node:sqlite'
import type { ObjectInfo } from '../../server/ports/storage.ts'
import { asStoreError } from '../shared/sqlite.ts'

export const LAYOUT_VERSION = 1

/**
 * A bucket without a name was removed or emptied: its objects go bit by bit, and it goes with the last of them. `content`
 * is the last column, so that the others are read without it.
 */
export const LAYOUT = `
  CREATE TABLE buckets (number INTEGER PRIMARY KEY, name TEXT UNIQUE);
  CREATE TABLE objects (
    bucket INTEGER NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, file TEXT, content BLOB,
    UNIQUE (bucket, key));
  CREATE INDEX object_files ON objects (file) WHERE file IS NOT NULL`

/** `content` or `file` is null: the bytes, or the name of the file that has them. */
export interface ObjectRow extends ObjectInfo {
  content: Uint8Array | null
  file: string | null
}

type FileRow = { file: string | null } | undefined

export class ObjectTable {
  readonly #statements: ReturnType<typeof prepare>

  constructor(db: DatabaseSync) {
    this.#statements = prepare(db)
  }

  get(bucket: number, key: string): ObjectRow | undefined {
    return reading(() => this.#statements.get.get(bucket, key)) as ObjectRow | undefined
  }

  /** Answers the file of the object that was there, if it had one. */
  put(bucket: number, { object, size, mediaType, etag, modified, file, content }: ObjectRow): string | undefined {
    const replaced = this.#statements.fileOf.get(bucket, object) as FileRow
    this.#statements.put.run(bucket, object, size, mediaType ?? null, etag, modified, file, content)
    return replaced?.file ?? undefined
  }

  /** Answers the file of what went, absent when there was nothing. */
  remove(bucket: number, key: string): FileRow {
    return this.#statements.remove.get(bucket, key) as FileRow
  }

  count(bucket: number): number {
    return (this.#statements.count.get(bucket) as { count: number }).count
  }

  /** Those with `prefix` that come after `after`, in order. */
  page(bucket: number, prefix: string, after: string, limit: number): ObjectInfo[] {
    // The one after `after`, for no key holds \0; SQLite would seek to only one of two lower bounds.
    const successor = Buffer.from(`${after}\0`)
    const from = Buffer.compare(successor, Buffer.from(prefix)) > 0 ? successor : Buffer.from(prefix)
    // UTF-8 has no such byte, so it is greater than whatever follows the prefix.
    const to = Buffer.concat([Buffer.from(prefix), Buffer.of(0xff)])
    return reading(() => this.#statements.page.all(bucket, from, to, limit)) as unknown as ObjectInfo[]
  }

  /** Removes up to `limit` objects; answers how many went, and their files. */
  removeSome(bucket: number, limit: number): { count: number; files: string[] } {
    const rows = this.#statements.removeSome.all(bucket, limit) as { file: string | null }[]
    return { count: rows.length, files: rows.flatMap(({ file }) => file ?? []) }
  }

  /** The names of files that begin with `start`, which is of hexadecimal digits. */
  filesNamed(start: string): Set<string> {
    const rows = this.#statements.filesNamed.all(start, `${start}g`) as { file: string }[]
    return new Set(rows.map(({ file }) => file))
  }
}

// A bare parameter after LIMIT makes SQLite plan for its value: it would prepare the statement anew for each one.
function prepare(db: DatabaseSync) {
  const info = 'key AS object, size, media_type AS mediaType, etag, modified'
  return {
    get: db.prepare(`SELECT ${info}, file, content FROM objects WHERE bucket = ? AND key = ?`),
    fileOf: db.prepare('SELECT file FROM objects WHERE bucket = ? AND key = ?'),
    put: db.prepare(
      `INSERT INTO objects (bucket, key, size, media_type, etag, modified, file, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (bucket, key) DO UPDATE SET size = excluded.size, media_type = excluded.media_type,
         etag = excluded.etag, modified = excluded.modified, file = excluded.file, content = excluded.content`,
    ),
    remove: db.prepare('DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING file'),
    count: db.prepare('SELECT count(*) AS count FROM objects WHERE bucket = ?'),
    page: db.prepare(
      `SELECT ${info} FROM objects WHERE bucket = ? AND key >= CAST(? AS TEXT) AND key < CAST(? AS TEXT)
       ORDER BY key LIMIT ? + 0`,
    ),
    removeSome: db.prepare(
      `DELETE FROM objects WHERE rowid IN (SELECT rowid FROM objects WHERE bucket = ? LIMIT ? + 0) RETURNING file`,
    ),
    filesNamed: db.prepare('SELECT file FROM objects WHERE file >= ? AND file < ?'),
  }
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw asStoreError(error)
  }
}
