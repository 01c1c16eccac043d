/**
 * Which indexes there are: an index of Meilisearch's own with one document for each, under its name, which may be any text. Each has
 * a name at Meilisearch that is never used again, so what is written to one that has gone cannot show in the next of its name.
 */
import { HyperError } from '../../server/error.ts'
import type { Mappings } from '../../server/ports/search.ts'
import { indexNotFound } from './catalogue.ts'
import {
  ALL,
  hashIn,
  hashOf,
  newLabel,
  recordTail,
  recordUnder,
  SETTINGS,
  type StoredRecord,
} from './meilisearch-records.ts'
import type { MeilisearchServer } from './meilisearch-server.ts'
import type { Writes } from './meilisearch-writes.ts'

export interface IndexEntry {
  /** Meilisearch's name for it. */
  uid: string
  fields: string[]
  storeFields: string[]
}

export interface CatalogueOptions {
  server: MeilisearchServer
  namespace: string
  /** Makes the writer of an index of Meilisearch. */
  writesTo(uid: string): Writes
}

export class Catalogue {
  readonly #server: MeilisearchServer
  readonly #namespace: string
  readonly #writesTo: (uid: string) => Writes
  readonly #known = new Map<string, IndexEntry>()
  readonly uid: string

  constructor({ server, namespace, writesTo }: CatalogueOptions) {
    this.#server = server
    this.#namespace = namespace
    this.#writesTo = writesTo
    this.uid = `${namespace}-catalogue`
  }

  /**
   * Calls `use` with the index of that name. What was known of it before is good as long as Meilisearch has that very index, and
   * spares a question. @throws SEARCH_INDEX_NOT_FOUND
   */
  async use<T>(name: string, use: (index: IndexEntry) => Promise<T>): Promise<T> {
    const known = this.#known.get(name)
    if (known) {
      try {
        return await use(known)
      } catch (error) {
        if (!isIndexNotFound(error)) throw error
        this.#known.delete(name)
      }
    }
    const found = await this.find(name)
    if (found === undefined) throw indexNotFound()
    this.#known.set(name, found)
    return await use(found)
  }

  /** Asks the server. */
  async find(name: string): Promise<IndexEntry | undefined> {
    const record = await ifThere(recordUnder(this.#server, this.uid, name))
    return record && JSON.parse(record.doc)
  }

  async names(): Promise<string[]> {
    const records = await ifThere(this.#records())
    const names = new Map(records?.map(({ id, key }) => [hashIn(id), key]))
    return [...names.values()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }

  /** @throws SEARCH_INDEX_EXISTS */
  async create(name: string, { fields, storeFields = [] }: Mappings): Promise<void> {
    if (await this.find(name)) throw indexExists()
    const readable = name.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 40)
    const entry: IndexEntry = {
      uid: `${this.#namespace}-${readable}-${newLabel()}`,
      fields: [...new Set(fields)],
      storeFields: [...new Set(storeFields)],
    }
    if ((await ifThere(this.#records(1))) === undefined) await this.#prepare(this.uid)
    await this.#prepare(entry.uid)
    const hash = hashOf(name)
    const tail = recordTail({ key: name, text: JSON.stringify(entry), stored: '{}', tokens: '', lengths: [] })
    try {
      await this.#writesTo(this.uid).change([hash], tail.length, (draft) => {
        if (draft.has(hash)) throw indexExists()
        draft.put(hash, tail)
      })
    } catch (error) {
      if (error instanceof HyperError && error.code === 'SEARCH_INDEX_EXISTS') {
        await this.#server.perform((client) => client.deleteIndex(entry.uid))
      }
      throw error
    }
  }

  /** @throws SEARCH_INDEX_NOT_FOUND */
  async delete(name: string): Promise<void> {
    const entry = await this.find(name)
    if (entry === undefined) throw indexNotFound()
    const hash = hashOf(name)
    await this.#writesTo(this.uid).change([hash], 0, (draft) => {
      if (!draft.has(hash)) throw indexNotFound()
      draft.remove(hash)
    })
    this.#known.delete(name)
    await this.#server.perform((client) => client.deleteIndex(entry.uid))
  }

  async #records(limit = ALL): Promise<Pick<StoredRecord, 'id' | 'key'>[]> {
    const filter = 'hash EXISTS'
    const { results } = await this.#server.ask((client) =>
      client.index<StoredRecord>(this.uid).getDocuments({ filter, fields: ['id', 'key'], limit }),
    )
    return results
  }

  /** Settings make the index where there is none. */
  async #prepare(uid: string): Promise<void> {
    await this.#server.perform((client) => client.index(uid).updateSettings(SETTINGS))
  }
}

/** There may be no catalogue yet, or one that is just being made. */
function ifThere<T>(answer: Promise<T>): Promise<T | undefined> {
  return answer.catch((error: unknown) => {
    if (isIndexNotFound(error)) return undefined
    throw error
  })
}

function isIndexNotFound(error: unknown): boolean {
  return error instanceof HyperError && error.code === 'SEARCH_INDEX_NOT_FOUND'
}

function indexExists(): HyperError {
  return new HyperError('SEARCH_INDEX_EXISTS', 'index already exists')
}
