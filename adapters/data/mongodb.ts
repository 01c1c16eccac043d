/**
 * The data port on MongoDB 6 or newer: a collection of documents per database and a catalogue of them, in one MongoDB database, all
 * named with the namespace. Any number of gateways may work on them at once.
 *
 * `bulkDocuments` is all or nothing whatever happens on a replica set, on Atlas and on a sharded cluster, where it is a
 * transaction. A stand-alone server has none: there a bulk is checked whole before it is sent, and left half-done only by a server
 * that dies within it; the call then fails with BACKEND_UNAVAILABLE, and the same bulk again completes it.
 */
import { createHash } from 'node:crypto'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import type { DataPort, Document } from '../../server/ports/data.ts'
import { createDatabases, type Documents } from './mongodb/databases.ts'
import { keep, textOf } from './mongodb/documents.ts'
import { compileFilter } from './mongodb/filter.ts'
import { asTimeout, completeOrder, type Find, type FindMeans, findPage } from './mongodb/find.ts'
import { createJudge } from './mongodb/judge.ts'
import { listPage } from './mongodb/list.ts'
import { createMongoServer, isRefusal } from './mongodb/server.ts'
import { applyAll, type Change, insert, replace } from './mongodb/write.ts'
import type { SortKey } from './order.ts'
import { parseOrder } from './order.ts'
import { checkPartialFilter } from './partial-filter.ts'
import { parseQuery } from './plan.ts'
import { parseProjection } from './projection.ts'
import { QUERY_DEADLINE_MS } from './query-worker.ts'
import { parseSelector } from './selector.ts'

export interface MongodbDataOptions {
  /** `mongodb://…` or `mongodb+srv://…`; a database named in it takes the place of one called as the namespace. */
  url: string
  /** What the names of our collections begin with. Default `hyper`. */
  namespace?: string | undefined
  /** How long a query may take, in milliseconds. Default 30 000. */
  queryDeadline?: number | undefined
}

