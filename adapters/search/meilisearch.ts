/**
 * The search port on Meilisearch. It keeps the documents and says which have a word; what a word is and how matches are ranked is
 * as in the embedded engine. Any number of gateways may share a server: what exists is what the server says at each call.
 */
import { setImmediate } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import { keyOf, type SearchPort } from '../../server/ports/search.ts'
import { indexNotFound } from './catalogue.ts'
import { documentNotFound, prepareDocument } from './documents.ts'
import { Catalogue, type IndexEntry } from './meilisearch-catalogue.ts'
import { rank, rankedPage } from './meilisearch-query.ts'
import { hashOf, recordTail, recordUnder } from './meilisearch-records.ts'
import { MeilisearchServer } from './meilisearch-server.ts'
import { Writes } from './meilisearch-writes.ts'
import { parseSearch } from './terms.ts'

export interface MeilisearchSearchOptions {
  /** Such as `http://meilisearch:7700`. */
  url: string
  /** A key for all actions, where the server asks for one. */
  key?: string | undefined
  /** What the names of our indexes at Meilisearch begin with: letters, digits, `-` and `_`. @default 'hyper' */
  namespace?: string | undefined
}

/** Documents of a bulk prepared between two turns of others. */
const PREPARED_AT_ONCE = 100

export function createMeilisearchSearch({ url, key, namespace = 'hyper' }: MeilisearchSearchOptions): SearchPort {
  const server = new MeilisearchServer(url, key)
  const writers = new Map<string, Writes>()
  const catalogue = new Catalogue({ server, namespace, writesTo: (uid) => writesTo(uid, async () => true) })

  /** One writer for each index of Meilisearch, as long as there is something to write. */
  function writesTo(uid: string, isNeeded: () => Promise<boolean>): Writes {
    const known = writers.get(uid)
    if (known) return known
    const writes = new Writes({ server, index: uid, isNeeded, onIdle: () => writers.delete(uid) })
    writers.set(uid, writes)
    return writes
  }

  function documentsOf(name: string, { uid }: IndexEntry): Writes {
    return writesTo(uid, async () => (await catalogue.find(name))?.uid === uid)
  }

  return {
    // The server may come after us; each call finds out for itself.
    async open() {},

    async check() {
      await server.askSoon(async (client) => {
        await client.getIndexes({ limit: 1 })
      })
    },

    async close() {
      await Promise.all([...writers.values()].map((writes) => writes.idle()))
      server.close()
    },

    async createIndex({ index, mappings }) {
      await server.watch(() => catalogue.create(index, mappings))
    },

    async deleteIndex({ index }) {
      await server.watch(() => catalogue.delete(index))
    },

    async listIndexes() {
      return { names: await catalogue.names() }
    },

    async emptyIndex({ index: name }) {
      return await catalogue.use(name, async (index) => ({ count: await documentsOf(name, index).clear() }))
    },

    async indexDoc({ index: name, key, doc }) {
      await catalogue.use(name, async (index) => {
        const tail = recordTail(prepareDocument(index, key, doc))
        await documentsOf(name, index).change([hashOf(key)], tail.length, (draft) => {
          if (draft.has(hashOf(key))) throw documentExists()
          draft.put(hashOf(key), tail)
        })
      })
    },

    async getDoc({ index: name, key }) {
      return await catalogue.use(name, async ({ uid }) => {
        const record = await recordUnder(server, uid, key)
        if (record === undefined) throw documentNotFound()
        return { key, doc: new JsonText(record.doc) }
      })
    },

    async updateDoc({ index: name, key, doc }) {
      await catalogue.use(name, async (index) => {
        const tail = recordTail(prepareDocument(index, key, doc))
        await documentsOf(name, index).change([hashOf(key)], tail.length, (draft) => {
          if (!draft.has(hashOf(key))) throw documentNotFound()
          draft.put(hashOf(key), tail)
        })
      })
    },

    async removeDoc({ index: name, key }) {
      await catalogue.use(name, async (index) => {
        await documentsOf(name, index).change([hashOf(key)], 0, (draft) => {
          if (!draft.has(hashOf(key))) throw documentNotFound()
          draft.remove(hashOf(key))
        })
      })
    },

    async bulk({ index: name, docs }) {
      if (docs.length === 0 && !(await catalogue.find(name))) throw indexNotFound()
      return await catalogue.use(name, async (index) => {
        const tails = new Map<string, string>()
        const keys: string[] = []
        let length = 0
        for (const doc of docs) {
          if (keys.length % PREPARED_AT_ONCE === PREPARED_AT_ONCE - 1) await setImmediate()
          const key = keyOf(doc) as string
          const tail = recordTail(prepareDocument(index, key, { ...doc, _id: key }))
          keys.push(key)
          tails.set(hashOf(key), tail)
          length += tail.length
        }
        await documentsOf(name, index).change([...tails.keys()], length, (draft) => {
          const isTwice = tails.size < keys.length
          if (isTwice || [...tails.keys()].some((hash) => draft.has(hash))) throw documentExists()
          for (const [hash, tail] of tails) draft.put(hash, tail)
        })
        return { results: keys.map((id) => ({ ok: true, id })) }
      })
    },

    async query({ index: name, q: { query, fields, filter } }) {
      return await catalogue.use(name, async (index) => {
        const ranked = await rank(server, index, parseSearch(query, index.fields, fields))
        return await rankedPage({ ...ranked, server, index, filter })
      })
    },
  } satisfies SearchPort
}

function documentExists(): HyperError {
  return new HyperError('SEARCH_DOCUMENT_EXISTS', 'document conflict')
}
