/**
 * Which databases there are: one document each in a catalogue on the server, naming the collection that holds the documents. A
 * collection is never used for a second database, not even one of the same name, so whatever is written or found late is
 * written to or found in what was removed. Names are kept with their documents, as collections know fewer characters.
 *
 * A gateway remembers where a database was, and asks there first. Only the server decides whether it still is: beside a write,
 * and after a read that found nothing, the catalogue is asked, too.
 */
import { type Collection, ObjectId } from 'mongodb'
import { HyperError } from '../../../server/error.ts'
import type { Kept } from './documents.ts'
import { isDuplicate, isRefusal, type MongoServer } from './server.ts'

export type Documents = Collection<Kept>

/** An index as asked for; texts in JSON, as a name may hold what BSON cannot. */
export interface IndexEntry {
  name: string
  definition: string
}

interface Entry {
  /** The database's name. */
  _id: string
  collection: string
  indexes: IndexEntry[]
  /** Its removal has begun: it does not exist any more. */
  removing?: true
}

/** Every method but `create` and `list` throws DATABASE_NOT_FOUND. */
export interface Databases {
  /** @throws DATABASE_EXISTS */
  create(name: string): Promise<void>
  remove(name: string): Promise<void>
  list(): Promise<string[]>
  /** What `read` answers, which proves that the database exists when it `isConclusive`. */
  read<T>(name: string, read: (documents: Documents) => Promise<T>, isConclusive: (answer: T) => boolean): Promise<T>
  write<T>(name: string, write: (documents: Documents) => Promise<T>): Promise<T>
  /** The indexes it has now. */
  indexes(name: string): Promise<IndexEntry[]>
  /** Enters an index; false when one of that name or definition has come before it. */
  addIndex(name: string, index: IndexEntry): Promise<boolean>
}

const READABLE_LENGTH = 40

export function createDatabases(server: MongoServer, namespace: string): Databases {
  const catalogue = server.db.collection<Entry>(`${namespace}.databases`)
  /** Where each database was when it was last looked up. */
  const known = new Map<string, string>()

  function documentsIn(collection: string): Documents {
    return server.db.collection<Kept>(collection)
  }

  async function find(name: string): Promise<Entry> {
    const entry = await server.run(() => catalogue.findOne({ _id: name, removing: { $exists: false } }))
    if (entry === null) {
      known.delete(name)
      throw new HyperError('DATABASE_NOT_FOUND', 'database does not exist')
    }
    known.set(name, entry.collection)
    return entry
  }

  async function drop(collection: string): Promise<void> {
    await server
      .run(() => documentsIn(collection).drop())
      .catch((error: unknown) => {
        if (!isRefusal(error)) throw error // else it is not there
      })
  }

  async function finishRemoval({ _id, collection }: Entry): Promise<void> {
    await drop(collection)
    await server.run(() => catalogue.deleteOne({ _id, collection }))
  }

  return {
    async create(name) {
      const found = await server.run(() => catalogue.findOne({ _id: name }))
      if (found?.removing) await finishRemoval(found)
      else if (found) throw exists()
      const collection = `${namespace}.${readable(name)}.${new ObjectId()}`
      // What leads every query to the documents it cannot look into. A server that makes none of the kind looks through all.
      await server
        .run(() => documentsIn(collection).createIndex({ _deflated: 1 }, { name: 'kept-as-text', sparse: true }))
        .catch((error: unknown) => {
          if (!isRefusal(error)) throw error
        })
      try {
        await server.run(() => catalogue.insertOne({ _id: name, collection, indexes: [] }))
      } catch (error) {
        if (isRefusal(error)) await drop(collection)
        throw isDuplicate(error) ? exists() : error
      }
      known.set(name, collection)
    },

    async remove(name) {
      known.delete(name)
      const entry = await server.run(() =>
        catalogue.findOneAndUpdate({ _id: name, removing: { $exists: false } }, { $set: { removing: true } }),
      )
      if (entry === null) throw new HyperError('DATABASE_NOT_FOUND', 'database does not exist')
      await finishRemoval(entry)
    },

    async list() {
      const entries = await server.run(() =>
        catalogue
          .find({ removing: { $exists: false } })
          .project({ _id: 1 })
          .sort({ _id: 1 })
          .toArray(),
      )
      return entries.map(({ _id }) => _id as string)
    },

    async read(name, read, isConclusive) {
      const remembered = known.get(name)
      const readIn = (collection: string) => server.run(() => read(documentsIn(collection)))
      if (remembered === undefined) return await readIn((await find(name)).collection)
      const [outcome] = await Promise.allSettled([readIn(remembered)])
      // What is refused may be for want of the collection, with which its cursors end.
      if (outcome.status === 'rejected' && !isRefusal(outcome.reason)) throw outcome.reason
      if (outcome.status === 'fulfilled' && isConclusive(outcome.value)) return outcome.value
      const { collection } = await find(name)
      if (collection !== remembered) return await readIn(collection)
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    },

    async write(name, write) {
      const remembered = known.get(name)
      const writeTo = (collection: string) => server.run(() => write(documentsIn(collection)))
      if (remembered === undefined) return await writeTo((await find(name)).collection)
      const [outcome, found] = await Promise.allSettled([writeTo(remembered), find(name)])
      if (found.status === 'rejected' || found.value.collection !== remembered) {
        // The write has brought a collection back that nobody looks into, unless nobody can tell.
        const isStray = found.status === 'fulfilled' || found.reason.code === 'DATABASE_NOT_FOUND'
        if (isStray && outcome.status === 'fulfilled') await drop(remembered)
        if (found.status === 'rejected') throw found.reason
        return await writeTo(found.value.collection)
      }
      if (outcome.status === 'rejected') throw outcome.reason
      return outcome.value
    },

    async indexes(name) {
      return (await find(name)).indexes
    },

    async addIndex(name, index) {
      const { matchedCount } = await server.run(() =>
        catalogue.updateOne(
          {
            _id: name,
            removing: { $exists: false },
            'indexes.name': { $ne: index.name },
            'indexes.definition': { $ne: index.definition },
          },
          { $push: { indexes: index } },
        ),
      )
      return matchedCount > 0
    },
  }
}

function exists(): HyperError {
  return new HyperError('DATABASE_EXISTS', 'database already exists')
}

/** So that people find their way among the collections. */
function readable(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, READABLE_LENGTH)
}