export function createMongodbData(options: MongodbDataOptions): DataPort {
  const { url, namespace = 'hyper', queryDeadline: deadline = QUERY_DEADLINE_MS } = options
  const server = createMongoServer(url, namespace)
  const databases = createDatabases(server, namespace)
  const { judge, close: closeJudge } = createJudge()

  /** What a call asks for may be wrong, but whether its database exists comes first. */
  async function checked<T>(db: string, check: () => T | Promise<T>): Promise<T> {
    try {
      return await check()
    } catch (error) {
      await databases.indexes(db)
      throw error
    }
  }

  const isFound = ({ items }: { items: readonly unknown[] }) => items.length > 0

  function meansFor(db: string): FindMeans {
    return {
      judge,
      deadline,
      again: (read) =>
        databases
          .read(db, read, () => false)
          .catch((error: unknown) => {
            throw asTimeout(error, deadline)
          }),
    }
  }

  return {
    async open() {},

    async check() {
      await server.check()
    },

    async close() {
      await closeJudge()
      await server.close()
    },

    async createDatabase({ db }) {
      await databases.create(db)
    },

    async removeDatabase({ db }) {
      await databases.remove(db)
    },

    async listDatabases() {
      return { names: await databases.list() }
    },

    async emptyDatabase({ db }) {
      const { deletedCount } = await databases.read(
        db,
        (documents) => documents.deleteMany({}),
        ({ deletedCount }) => deletedCount > 0,
      )
      return { count: deletedCount }
    },

    async createDocument({ db, id, doc }) {
      const kept = await checked(db, () => keep(id, doc))
      await databases.write(db, (documents) => insert(documents, id, doc, kept))
      return { id }
    },

    async retrieveDocument({ db, id }) {
      const kept = await databases.read(
        db,
        (documents) => documents.findOne({ _id: id as never }),
        (found) => found !== null,
      )
      if (kept === null) throw missing(id)
      return new JsonText(await textOf(kept))
    },

    async updateDocument({ db, id, doc }) {
      const kept = await checked(db, () => keep(id, doc))
      await databases.write(db, (documents) => replace(documents, id, doc, kept))
      return { id }
    },

    async removeDocument({ db, id }) {
      const { deletedCount } = await databases.read(
        db,
        (documents) => documents.deleteOne({ _id: id as never }),
        ({ deletedCount }) => deletedCount > 0,
      )
      if (deletedCount === 0) throw missing(id)
      return { id }
    },

    async listDocuments({ db, limit, ...range }) {
      const wanted = Math.abs(Math.trunc(limit ?? 0)) || Number.MAX_SAFE_INTEGER
      const means = meansFor(db)
      return await databases.read(db, (documents) => listPage(means, documents, { ...range, limit: wanted }), isFound)
    },

    async queryDocuments({ db, query }) {
      const find = await checked(
        db,
        (): Find => ({
          query: parseQuery(query),
          projection: parseProjection(query.fields),
        }),
      )
      const means = meansFor(db)
      try {
        return await databases.read(db, (documents) => findPage(means, documents, find), isFound)
      } catch (error) {
        throw asTimeout(error, deadline)
      }
    },

    async indexDocuments({ db, name, fields, partialFilter }) {
      let indexes = await databases.indexes(db)
      if (fields.length === 0) throw new HyperError('QUERY_INVALID', `index ${name} needs at least one field`)
      const keys = parseOrder(fields)
      const partial = checkPartialFilter(partialFilter)
      // JSON escapes what BSON cannot hold.
      const entry = { name: JSON.stringify(name), definition: JSON.stringify([keys, partial?.conditions]) }
      for (;;) {
        const named = indexes.find((index) => index.name === entry.name)
        if (named !== undefined && named.definition !== entry.definition) {
          const problem = `index ${name} fields do not match the existing index with the same name`
          throw new HyperError('INDEX_CONFLICT', problem)
        }
        if (indexes.some(({ definition }) => definition === entry.definition)) return
        await databases.write(db, (documents) => buildIndex(documents, entry.definition, keys, partialFilter))
        if (await databases.addIndex(db, entry)) return
        indexes = await databases.indexes(db)
      }
    },

    async bulkDocuments({ db, docs }) {
      const changes = await checked(db, () => finalChanges(docs))
      const results = docs.map(({ _id }) => ({ ok: true as const, id: _id as string }))
      if (changes.length === 0) await databases.indexes(db)
      else {
        const isOne = changes.length > 1 && (await server.hasTransactions())
        await databases.write(db, (documents) =>
          isOne
            ? server.db.client.withSession((session) => applyAll(documents, changes, session))
            : applyAll(documents, changes),
        )
      }
      return { results }
    },
  }
}

/** What is left to do for each id once all documents of a bulk have had their turn. */
async function finalChanges(docs: readonly Document[]): Promise<Change[]> {
  const changes = new Map<string, Change>()
  for (const { _update, ...doc } of docs) {
    const id = doc._id as string
    // Removed and written again, it is the newest.
    if (doc._deleted) changes.delete(id)
    changes.set(id, { id, doc, kept: doc._deleted ? undefined : await keep(id, doc) })
  }
  return [...changes.values()]
}

/**
 * An index only ever makes queries faster, so one that the server will not make (a field of arrays beside another one, more
 * than 64 indexes) is entered without.
 */
async function buildIndex(
  documents: Documents,
  definition: string,
  keys: readonly SortKey[],
  partialFilter: Document | undefined,
): Promise<void> {
  const order = completeOrder(keys)
  if (!order.every(({ path }) => path.every((key) => key.isWellFormed()))) return
  const partial = compileFilter(parseSelector(partialFilter ?? {}))
  try {
    await documents.createIndex(new Map(order.map(({ path, descending }) => [path.join('.'), descending ? -1 : 1])), {
      name: `hyper-${createHash('sha256').update(definition).digest('hex').slice(0, 16)}`,
      ...(partialFilter !== undefined && partial.exact ? { partialFilterExpression: partial.filter } : {}),
    })
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
}

function missing(id: string): HyperError {
  return new HyperError('DOCUMENT_NOT_FOUND', `document with _id ${id} does not exist`)
}
