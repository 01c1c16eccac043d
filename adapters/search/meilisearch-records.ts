/**
 * How documents are kept in Meilisearch. Its own words, ids, limits and order are not the port's, so each document is a record
 * with the words as this product splits them, found by filters, which compare whole values and know no limits: a query of
 * Meilisearch reads ten words and looks for likely ones too. The document itself is kept as JSON text, which comes back as it was.
 */
import { hash, randomBytes } from 'node:crypto'
import type { Settings } from 'meilisearch'
import type { Prepared } from './documents.ts'
import type { MeilisearchServer } from './meilisearch-server.ts'
import { token } from './words.ts'

export interface StoredRecord {
  /** The hash of the key, and the label of the write that made the record. */
  id: string
  /** Of the key: whatever a filter compares has to be in small letters, digits and dashes, or else more than one text is equal. */
  hash: string
  key: string
  /** Each once, with the number of its field. */
  words: string[]
  /** For each field that the document has its number, and the powers of two that its length is the sum of. */
  lengths: string[]
  /** `RankingFacts` as JSON: a text comes back in a third of the time that members of their own take. */
  ranking: string
  /** Stored fields, as JSON. */
  stored: string
  /** The document, as JSON. */
  doc: string
}

/** What scores need to know of a document. */
export interface RankingFacts {
  /** Of each field, null for one that it does not have. */
  lengths: (number | null)[]
  /** How many times words are there that are more than once. */
  repeats: Record<string, number>
  /** Length of `stored`. */
  size: number
}

/** As much as Meilisearch has. */
export const ALL = 2 ** 32 - 1

const byEquality = { facetSearch: false, filter: { equality: true, comparison: false } }

/** Nothing is searched by Meilisearch's own rules, so it need not prepare for that. */
export const SETTINGS: Settings = {
  searchableAttributes: [],
  filterableAttributes: [{ attributePatterns: ['hash', 'words', 'lengths'], features: byEquality }],
  rankingRules: [],
  typoTolerance: { enabled: false },
  prefixSearch: 'disabled',
  facetSearch: false,
  proximityPrecision: 'byAttribute',
  pagination: { maxTotalHits: ALL },
  faceting: { maxValuesPerFacet: 1_000_000 },
  // A search that takes longer would be answered with a part of what is found; the client gives up before.
  searchCutoffMs: 60_000,
}

const HASH_LENGTH = 32
/** Keys asked for in one filter. */
const KEYS_AT_ONCE = 500
const TASKS_AT_ONCE = 1_000

/** 128 bits. */
export function hashOf(key: string): string {
  return hash('sha256', key).slice(0, HASH_LENGTH)
}

export function hashIn(id: string): string {
  return id.slice(0, HASH_LENGTH)
}

/** Tells a write from all others. */
export function newLabel(): string {
  return randomBytes(8).toString('hex')
}

export function idOf(hash: string, label: string): string {
  return `${hash}-${label}`
}

