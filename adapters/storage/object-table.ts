/** The rows of `storage.db`, and the statements on them. */
import type { DatabaseSync } from 'node:sqlite'
import type { ObjectInfo } from '../../server/ports/storage.ts'
import { asStoreError } from '../shared/sqlite.ts'

export const LAYOUT_VERSION = 1

/**
 * A bucket without a name was removed or emptied: its objects go bit by bit, and it goes with the last of them. Bytes have a
 * table of their own, so that objects lie close together in the order of their keys, as they are listed.
 */
export const LAYOUT = `
  CREATE TABLE buckets (number INTEGER PRIMARY KEY, name TEXT UNIQUE);
  CREATE TABLE objects (
    bucket INTEGER NOT NULL, key TEXT NOT NULL, size INTEGER NOT NULL, media_type TEXT, etag TEXT NOT NULL,
    modified INTEGER NOT NULL, file TEXT, content INTEGER,
    PRIMARY KEY (bucket, key)) WITHOUT ROWID;
  CREATE INDEX object_files ON objects (file) WHERE file IS NOT NULL;
  CREATE TABLE contents (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL)`

/** `content` or `file` is null: the bytes, or the name of the file that has them. */
export interface ObjectRow extends ObjectInfo {
  content: Uint8Array | null
  file: string | null
}

/** Where the bytes of an object are. */
interface Place {
  file: string | null
  content: number | bigint | null
}

export class ObjectTable {
  readonly #statements: ReturnType<typeof prepare>

  constructor(db: DatabaseSync) {
    this.#statements = prepare(db)
  }

  get(bucket: number, key: string): ObjectRow | undefined {
    return reading(() => this.#statements.get.get(bucket, key)) as ObjectRow | undefined
  }

  /** Answers the file of the object that was there, if it had one. Only inside a write job, as all that changes rows. */
  put(bucket: number, { object, size, mediaType, etag, modified, file, content }: ObjectRow): string | undefined {
    const old = this.#statements.place.get(bucket, object) as Place | undefined
    const number = this.#putContent(old?.content ?? null, content)
    this.#statements.put.run(bucket, object, size, mediaType ?? null, etag, modified, file, number)
    return old?.file ?? undefined
  }

  /** Answers whether there was one, and its file if it had one. */
  remove(bucket: number, key: string): { file: string | undefined } | undefined {
    const removed = this.#statements.remove.get(bucket, key) as Place | undefined
    return removed && { file: this.#removeContent(removed) }
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
    const removed = this.#statements.removeSome.all(bucket, bucket, limit) as unknown as Place[]
    return { count: removed.length, files: removed.flatMap((place) => this.#removeContent(place) ?? []) }
  }

  /** The names of files that begin with `start`, which is of hexadecimal digits. */
  filesNamed(start: string): Set<string> {
    const rows = reading(() => this.#statements.filesNamed.all(start, `${start}g`))
    return new Set((rows as { file: string }[]).map(({ file }) => file))
  }

  /** Bytes in the place of others cost a sixth of bytes in a new one. */
  #putContent(old: Place['content'], bytes: Uint8Array | null): Place['content'] {
    if (old !== null && bytes && this.#statements.replaceContent.run(bytes, old).changes > 0) return old
    if (old !== null) this.#statements.removeContent.run(old)
    return bytes && this.#statements.addContent.run(bytes).lastInsertRowid
  }

  #removeContent({ file, content }: Place): string | undefined {
    if (content !== null) this.#statements.removeContent.run(content)
    return file ?? undefined
  }
}

// A bare parameter after LIMIT makes SQLite plan for its value: it would prepare the statement anew for each one.
function prepare(db: DatabaseSync) {
  const info = 'key AS object, size, media_type AS mediaType, etag, modified'
  return {
    get: db.prepare(
      `SELECT ${info}, file, bytes AS content FROM objects LEFT JOIN contents ON number = objects.content
       WHERE bucket = ? AND key = ?`,
    ),
    place: db.prepare('SELECT file, content FROM objects WHERE bucket = ? AND key = ?'),
    addContent: db.prepare('INSERT INTO contents (bytes) VALUES (?)'),
    replaceContent: db.prepare('UPDATE contents SET bytes = ? WHERE number = ?'),
    removeContent: db.prepare('DELETE FROM contents WHERE number = ?'),
    put: db.prepare(
      `INSERT INTO objects (bucket, key, size, media_type, etag, modified, file, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (bucket, key) DO UPDATE SET size = excluded.size, media_type = excluded.media_type,
         etag = excluded.etag, modified = excluded.modified, file = excluded.file, content = excluded.content`,
    ),
    remove: db.prepare('DELETE FROM objects WHERE bucket = ? AND key = ? RETURNING file, content'),
    count: db.prepare('SELECT count(*) AS count FROM objects WHERE bucket = ?'),
    page: db.prepare(
      `SELECT ${info} FROM objects WHERE bucket = ? AND key >= CAST(? AS TEXT) AND key < CAST(? AS TEXT)
       ORDER BY key LIMIT ? + 0`,
    ),
    removeSome: db.prepare(
      `DELETE FROM objects WHERE bucket = ? AND key IN (SELECT key FROM objects WHERE bucket = ? LIMIT ? + 0)
       RETURNING file, content`,
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
