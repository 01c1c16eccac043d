/**
 * Answers a query. The server decides, sorts and cuts where it does so as the embedded engine would; where it does not, or a
 * document is kept as text, candidates come through the gateway, which decides and sorts itself: slower, and the same answer.
 */
import { type Document as BsonDocument, type FindCursor, type FindOptions, MongoServerError } from 'mongodb'
import type { Page } from '../../../server/ports/common.ts'
import type { Document } from '../../../server/ports/data.ts'
import { PAGE_BYTES, PAGE_ITEMS } from '../execute.ts'
import { compareRanked, type Ranked, rank, type SortKey } from '../order.ts'
import type { ParsedQuery } from '../plan.ts'
import type { Projection } from '../projection.ts'
import { tookTooLong } from '../task-thread.ts'
import type { Documents } from './databases.ts'
import { IS_TEXT, isText, type Kept, textOf } from './documents.ts'
import { compileFilter, EVERYTHING, type Filter } from './filter.ts'
import type { Judge } from './judge.ts'
import { isRefusal } from './server.ts'

/** MongoDB's own limit of sort keys. */
const MAX_SORT_KEYS = 32
/** More documents than anyone keeps; beyond it counts need a type of their own. */
const MAX_COUNT = 2 ** 31 - 1
/** How many candidates are decided at a time. */
const BATCH_ITEMS = 500

export interface Find {
  query: ParsedQuery
  projection: Projection
}

export interface FindMeans {
  judge: Judge
  /** In milliseconds. */
  deadline: number
  /** Runs what a later page needs, on the same database. @throws DATABASE_NOT_FOUND */
  again<T>(read: (documents: Documents) => Promise<T>): Promise<T>
}

/** @throws QUERY_INVALID, QUERY_TIMEOUT */
export async function findPage(means: FindMeans, documents: Documents, find: Find): Promise<Page<Document>> {
  const filter = compileFilter(find.query.condition)
  const order = completeOrder(find.query.sort)
  const decide = async (candidates: Filter) => {
    const { ids, bytes } = await decideHere(means, documents, find.query, order, candidates)
    return await pageOf(means, documents, ids, find.projection, itemsFor(bytes / ids.length))
  }
  try {
    if (filter.exact && order.every(({ path }) => path.every((key) => key.isWellFormed()))) {
      const page = await pageByServer(means, documents, { ...find, filter: filter.filter, order })
      if (page !== undefined) return page
    }
    return await decide(filter)
  } catch (error) {
    // A server has limits of its own: it cannot sort by two arrays, nor use every operator and pattern.
    if (!isRefusal(error) || isTimeout(error) || filter === EVERYTHING) throw error
    return await decide(EVERYTHING)
  }
}

interface Compiled extends Find {
  filter: BsonDocument
  order: SortKey[]
}

/** Undefined where there are documents the server cannot look into. */
async function pageByServer(
  means: FindMeans,
  documents: Documents,
  find: Compiled,
): Promise<Page<Document> | undefined> {
  const { query, projection } = find
  const options = serverOptions(means, find)
  const first = documents.find(find.filter, {
    ...options,
    limit: Math.min(query.limit, PAGE_ITEMS),
    batchSize: PAGE_ITEMS,
  })
  const [found, texts] = await Promise.all([
    takePage(first),
    documents.find(IS_TEXT, { projection: { _id: 1 }, limit: 1, maxTimeMS: means.deadline }).toArray(),
  ])
  if (texts.length > 0 || found.hasTexts) return undefined
  const items = found.texts.map(projection)
  if (!found.isFull || items.length >= query.limit) return { items }
  return {
    items,
    async next() {
      // Found anew, as a cursor that waits for its reader may wait for ever.
      const told = new Set(found.ids)
      return await means.again(async (current) => {
        const all = await current
          .find(find.filter, { ...options, limit: Math.min(query.limit, MAX_COUNT), projection: { _id: 1 } })
          .map(({ _id }) => _id)
          .toArray()
        const rest = all.filter((id) => !told.has(id))
        return await pageOf(means, current, rest, projection, itemsFor(found.bytes / items.length))
      })
    },
  }
}

function serverOptions(means: FindMeans, { query, order }: Compiled): FindOptions {
  return {
    skip: Math.min(query.skip, MAX_COUNT),
    maxTimeMS: means.deadline,
    ...(order.length === 0
      ? {}
      : { sort: new Map(order.map(({ path, descending }) => [path.join('.'), descending ? -1 : 1])) }),
  }
}

/** Ties are told by `_id`, so that pages asked for one by one fit together; an index made here leads to that order, too. */
export function completeOrder(keys: readonly SortKey[]): SortKey[] {
  const seen = new Set<string>()
  const order = keys.filter(({ path }) => {
    const name = path.join('.')
    return seen.has(name) ? false : seen.add(name)
  })
  const last = order.at(-1)
  if (last === undefined || seen.has('_id') || order.length === MAX_SORT_KEYS) return order
  return [...order, { path: ['_id'], descending: last.descending }]
}