/** A record's JSON text but for its beginning, `{"id":"…",`. */
export function recordTail({ key, tokens, lengths, stored, text }: Prepared): string {
  const counts = new Map<string, number>()
  for (const word of tokens.split(' ')) {
    if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const repeated = [...counts].filter(([, count]) => count > 1).map(([word, count]) => [safe(word), count])
  const facts: RankingFacts = {
    lengths: lengths.map((length) => length ?? null),
    repeats: Object.fromEntries(repeated),
    size: stored.length,
  }
  const record: Omit<StoredRecord, 'id'> = {
    hash: hashOf(key),
    key,
    words: [...counts.keys()].map(safe),
    lengths: lengths.flatMap((length, field) => (length === undefined ? [] : lengthOf(field, length))),
    ranking: JSON.stringify(facts),
    stored,
    doc: text,
  }
  return JSON.stringify(record).slice(1)
}

/** How a field's word is written in `words`. */
export function wordOf(field: number, word: string): string {
  return safe(token(field, word))
}

/** Meilisearch tells neither accents from what they decompose to, nor texts that are longer than 468 bytes, by their end. */
function safe(token: string): string {
  if (/^\d+:[a-z0-9]{1,64}$/.test(token)) return token
  const colon = token.indexOf(':')
  return `${token.slice(0, colon)}:-${hash('sha256', token.slice(colon + 1))}`
}

function lengthOf(field: number, length: number): string[] {
  const parts = [String(field)]
  for (let power = 1; power <= length; power *= 2)
    if (Math.floor(length / power) % 2 === 1) parts.push(`${field}+${power}`)
  return parts
}

/** The sum of lengths of each field, and how many have it. @param counts how often each member of `lengths` is there */
export function lengthTotals(counts: Iterable<[part: string, count: number]>): [documents: number, length: number][] {
  const totals: [number, number][] = []
  for (const [part, count] of counts) {
    const [field = '', power] = part.split('+')
    const total = totals[Number(field)] ?? [0, 0]
    totals[Number(field)] = total
    if (power === undefined) total[0] = count
    else total[1] += Number(power) * count
  }
  return totals
}

/** Filters are never more than lists of what is written in letters, digits, dashes, colons and plus signs. */
export function among(attribute: keyof StoredRecord, values: readonly string[]): string {
  return `${attribute} IN [${values.map((value) => `"${value}"`).join(', ')}]`
}

/**
 * Which records there are under these hashes of keys. Two gateways that add a key at the same time make a record each; the one
 * whose task came first counts, and comes first here.
 */
export async function idsUnder(
  server: MeilisearchServer,
  index: string,
  hashes: readonly string[],
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>()
  for (let from = 0; from < hashes.length; from += KEYS_AT_ONCE) {
    const filter = among('hash', hashes.slice(from, from + KEYS_AT_ONCE))
    const { results } = await server.ask((client) =>
      client.index<StoredRecord>(index).getDocuments({ filter, fields: ['id'], limit: ALL }),
    )
    for (const { id } of results) {
      const others = found.get(hashIn(id))
      if (others) others.push(id)
      else found.set(hashIn(id), [id])
    }
  }
  for (const [hash, ids] of found) if (ids.length > 1) found.set(hash, await inOrder(server, index, ids))
  return found
}

/** @throws SEARCH_INDEX_NOT_FOUND */
export async function recordUnder(
  server: MeilisearchServer,
  index: string,
  key: string,
): Promise<Pick<StoredRecord, 'id' | 'doc'> | undefined> {
  const filter = among('hash', [hashOf(key)])
  const { results } = await server.ask((client) =>
    client.index<StoredRecord>(index).getDocuments({ filter, fields: ['id', 'doc'], limit: ALL }),
  )
  if (results.length < 2) return results[0]
  const [first] = await inOrder(
    server,
    index,
    results.map(({ id }) => id),
  )
  return results.find(({ id }) => id === first)
}

/** By when the server took the write that made each. Its list of tasks knows; what it has forgotten is older than what it knows. */
export async function inOrder(server: MeilisearchServer, index: string, ids: readonly string[]): Promise<string[]> {
  const unknown = new Set(ids.map((id) => id.slice(HASH_LENGTH + 1)))
  const order = new Map<string, number>()
  for (let from: number | null | undefined; unknown.size > 0 && from !== null; ) {
    const query = { indexUids: [index], types: ['documentAdditionOrUpdate' as const], limit: TASKS_AT_ONCE }
    const page = await server.ask((client) => client.tasks.getTasks(from === undefined ? query : { ...query, from }))
    for (const { uid, customMetadata: label = '' } of page.results) if (unknown.delete(label)) order.set(label, uid)
    from = page.next
  }
  const taken = (id: string) => order.get(id.slice(HASH_LENGTH + 1)) ?? -1
  return [...ids].sort((a, b) => taken(a) - taken(b) || (a < b ? -1 : 1))
}
