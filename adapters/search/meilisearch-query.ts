/**
 * Finds and ranks what matches a query: Meilisearch says which documents have which words, one question for all words, and what
 * scores need to know; they are made as the embedded engine makes them, so that both answer in the same order.
 */
import { setImmediate } from 'node:timers/promises'
import type TinyQueue from 'tinyqueue'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import type { Page } from '../../server/ports/common.ts'
import type { Match } from '../../server/ports/search.ts'
import { filterOf, writerFor } from './matches.ts'
import type { IndexEntry } from './meilisearch-catalogue.ts'
import { ALL, among, hashIn, inOrder, lengthTotals, type StoredRecord, wordOf } from './meilisearch-records.ts'
import type { MeilisearchServer } from './meilisearch-server.ts'
import { type Found, Places, Ranking } from './ranking.ts'
import type { Search } from './terms.ts'

/** Words looked for in one question. */
const WORDS_AT_ONCE = 500
const PAGE_DOCUMENTS = 500
/** Characters of stored fields. */
const PAGE_LENGTH = 1_000_000
/** Hits taken in between two turns of others. */
const HITS_AT_ONCE = 2_000

type Hit = Pick<StoredRecord, 'id' | 'lengths' | 'repeats' | 'size'>
type Row = Pick<StoredRecord, 'id' | 'key' | 'stored'>

export interface Ranked {
  best: TinyQueue<Found>
  /** The documents of `best` by their numbers. */
  documents: readonly Document[]
}

interface Document {
  id: string
  size: number
}

/** @throws SEARCH_INDEX_NOT_FOUND */
export async function rank(server: MeilisearchServer, { uid }: IndexEntry, { terms, fields }: Search): Promise<Ranked> {
  const words = terms.flatMap((term) =>
    fields.map(([field, name]) => ({ term, field, name, word: wordOf(field, term.word) })),
  )
  const hits: Hit[][] = []
  let statistics = { documents: 0, totals: lengthTotals([]) }
  for (let from = 0; from === 0 || from < words.length; from += WORDS_AT_ONCE) {
    const looked = words.slice(from, from + WORDS_AT_ONCE)
    const { results } = await server.ask((client) =>
      client.multiSearch<{ queries: object[] & { indexUid: string }[] }, Hit & Record<string, unknown>>({
        queries: [
          { indexUid: uid, limit: 0, facets: ['lengths'] },
          ...looked.map(({ word }) => ({
            indexUid: uid,
            filter: `words = "${word}"`,
            limit: ALL,
            attributesToRetrieve: ['id', 'lengths', 'repeats', 'size'],
          })),
        ],
      }),
    )
    const [about, ...found] = results
    statistics = {
      documents: about?.estimatedTotalHits ?? 0,
      totals: lengthTotals(Object.entries(about?.facetDistribution?.lengths ?? {})),
    }
    hits.push(...found.map((result) => result.hits))
  }
  const documents = new Documents(await superseded(server, uid, hits))
  const ranking = new Ranking(statistics)
  let taken = 0
  for (const [n, { term, field, name, word }] of words.entries()) {
    const places = new Places()
    for (const hit of hits[n] ?? []) {
      const document = documents.numberOf(hit)
      if (document === undefined) continue
      const length = lengthIn(hit, field)
      for (let times = repeatsOf(hit, word); times > 0; times -= 1) places.take(document, length)
      taken += 1
      if (taken % HITS_AT_ONCE === 0) await setImmediate()
    }
    ranking.add(term, field, name, places)
  }
  return { best: ranking.queue(), documents: documents.all }
}

/** Numbers documents in the order in which they are met. */
class Documents {
  readonly #superseded: ReadonlySet<string>
  readonly #numbers = new Map<string, number>()
  readonly all: Document[] = []

  constructor(superseded: ReadonlySet<string>) {
    this.#superseded = superseded
  }

  /** Undefined for one that does not count. */
  numberOf({ id, size }: Hit): number | undefined {
    let number = this.#numbers.get(id)
    if (number === undefined && !this.#superseded.has(id)) {
      number = this.all.push({ id, size }) - 1
      this.#numbers.set(id, number)
    }
    return number
  }
}

/** Ids of records that two gateways made at the same time under keys of others, and that are about to be removed. */
async function superseded(
  server: MeilisearchServer,
  uid: string,
  hits: readonly (readonly Hit[])[],
): Promise<Set<string>> {
  const ids = new Map<string, Set<string>>()
  for (const { id } of hits.flat()) {
    const known = ids.get(hashIn(id))
    if (known) known.add(id)
    else ids.set(hashIn(id), new Set([id]))
  }
  const others = new Set<string>()
  for (const same of ids.values()) {
    if (same.size === 1) continue
    const [, ...later] = await inOrder(server, uid, [...same])
    for (const id of later) others.add(id)
  }
  return others
}

function lengthIn({ lengths }: Hit, field: number): number {
  const begin = `${field}+`
  let length = 0
  for (const part of lengths) if (part.startsWith(begin)) length += Number(part.slice(begin.length))
  return length
}

function repeatsOf({ repeats }: Hit, word: string): number {
  return repeats === '{}' ? 1 : (JSON.parse(repeats)[word] ?? 1)
}

export interface PageSource extends Ranked {
  server: MeilisearchServer
  index: IndexEntry
  filter: Record<string, unknown> | undefined
}

export async function rankedPage(source: PageSource): Promise<Page<Match>> {
  const { best, documents, server, index } = source
  const taken: Found[] = []
  for (let length = 0; taken.length < PAGE_DOCUMENTS && length < PAGE_LENGTH; ) {
    const found = best.pop()
    if (found === undefined) break
    taken.push(found)
    length += documents[found.document]?.size ?? 0
  }
  const ids = taken.map(({ document }) => documents[document]?.id ?? '')
  const rows = new Map((await rowsOf(server, index, ids)).map((row) => [row.id, row]))
  const accepts = filterOf(source.filter)
  const write = writerFor(index.storeFields)
  const items: JsonText[] = []
  for (const [place, found] of taken.entries()) {
    const row = rows.get(ids[place] ?? '')
    if (row && accepts(row.stored)) items.push(new JsonText(write(found, row.key, row.stored)))
  }
  if (best.length === 0) return { items }
  let following: Promise<Page<Match>> | undefined
  return {
    items,
    next: () => {
      following ??= rankedPage(source)
      return following
    },
  }
}

/** Leaves out what has gone meanwhile, be it with the whole index. */
async function rowsOf(server: MeilisearchServer, { uid }: IndexEntry, ids: readonly string[]): Promise<Row[]> {
  if (ids.length === 0) return []
  try {
    const { results } = await server.ask((client) =>
      client
        .index<StoredRecord & Record<string, unknown>>(uid)
        .getDocuments({ filter: among('id', ids), fields: ['id', 'key', 'stored'], limit: ids.length }),
    )
    return results
  } catch (error) {
    if (error instanceof HyperError && error.code === 'SEARCH_INDEX_NOT_FOUND') return []
    throw error
  }
}
