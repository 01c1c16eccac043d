/** The storage port on SQLite: objects up to 64 KiB in rows, larger ones in files that rows name. */
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import type { Page } from '../../server/ports/common.ts'
import type { ByteRange, ObjectInfo, StoragePort } from '../../server/ports/storage.ts'
import { openSqlite, type SqliteFile } from '../shared/sqlite.ts'
import { Buckets } from './buckets.ts'
import { ObjectFiles } from './object-files.ts'
import { LAYOUT, LAYOUT_VERSION, type ObjectRow, ObjectTable } from './object-table.ts'
import { readRange } from './read-range.ts'
import { receive } from './receive.ts'

export interface SqliteStorageOptions {
  /** Where `storage.db` and the folder `objects` are kept; made when missing. */
  directory: string
}

const PAGE_OBJECTS = 1_000
/** Objects of a nameless bucket that go in one transaction, and the pause until the next: others want their turn. */
const SLICE_OBJECTS = 100
const SLICE_PAUSE_MS = 2

interface Store {
  sqlite: SqliteFile
  buckets: Buckets
  table: ObjectTable
  files: ObjectFiles
}

export function createSqliteStorage({ directory }: SqliteStorageOptions): StoragePort {
  let store: Store | undefined
  let removing = Promise.resolve()
  let closing = false

  function opened(): Store {
    if (!store) throw new HyperError('CLOSED', 'the storage is not open')
    return store
  }

  /** Removes what is in nameless buckets, in the background; what is left at the end, the next start removes. */
  function removeNameless(): void {
    const { sqlite, buckets, table, files } = opened()
    removing = removing
      .then(async () => {
        for (const number of buckets.nameless()) {
          while (!closing) {
            const { count, files: gone } = await sqlite.write(() => table.removeSome(number, SLICE_OBJECTS))
            for (const file of gone) files.retire(file)
            if (count === 0) break
            await sleep(SLICE_PAUSE_MS)
          }
          if (!closing) await sqlite.write(() => buckets.forget(number))
        }
      })
      .catch(() => {})
  }

  async function read({ file, content, size }: ObjectRow, range: ByteRange): Promise<Uint8Array | Readable> {
    if (file === null) {
      if (content?.length !== size) throw new HyperError('BACKEND_UNAVAILABLE', 'the stored object is damaged')
      return content.subarray(range.start, range.end + 1)
    }
    const { table, files } = opened()
    const handle = await files.read(file)
    if (handle) return readRange(handle, size, range)
    if (table.filesNamed(file).has(file)) throw new HyperError('BACKEND_UNAVAILABLE', 'the stored object is missing')
    throw objectNotFound()
  }

  function pageAfter<T>(bucket: string, prefix: string, last: string, told: (info: ObjectInfo) => T): Page<T> {
    const { buckets, table } = opened()
    const rows = table.page(buckets.numberOf(bucket), prefix, last, PAGE_OBJECTS)
    const end = rows.length === PAGE_OBJECTS ? rows.at(-1)?.object : undefined
    const items = rows.map((row) => told(infoOf(row))) as Page<T>['items']
    return { items, next: end === undefined ? undefined : async () => pageAfter(bucket, prefix, end, told) }
  }

  return {
    async open() {
      const sqlite = openSqlite(join(directory, 'storage.db'), LAYOUT_VERSION, LAYOUT, { exclusive: true })
      try {
        const buckets = new Buckets(sqlite)
        const table = new ObjectTable(sqlite.db)
        const files = new ObjectFiles(join(directory, 'objects'))
        await files.open((shard) => table.filesNamed(shard))
        store = { sqlite, buckets, table, files }
      } catch (error) {
        await sqlite.close()
        throw error
      }
      removeNameless()
    },

    async check() {
      const { sqlite, files } = opened()
      sqlite.db.prepare('SELECT 1').get()
      await files.check()
    },

    async close() {
      if (!store) return
      const { sqlite, files } = store
      closing = true
      await removing
      await files.stop()
      await sqlite.close()
      await files.close()
      store = undefined
    },

    async makeBucket({ bucket }) {
      await opened().buckets.make(bucket)
    },

    async removeBucket({ bucket }) {
      await opened().buckets.remove(bucket)
      removeNameless()
    },

    async listBuckets() {
      return { names: opened().buckets.names() }
    },

    async emptyBucket({ bucket }) {
      const { buckets, table } = opened()
      const count = await buckets.empty(bucket, (number) => table.count(number))
      removeNameless()
      return { count }
    },

    async putObject({ bucket, object, mediaType, body, onlyIf }) {
      const { sqlite, buckets, table, files } = opened()
      buckets.numberOf(bucket)
      const received = await receive(body, mediaType, files)
      const row: ObjectRow = { object, mediaType, modified: Date.now(), ...received }
      try {
        const replaced = await sqlite.write(() => {
          const number = buckets.numberOf(bucket)
          if (onlyIf) {
            const current = table.get(number, object)
            onlyIf(current && infoOf(current))
          }
          return table.put(number, row)
        })
        if (replaced !== undefined) files.retire(replaced)
      } catch (error) {
        if (row.file !== null) await files.remove(row.file)
        throw error
      }
      return infoOf(row)
    },

    async getObject({ bucket, object }) {
      const { buckets, table } = opened()
      const row = table.get(buckets.numberOf(bucket), object)
      if (!row) throw objectNotFound()
      return { ...infoOf(row), read: (range = { start: 0, end: row.size - 1 }) => read(row, range) }
    },

    async removeObject({ bucket, object }) {
      const { sqlite, buckets, table, files } = opened()
      const removed = await sqlite.write(() => table.remove(buckets.numberOf(bucket), object))
      if (!removed) throw objectNotFound()
      if (removed.file !== undefined) files.retire(removed.file)
    },

    async listObjects({ bucket, prefix = '', startAfter = '' }) {
      return pageAfter(bucket, prefix, startAfter, (info) => info)
    },

    async listNames({ bucket, prefix = '', startAfter = '' }) {
      return pageAfter(bucket, prefix, startAfter, ({ object }) => object)
    },
  } satisfies StoragePort
}

/** What a row tells callers. */
function infoOf({ object, size, mediaType, etag, modified }: ObjectInfo): ObjectInfo {
  return { object, size, mediaType: mediaType ?? undefined, etag, modified }
}

function objectNotFound(): HyperError {
  return new HyperError('OBJECT_NOT_FOUND', 'object does not exist')
}
