/** The data port on one SQLite file: a table of documents per database, expression indexes, one worker thread. */
import { join } from 'node:path'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import type { DataPort, Document } from '../../server/ports/data.ts'
import { asStoreError, atomically, openSqlite, type SqliteFile } from '../shared/sqlite.ts'
import {
  addIndex,
  createIndex,
  createTable,
  type Database,
  dropTable,
  type IndexRequest,
  LAYOUT,
  LAYOUT_VERSION,
  loadCatalogue,
  saveShape,
} from './catalogue.ts'
import { listPage } from './list.ts'
import { parseOrder } from './order.ts'
import { checkPartialFilter } from './partial-filter.ts'
import { parseQuery } from './plan.ts'
import { parseProjection } from './projection.ts'
import { isSmall, runQuery } from './query.ts'
import { QueryWorker } from './query-worker.ts'
import { Statements } from './statements.ts'
import { TableSizes } from './table-sizes.ts'

export interface SqliteDataOptions {
  /** Where `data.db` is, or is to be. */
  directory: string
  /** How long a query may run in the worker thread, in milliseconds. Default 30 000. */
  queryDeadline?: number
}

export function createSqliteData({ directory, queryDeadline }: SqliteDataOptions): DataPort {
  const path = join(directory, 'data.db')
  let file: SqliteFile
  let statements: Statements
  let sizes: TableSizes
  let worker: QueryWorker
  let databases: Map<string, Database>
  /** Index builds, one after the other. */
  let building: Promise<void> = Promise.resolve()

  function find(name: string): Database {
    const database = databases.get(name)
    if (database === undefined) throw new HyperError('DATABASE_NOT_FOUND', 'database does not exist')
    return database
  }

  /** Trouble with the file below is told from a defect. */
  async function read<T>(job: () => T | Promise<T>): Promise<T> {
    file.holdReads()
    try {
      return await job()
    } catch (error) {
      throw asStoreError(error)
    }
  }

  const restructure = <T>(job: () => T): Promise<T> =>
    file.restructure(job, () => {
      databases = loadCatalogue(file.db)
    })

  /** A write of documents. Their shape is saved with them, or, should the commit fail, with the next ones. */
  async function write<T>(name: string, job: (database: Database) => T): Promise<T> {
    try {
      return await file.write(() => job(find(name)))
    } catch (error) {
      const database = databases.get(name)
      if (database !== undefined) database.savedShape = -1
      throw asDocumentError(error)
    }
  }

  /** The document's text; its shape is taken in on the way. */
  function take(database: Database, id: string, doc: Document): string {
    const text = textOf(id, doc)
    database.shape.observe(doc, text.length)
    saveShape(file.db, database)
    return text
  }

  function upsert(database: Database, id: string, doc: Document): void {
    const text = take(database, id, doc)
    statements
      .get(
        `INSERT INTO d${database.number} (id, doc, text) VALUES (?, jsonb(?), ?)
         ON CONFLICT (id) DO UPDATE SET doc = excluded.doc, text = excluded.text`,
      )
      .run(id, text, text)
  }

  function remove(database: Database, id: string): boolean {
    return statements.get(`DELETE FROM d${database.number} WHERE id = ?`).run(id).changes > 0
  }

  /** Builds a large index on another thread. Writes wait for it, as it is the one writer meanwhile; reads go on. */
  async function buildAside(database: Database, request: IndexRequest): Promise<void> {
    const builder = new QueryWorker(path)
    const resume = file.pause()
    try {
      await builder.run({ kind: 'index', database: database.number, request })
    } finally {
      resume()
      await builder.close()
    }
  }

  return {
    async open() {
      file = openSqlite(path, LAYOUT_VERSION, LAYOUT)
      statements = new Statements(file.db)
      sizes = new TableSizes(statements)
      worker = new QueryWorker(path, queryDeadline)
      try {
        databases = loadCatalogue(file.db)
      } catch (error) {
        await file.close()
        throw asStoreError(error)
      }
    },

    async check() {
      try {
        statements.get('SELECT count(*) FROM databases').get()
      } catch (cause) {
        throw new HyperError('BACKEND_UNAVAILABLE', 'the data store cannot be read', { cause })
      }
    },

    async close() {
      await building
      await worker.close()
      await file.close()
    },

    async createDatabase({ db }) {
      await restructure(() => {
        if (databases.has(db)) throw new HyperError('DATABASE_EXISTS', 'database already exists')
        databases.set(db, createTable(file.db, db))
      })
    },

    async removeDatabase({ db }) {
      await restructure(() => {
        const database = find(db)
        dropTable(file.db, database)
        database.removed = true
        sizes.forget(database.number)
        databases.delete(db)
      })
    },

    async listDatabases() {
      const rows = statements.get('SELECT name FROM databases ORDER BY name').all()
      return { names: rows.map(([name]) => name as string) }
    },

    async emptyDatabase({ db }) {
      const count = await write(db, (database) => {
        const { changes } = statements.get(`DELETE FROM d${database.number}`).run()
        database.shape.clear()
        saveShape(file.db, database)
        return Number(changes)
      }).catch((error) => {
        databases.get(db)?.shape.forget()
        throw error
      })
      return { count }
    },

    async createDocument({ db, id, doc }) {
      await write(db, (database) => {
        const text = take(database, id, doc)
        const { changes } = statements
          .get(`INSERT INTO d${database.number} (id, doc, text) VALUES (?, jsonb(?), ?) ON CONFLICT (id) DO NOTHING`)
          .run(id, text, text)
        if (changes === 0) throw new HyperError('DOCUMENT_EXISTS', `document with _id ${id} already exists`)
      })
      return { id }
    },

    async retrieveDocument({ db, id }) {
      return read(() => {
        const row = statements.get(`SELECT text FROM d${find(db).number} WHERE id = ?`).get(id)
        if (row === undefined) throw missing(id)
        return new JsonText(row[0] as string)
      })
    },

    async updateDocument({ db, id, doc }) {
      await write(db, (database) => upsert(database, id, doc))
      return { id }
    },

    async removeDocument({ db, id }) {
      await write(db, (database) => {
        if (!remove(database, id)) throw missing(id)
      })
      return { id }
    },

    async listDocuments({ db, limit, ...range }) {
      const wanted = Math.abs(Math.trunc(limit ?? 0)) || Number.MAX_SAFE_INTEGER
      return read(() => listPage(statements, find(db), { ...range, limit: wanted }))
    },

    async queryDocuments({ db, query }) {
      return read(() => {
        find(db)
        return runQuery(
          { statements, sizes, worker, find: () => find(db) },
          parseQuery(query),
          parseProjection(query.fields),
        )
      })
    },

    async indexDocuments({ db, name, fields, partialFilter }) {
      find(db)
      if (fields.length === 0) throw new HyperError('QUERY_INVALID', `index ${name} needs at least one field`)
      const request: IndexRequest = { name, keys: parseOrder(fields), partial: checkPartialFilter(partialFilter) }
      const build = building.then(async () => {
        const database = find(db)
        const wanted = JSON.stringify([request.keys, request.partial])
        const isSame = (index: IndexRequest) => JSON.stringify([index.keys, index.partial]) === wanted
        const named = database.indexes.find((index) => index.name === name)
        if (named !== undefined && !isSame(named)) {
          const problem = `index ${name} fields do not match the existing index with the same name`
          throw new HyperError('INDEX_CONFLICT', problem)
        }
        if (database.indexes.some(isSame)) return
        if (isSmall(sizes, database)) {
          await restructure(() => {
            if (database.removed) throw new HyperError('DATABASE_NOT_FOUND', 'database does not exist')
            createIndex(file.db, database.number, request)
          })
        } else await buildAside(database, request)
        addIndex(database, request)
      })
      building = build.catch(() => {})
      await build
    },

    async bulkDocuments({ db, docs }) {
      return write(db, (database) =>
        atomically(file.db, () => ({
          results: docs.map(({ _update, ...doc }) => {
            const id = doc._id as string
            if (doc._deleted) remove(database, id)
            else upsert(database, id, doc)
            return { ok: true as const, id }
          }),
        })),
      )
    },
  }
}

/** A document's text: `_id` first, whatever the other members are called. */
function textOf(id: string, doc: Document): string {
  const { _id, ...rest } = doc
  const text = JSON.stringify(rest)
  if (text.includes('\\u0000') && hasNulName(rest)) {
    throw new HyperError('INVALID_ARGUMENTS', 'a member name of the document holds a NUL')
  }
  return `{"_id":${JSON.stringify(id)}${text === '{}' ? '' : ','}${text.slice(1)}`
}

/** MongoDB refuses such a document; SQLite would take the name to end there. */
function hasNulName(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(hasNulName)
  return Object.entries(value).some(([name, member]) => name.includes('\0') || hasNulName(member))
}

function missing(id: string): HyperError {
  return new HyperError('DOCUMENT_NOT_FOUND', `document with _id ${id} does not exist`)
}

/** SQLite reads JSON up to 1 000 levels deep, `JSON.stringify` some more. */
function asDocumentError(error: unknown): unknown {
  if (error instanceof RangeError || (error instanceof Error && error.message === 'malformed JSON')) {
    return new HyperError('INVALID_ARGUMENTS', 'the document is nested deeper than 1000 levels', { cause: error })
  }
  return error
}