interface Taken {
  ids: unknown[]
  texts: string[]
  bytes: number
  hasTexts: boolean
  /** There may be more. */
  isFull: boolean
}

/** As much as a page holds; the cursor is closed then. */
export async function takePage(cursor: FindCursor<Kept>): Promise<Taken> {
  const taken: Taken = { ids: [], texts: [], bytes: 0, hasTexts: false, isFull: false }
  for await (const kept of cursor) {
    const text = await textOf(kept)
    taken.hasTexts ||= isText(kept)
    taken.ids.push(kept._id)
    taken.texts.push(text)
    taken.bytes += text.length
    taken.isFull = taken.texts.length >= PAGE_ITEMS || taken.bytes >= PAGE_BYTES
    if (taken.isFull) break
  }
  return taken
}

/** How many documents a page holds. */
function itemsFor(bytesPerItem: number): number {
  return Math.max(1, Math.min(PAGE_ITEMS, Math.floor(PAGE_BYTES / (bytesPerItem || 1))))
}

/** The documents `ids` in their order, those gone meanwhile left out. */
async function pageOf(
  means: FindMeans,
  documents: Documents,
  ids: readonly unknown[],
  projection: Projection,
  count: number,
): Promise<Page<Document>> {
  const wanted = ids.slice(0, count)
  if (wanted.length === 0) return { items: [] }
  const texts = new Map<unknown, string>()
  let bytes = 0
  const cursor = documents.find({ _id: { $in: wanted } } as BsonDocument)
  for await (const kept of cursor) {
    const text = await textOf(kept)
    texts.set(kept._id, text)
    bytes += text.length
  }
  const items = wanted.flatMap((id) => texts.get(id) ?? []).map(projection)
  if (ids.length <= count) return { items }
  return {
    items,
    next: () =>
      means.again((current) =>
        pageOf(
          means,
          current,
          ids.slice(count),
          projection,
          items.length === 0 ? count : itemsFor(bytes / items.length),
        ),
      ),
  }
}

/** What the query finds, candidate by candidate: ids, and the length of their texts together. */
async function decideHere(
  { judge, deadline }: FindMeans,
  documents: Documents,
  { condition, skip, limit }: ParsedQuery,
  order: SortKey[],
  { filter, exact }: Filter,
): Promise<{ ids: unknown[]; bytes: number }> {
  const end = performance.now() + deadline
  const wanted = skip + limit
  const best: (Ranked & { id: unknown; bytes: number })[] = []
  const trim = () => {
    if (order.length > 0) best.sort((a, b) => compareRanked(a, b, order))
    best.length = Math.min(best.length, wanted)
  }
  // What the condition holds that cannot be judged by is an error without documents, too.
  if (!exact) await judge(condition, [], deadline)
  const everything = Object.keys(filter).length === 0
  const cursor = documents.find(everything ? {} : { $or: [filter, IS_TEXT] }, { maxTimeMS: deadline })
  let seq = 0
  try {
    while (order.length > 0 || best.length < wanted) {
      const batch = await takeBatch(cursor)
      if (batch.length === 0) break
      const left = end - performance.now()
      if (left <= 0) throw tookTooLong(deadline)
      const undecided = batch.filter(({ kept }) => !exact || isText(kept))
      const accepted = new Set<Candidate>(exact ? batch : [])
      const verdicts =
        undecided.length === 0
          ? []
          : await judge(
              condition,
              undecided.map(({ text }) => text),
              left,
            )
      for (const [i, candidate] of undecided.entries()) {
        if (verdicts[i]) accepted.add(candidate)
        else accepted.delete(candidate)
      }
      for (const { kept, text } of batch.filter((candidate) => accepted.has(candidate))) {
        const doc = order.length > 0 && isText(kept) ? JSON.parse(text) : kept
        best.push({ ...rank(doc, seq++, order), id: kept._id, bytes: text.length })
      }
      if (best.length >= 2 * wanted + PAGE_ITEMS) trim()
    }
  } finally {
    await cursor.close()
  }
  trim()
  const found = best.slice(skip)
  return { ids: found.map(({ id }) => id), bytes: found.reduce((sum, { bytes }) => sum + bytes, 0) }
}

interface Candidate {
  kept: Kept
  text: string
}

async function takeBatch(cursor: FindCursor<Kept>): Promise<Candidate[]> {
  const batch: Candidate[] = []
  let bytes = 0
  while (batch.length < BATCH_ITEMS && bytes < 8 * PAGE_BYTES) {
    const kept = await cursor.next()
    if (kept === null) break
    const text = await textOf(kept)
    batch.push({ kept, text })
    bytes += text.length
  }
  return batch
}

function isTimeout(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === 50
}

/** For errors of queries. */
export function asTimeout(error: unknown, deadline: number): unknown {
  return isTimeout(error) ? tookTooLong(deadline, error) : error
}
