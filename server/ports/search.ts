/**
 * The search port: named indexes of JSON documents under keys, found by whole words (hyper-api §§2, 7).
 *
 * A word is a run of characters between separators, lowercased. Unicode's spaces and punctuation separate (hyphen and
 * underscore among them), and control characters; symbols such as `+` and `$` do not, and an accent makes another letter.
 * A document matches when any word of the query is one of its words: no prefix, no fuzziness, no stemming, no stop words.
 * A field that is no text counts as what `String()` makes of it; null and absent ones have no words.
 * The key is the identity (B28), whatever `_id` a document has.
 * A write is acknowledged only when it survives a kill of the process and every later query sees it.
 */
import * as z from 'zod'
import type { Stored } from '../json-text.ts'
import {
  jsonObject,
  type Page,
  type PortLifecycle,
  type PortSchemas,
  pageOf,
  ruledString,
  storedObject,
} from './common.ts'

export type SearchDocument = Record<string, unknown>

export interface Mappings {
  /** Members that are searched. */
  fields: string[]
  /** Members that come back with a match. Default none. */
  storeFields?: string[] | undefined
}

export interface SearchQuery {
  query: string
  /** Searches these of the index's fields only; one that is not indexed matches nothing. */
  fields?: string[] | undefined
  /** Every member must be strictly equal to the match's stored field; one that is not stored matches nothing. */
  filter?: Record<string, unknown> | undefined
}

/** The document's stored fields are added last, so one called `id` or `score` wins (hyper-api §7). */
export interface Match {
  /** The document's key. */
  id: string
  /** Greater is better; only the order means anything. Both engines score as MiniSearch does (BM25+). */
  score: number
  /** Words of the document that matched. */
  terms: string[]
  /** Words of the query that matched. */
  queryTerms: string[]
  /** Word to the fields it was found in. */
  match: Record<string, string[]>
  [storedField: string]: unknown
}

/** Every method but createIndex and listIndexes throws SEARCH_INDEX_NOT_FOUND when the index does not exist. */
export interface SearchPort extends PortLifecycle {
  /** @throws SEARCH_INDEX_EXISTS */
  createIndex(args: { index: string; mappings: Mappings }): Promise<void>
  /** Removes the index and its documents. */
  deleteIndex(args: { index: string }): Promise<void>
  /** Names, ascending by code point. */
  listIndexes(args: Record<never, never>): Promise<{ names: string[] }>
  /** Removes every document, keeps the mappings. Answers how many documents went. */
  emptyIndex(args: { index: string }): Promise<{ count: number }>
  /** Stores `doc` with `_id: key` added, unless it has an `_id` of its own. @throws SEARCH_DOCUMENT_EXISTS */
  indexDoc(args: { index: string; key: string; doc: SearchDocument }): Promise<void>
  /** @throws SEARCH_DOCUMENT_NOT_FOUND */
  getDoc(args: { index: string; key: string }): Promise<{ key: string; doc: Stored<SearchDocument> }>
  /** Whole replacement. @throws SEARCH_DOCUMENT_NOT_FOUND */
  updateDoc(args: { index: string; key: string; doc: SearchDocument }): Promise<void>
  /** @throws SEARCH_DOCUMENT_NOT_FOUND */
  removeDoc(args: { index: string; key: string }): Promise<void>
  /**
   * Adds documents under their `_id`, else their `id`, which is then written as `_id`: all or none, one result each in order.
   * @throws SEARCH_DOCUMENT_EXISTS for a key that is there or comes twice
   */
  bulk(args: { index: string; docs: SearchDocument[] }): Promise<{ results: { ok: true; id: string }[] }>
  /** Matches by descending score. @throws QUERY_INVALID for the empty query, whether or not the index exists */
  query(args: { index: string; q: SearchQuery }): Promise<Page<Match>>
}

function isStorable(text: string): boolean {
  return text !== '' && text.isWellFormed() && !text.includes('\0')
}

const index = ruledString('NAME_INVALID', 'index name is not valid', isStorable)
const key = ruledString('KEY_INVALID', 'key is not valid', isStorable)

/** In bulk, a document names its own key. */
const keyedDocument = jsonObject.refine((doc) => keyOf(doc) !== undefined, {
  message: 'every document needs a string _id or id',
  params: { code: 'KEY_INVALID' },
})

/** The key a document of a bulk is stored under; undefined when it names none. */
export function keyOf({ _id, id }: SearchDocument): string | undefined {
  const own = _id ?? id
  return typeof own === 'string' && isStorable(own) ? own : undefined
}

const none = z.void()

export const searchPort = {
  createIndex: {
    args: z.object({
      index,
      mappings: z.object({ fields: z.array(z.string()), storeFields: z.array(z.string()).optional() }),
    }),
    result: none,
  },
  deleteIndex: { args: z.object({ index }), result: none },
  listIndexes: { args: z.object({}), result: z.object({ names: z.array(z.string()) }) },
  emptyIndex: { args: z.object({ index }), result: z.object({ count: z.number() }) },
  indexDoc: { args: z.object({ index, key, doc: jsonObject }), result: none },
  getDoc: { args: z.object({ index, key }), result: z.object({ key: z.string(), doc: storedObject }) },
  updateDoc: { args: z.object({ index, key, doc: jsonObject }), result: none },
  removeDoc: { args: z.object({ index, key }), result: none },
  bulk: {
    args: z.object({ index, docs: z.array(keyedDocument) }),
    result: z.object({ results: z.array(z.object({ ok: z.literal(true), id: z.string() })) }),
  },
  query: {
    args: z.object({
      index,
      q: z.object({
        query: z.string().refine((text) => text !== '', {
          message: 'query is required!',
          params: { code: 'QUERY_INVALID' },
        }),
        fields: z.array(z.string()).optional(),
        filter: jsonObject.optional(),
      }),
    }),
    result: pageOf<Match>(),
  },
} satisfies PortSchemas<SearchPort>
