/** The search port on SQLite's FTS5: it keeps which word is where; MiniSearch's rules are applied around it. */
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import { keyOf, type SearchPort } from '../../server/ports/search.ts'
import { asStoreError, atomically, openSqlite, type SqliteFile } from '../shared/sqlite.ts'
import {
  addIndex,
  dropIndex,
  emptyIndex,
  indexNotFound,
  LAYOUT,
  LAYOUT_VERSION,
  loadIndexes,
  readStatistics,
  type SearchIndex,
  statementsOf,
} from './catalogue.ts'
import { DocumentWriter, documentNotFound, type Prepared, prepareDocument } from './documents.ts'
import { LongWrites } from './long-writes.ts'
import { matchPage } from './matches.ts'
import { LongQueries, rankAtOnce } from './query.ts'
import { parseSearch } from './terms.ts'

export interface SqliteSearchOptions {
  /** Where `search.db` is kept; made when missing. */
  directory: string
  /** How long a query may take to find and rank its matches, in milliseconds. @default 30 000 */
  queryDeadlineMs?: number
  /** Occurrences of words that are looked at in one go; a query that meets more gives others their turn. @default 1 000 */
  maxRowsAtOnce?: number
}

/** What a query reads lies all over the file: this halves its time at 50 000 documents, and is only taken when needed. */
const CACHE_KB = 16_384

/** Documents of a bulk prepared between two turns of others. */
const PREPARED_AT_ONCE = 100
/** A bulk of more characters is written in slices. */
const LONG_BULK = 100_000

export function createSqliteSearch(options: SqliteSearchOptions): SearchPort {
  const path = join(options.directory, 'search.db')
  let file: SqliteFile
  let longQueries: LongQueries
  let longWrites: LongWrites
  let indexes = new Map<string, SearchIndex>()

  function find(name: string): SearchIndex {
    const index = indexes.get(name)
    if (index === undefined) throw indexNotFound()
    return index
  }

  /** Trouble with the file below is told from a defect. */
  function read<T>(job: () => T): T {
    try {
      file.holdReads()
      return job()
    } catch (error) {
      throw asStoreError(error)
    }
  }

  const restructure = <T>(job: () => T): Promise<T> =>
    file.restructure(job, () => {
      indexes = loadIndexes(file.db)
    })

  /** The index may have been removed, or made anew with other fields, since its documents were prepared. */
  function mustStillBe(index: SearchIndex, name: string): SearchIndex {
    if (find(name) !== index) throw indexNotFound()
    return index
  }

  async function change(index: SearchIndex, name: string, job: (writer: DocumentWriter) => void): Promise<void> {
    await file.write(() => {
      const statements = statementsOf(file.db, mustStillBe(index, name))
      atomically(file.db, () => {
        const writer = new DocumentWriter(statements)
        job(writer)
        writer.saveStatistics()
      })
    })
  }

  return {
    async open() {
      file = openSqlite(path, LAYOUT_VERSION, LAYOUT)
      file.db.exec(`PRAGMA cache_size = -${CACHE_KB}`)
      longQueries = new LongQueries(path, options.queryDeadlineMs)
      longWrites = new LongWrites(path, file)
      indexes = loadIndexes(file.db)
    },

    async check() {
      file.db.prepare('SELECT 1').get()
    },

    async close() {
      await longQueries.close()
      await longWrites.close()
      await file.close()
    },

    async createIndex({ index, mappings }) {
      await restructure(() => {
        if (indexes.has(index)) throw new HyperError('SEARCH_INDEX_EXISTS', 'index already exists')
        indexes.set(index, addIndex(file.db, index, mappings))
      })
    },

    async deleteIndex({ index }) {
      await restructure(() => {
        dropIndex(file.db, find(index))
        indexes.delete(index)
      })
    },

    async listIndexes() {
      const names = read(() => file.db.prepare('SELECT name FROM indexes ORDER BY name').all()) as { name: string }[]
      return { names: names.map(({ name }) => name) }
    },

    async emptyIndex({ index }) {
      return restructure(() => {
        const { documents } = readStatistics(statementsOf(file.db, find(index)).statistics)
        emptyIndex(file.db, find(index))
        return { count: documents }
      })
    },

    async indexDoc({ index: name, key, doc }) {
      const index = find(name)
      const prepared = prepareDocument(index, key, doc)
      await change(index, name, (writer) => writer.add(prepared))
    },

    async getDoc({ index, key }) {
      const found = find(index)
      const row = read(() => statementsOf(file.db, found).get.get(key)) as unknown as
        | [number: number, doc: string]
        | undefined
      if (row === undefined) throw documentNotFound()
      return { key, doc: new JsonText(row[1]) }
    },

    async updateDoc({ index: name, key, doc }) {
      const index = find(name)
      const prepared = prepareDocument(index, key, doc)
      await change(index, name, (writer) => writer.replace(prepared))
    },

    async removeDoc({ index, key }) {
      await change(find(index), index, (writer) => writer.remove(key))
    },

    async bulk({ index: name, docs }) {
      const index = find(name)
      const prepared: Prepared[] = []
      let length = 0
      for (const doc of docs) {
        if (prepared.length % PREPARED_AT_ONCE === PREPARED_AT_ONCE - 1) await setImmediate()
        const key = keyOf(doc) as string
        const document = prepareDocument(index, key, { ...doc, _id: key })
        prepared.push(document)
        length += document.text.length
      }
      if (length > LONG_BULK) await longWrites.add(() => mustStillBe(index, name), prepared)
      else {
        await change(index, name, (writer) => {
          for (const document of prepared) writer.add(document)
        })
      }
      return { results: prepared.map(({ key }) => ({ ok: true, id: key })) }
    },

    async query({ index: name, q: { query, fields, filter } }) {
      const index = find(name)
      const search = parseSearch(query, index.fields, fields)
      const found =
        read(() => rankAtOnce(statementsOf(file.db, index), search, options.maxRowsAtOnce)) ??
        (await longQueries.rank(index, search))
      return matchPage({
        found,
        read: (document) => {
          if (indexes.get(name) !== index) return undefined // removed meanwhile
          return read(() => statementsOf(file.db, index).match.get(document)) as unknown as [string, string] | undefined
        },
        storeFields: index.storeFields,
        filter,
      })
    },
  } satisfies SearchPort
}
