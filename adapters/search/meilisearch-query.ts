/**
 * Finds and ranks what matches a query: Meilisearch says which documents have which words, one question for all words, and what
 * scores need to know; they are made as the embedded engine makes them, so that both answer in the same order.
 */
import { setImmediate } from 'node:timers/promises'
import type { MultiSearchParams } from 'meilisearch'
import type TinyQueue from 'tinyqueue'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import type { Page } from '../../server/ports/common.ts'
import type { Match } from '../../server/ports/search.ts'
import { filterOf, writerFor } from './matches.ts'
import type { IndexEntry } from './meilisearch-catalogue.ts'
import {
  ALL,
  among,
  hashIn,
  inOrder,
  lengthTotals,
  type RankingFacts,
  type StoredRecord,
  wordOf,
} from './meilisearch-records.ts'
import type { MeilisearchServer } from './meilisearch-server.ts'
import { type Found, Places, Ranking } from './ranking.ts'
import type { Search, Term } from './terms.ts'

/** Words looked for in one question. */
const WORDS_AT_ONCE = 500
const PAGE_DOCUMENTS = 500
/** Characters of stored fields. */
const PAGE_LENGTH = 1_000_000
/** Hits taken in between two turns of others. */
const HITS_AT_ONCE = 2_000

/** A word in more documents than this is asked for once more: fetching documents is some ten times faster than searching them. */
const FEW_DOCUMENTS = 20
const FETCHES_AT_ONCE = 4

const OF_HIT = ['id', 'ranking'] as const
type Hit = Pick<StoredRecord, (typeof OF_HIT)[number]>
type Row = Pick<StoredRecord, 'id' | 'key' | 'stored'>

/** One word of the query in one field. */
interface Wanted {
  term: Term
  field: number
  name: string
  /** As records have it. */
  word: string
}

export interface Ranked {
  best: TinyQueue<Found>
  /** The documents of `best` by their numbers. */
  documents: readonly Document[]
}

interface Document extends RankingFacts {
  id: string
}

/** @throws SEARCH_INDEX_NOT_FOUND */
export async function rank(server: MeilisearchServer, { uid }: IndexEntry, { terms, fields }: Search): Promise<Ranked> {
  const wanted = terms.flatMap((term) =>
    fields.map(([field, name]): Wanted => ({ term, field, name, word: wordOf(field, term.word) })),
  )
  const { hits, statistics } = await hitsOf(server, uid, wanted)
  const documents = new Documents(await superseded(server, uid, hits))
  const ranking = new Ranking(statistics)
  let taken = 0
  for (const [n, { term, field, name, word }] of wanted.entries()) {
    const places = new Places()
    for (const hit of hits[n] ?? []) {
      const number = documents.numberOf(hit)
      if (number === undefined) continue
      const { lengths, repeats } = documents.all[number] as Document
      for (let times = repeats[word] ?? 1; times > 0; times -= 1) places.take(number, lengths[field] ?? 0)
      taken += 1
      if (taken % HITS_AT_ONCE === 0) await setImmediate()
    }
    ranking.add(term, field, name, places)
  }
  return { best: ranking.queue(), documents: documents.all }
}

async function hitsOf(server: MeilisearchServer, uid: string, wanted: readonly Wanted[]) {
  const hits: Hit[][] = []
  let statistics: ConstructorParameters<typeof Ranking>[0] = { documents: 0, totals: [] }
  // Also without any word: whether there is such an index is Meilisearch's to say.
  for (let from = 0; from === 0 || from < wanted.length; from += WORDS_AT_ONCE) {
    const { results } = await server.ask((client) =>
      client.multiSearch<MultiSearchParams, Hit>({
        queries: [
          { indexUid: uid, limit: 0, facets: ['lengths'] },
          ...wanted.slice(from, from + WORDS_AT_ONCE).map(({ word }) => ({
            indexUid: uid,
            filter: among('words', [word]),
            limit: FEW_DOCUMENTS,
            attributesToRetrieve: [...OF_HIT],
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
  const many = [...hits.keys()].filter((n) => hits[n]?.length === FEW_DOCUMENTS)
  for (let from = 0; from < many.length; from += FETCHES_AT_ONCE) {
    const fetching = many.slice(from, from + FETCHES_AT_ONCE).map(async (n) => {
      const filter = among('words', [wanted[n]?.word ?? ''])
      const { results } = await server.ask((client) =>
        client.index<StoredRecord>(uid).getDocuments({ filter, fields: [...OF_HIT], limit: ALL }),
      )
      hits[n] = results
    })
    await Promise.all(fetching)
  }
  return { hits, statistics }
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
  numberOf({ id, ranking }: Hit): number | undefined {
    let number = this.#numbers.get(id)
    if (number === undefined && !this.#superseded.has(id)) {
      number = this.all.push({ id, ...(JSON.parse(ranking) as RankingFacts) }) - 1
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

/** Leaves out what has gone meanwhile, be it with the whole index. The empty filter has the client send the ids in the body. */
async function rowsOf(server: MeilisearchServer, { uid }: IndexEntry, ids: readonly string[]): Promise<Row[]> {
  if (ids.length === 0) return []
  try {
    const { results } = await server.ask((client) =>
      client
        .index<StoredRecord>(uid)
        .getDocuments({ ids: [...ids], filter: [], fields: ['id', 'key', 'stored'], limit: ids.length }),
    )
    return results
  } catch (error) {
    if (error instanceof HyperError && error.code === 'SEARCH_INDEX_NOT_FOUND') return []
    throw error
  }
}
