/**
 * The data port: named databases of JSON documents, each with a string `_id`, found by id, by id range or by a
 * MongoDB-style selector (hyper-api §§2, 4).
 *
 * A write is acknowledged (its promise resolves) only when it survives a kill of the process.
 */
import * as z from 'zod'
import type { Stored } from '../json-text.ts'
import {
  jsonObject,
  numberLike,
  type Page,
  type PortLifecycle,
  type PortSchemas,
  pageOf,
  ruledString,
  storedObject,
} from './common.ts'

export type Document = Record<string, unknown>
/** Ascending field names, or one-member objects with a direction; only the first member of an object counts. */
export type FieldOrder = string[] | Record<string, 'ASC' | 'DESC'>[]

export interface DataQuery {
  /** MongoDB 7 `find` selector (hyper-api §4.4). Absent: every document. */
  selector?: Record<string, unknown> | undefined
  /** Inclusion projection by dotted path. `_id` only if listed; `[]` is everything but `_id`. */
  fields?: string[] | undefined
  /** Absent or `[]`: insertion order in practice, not promised. */
  sort?: FieldOrder | undefined
  /** Default 25; 0 is 25 too; a negative one counts as its absolute value; no cap. */
  limit?: number | undefined
  /** Default 0; negative is INVALID_ARGUMENTS. */
  skip?: number | undefined
  /** Accepted and ignored (hyper-api §4.4). */
  use_index?: string | undefined
}

/** Every method but createDatabase and listDatabases throws DATABASE_NOT_FOUND when the database does not exist. */
export interface DataPort extends PortLifecycle {
  /** @throws DATABASE_EXISTS */
  createDatabase(args: { db: string }): Promise<void>
  /** Removes the database, its documents and its indexes. */
  removeDatabase(args: { db: string }): Promise<void>
  /** Names, ascending by code point. */
  listDatabases(args: Record<never, never>): Promise<{ names: string[] }>
  /** Removes every document, keeps the indexes. Answers how many documents went. */
  emptyDatabase(args: { db: string }): Promise<{ count: number }>
  /** Stores `doc` with `_id: id` as its first member. `doc` may be empty here. @throws DOCUMENT_EXISTS */
  createDocument(args: { db: string; id: string; doc: Document }): Promise<{ id: string }>
  /** The document with `_id` first. @throws DOCUMENT_NOT_FOUND */
  retrieveDocument(args: { db: string; id: string }): Promise<Stored<Document>>
  /** Whole replacement or insert; last write wins. `doc._id`, when present, equals `id` (the guard sees to it). */
  updateDocument(args: { db: string; id: string; doc: Document }): Promise<{ id: string }>
  /** @throws DOCUMENT_NOT_FOUND */
  removeDocument(args: { db: string; id: string }): Promise<{ id: string }>
  /**
   * Whole documents by `_id`, compared as UTF-8 bytes, ascending unless `descending`. `startkey` and `endkey` are the
   * inclusive lower and upper bound whatever the direction; `keys` (a list of ids) is ANDed with them, unknown ids are
   * silently absent. `limit` 0 or absent: all; negative: its absolute value.
   */
  listDocuments(args: {
    db: string
    limit?: number | undefined
    startkey?: string | undefined
    endkey?: string | undefined
    keys?: string[] | undefined
    descending?: boolean | undefined
  }): Promise<Page<Document>>
  /** @throws QUERY_INVALID for an operator that is unknown, refused (`$where`) or misused; QUERY_TIMEOUT */
  queryDocuments(args: { db: string; query: DataQuery }): Promise<Page<Document>>
  /**
   * Makes an index; returns when queries can use it. The same request again, or the same fields under another name, is
   * fine. Never changes what a query answers. Other writes meanwhile wait, they do not fail.
   * @throws INDEX_CONFLICT same name, other fields or filter; QUERY_INVALID bad partialFilter
   */
  indexDocuments(args: {
    db: string
    name: string
    fields: FieldOrder
    partialFilter?: Record<string, unknown> | undefined
  }): Promise<void>
  /**
   * In order, all or nothing: an element with truthy `_deleted` removes by `_id` (missing is fine), any other replaces or
   * inserts. Each has a string `_id` (the guard sees to it). `_update` is dropped before storing. One result per element, same order.
   */
  bulkDocuments(args: { db: string; docs: Document[] }): Promise<{ results: { ok: true; id: string }[] }>
}

/** hyper keeps its own records under this name (hyper-api §1.9, B39). */
const RESERVED_NAME = 'meta-cl1ld3td500003e68rc2f8o6x'

// `.` and `..` cannot be addressed (URL parsers resolve them away), NUL and lone surrogates cannot be stored faithfully.
function isStorable(text: string): boolean {
  return text !== '' && text.isWellFormed() && !text.includes('\0')
}

const db = ruledString(
  'NAME_RESERVED',
  `${RESERVED_NAME} is a reserved db name`,
  (name) => name !== RESERVED_NAME,
).refine((name) => isStorable(name) && name !== '.' && name !== '..', {
  message: 'db name is not valid',
  params: { code: 'NAME_INVALID' },
})
const id = ruledString('KEY_INVALID', 'document id is not valid', isStorable)

const none = z.void()
const written = z.object({ id: z.string() })
const direction = z.enum(['ASC', 'DESC'])
const fieldOrder = z.union([z.array(z.string()), z.array(z.record(z.string(), direction))])

/** The MongoDB driver refuses to store such a replacement (hyper-api §4.2). */
function isReplacement(doc: Document): boolean {
  const [first] = Object.keys(doc)
  return first === undefined || !first.startsWith('$')
}
const replacement = jsonObject.refine(isReplacement, {
  message: 'Replacement document must not contain atomic operators',
  params: { code: 'INVALID_ARGUMENTS' },
})

// Refinements run for what is no object, too; that is then reported as such.
function isPlainObject(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Without ids nothing of a bulk is written (B23). */
const bulkDocument = jsonObject
  .refine((doc) => !isPlainObject(doc) || typeof doc._id === 'string', {
    message: "Invalid Arguments 'docs': every document needs a string _id.",
    params: { code: 'INVALID_ARGUMENTS' },
  })
  .refine((doc) => !isPlainObject(doc) || typeof doc._id !== 'string' || isStorable(doc._id), {
    message: 'document id is not valid',
    params: { code: 'KEY_INVALID' },
  })

// hyper-connect always sends `descending=false`; upstream reads that as true (B13).
const switchLike = z
  .preprocess((value) => {
    if (value === 'true' || value === '1') return true
    if (value === 'false' || value === '0' || value === '') return false
    return value
  }, z.boolean())
  .meta({ type: 'boolean' })

/** `startkey=` counts as absent (hyper-api §4.3). */
const bound = z
  .preprocess((value) => (value === '' ? undefined : value), z.string().optional())
  .meta({ type: 'string' })

/** `a,b,c`; ids that hold a comma cannot be asked for this way (hyper-api §4.3). */
const keyList = z
  .string()
  .transform((list) => (list === '' ? undefined : list.split(',')))
  .optional()

export const dataPort = {
  createDatabase: { args: z.object({ db }), result: none },
  removeDatabase: { args: z.object({ db }), result: none },
  listDatabases: { args: z.object({}), result: z.object({ names: z.array(z.string()) }) },
  emptyDatabase: { args: z.object({ db }), result: z.object({ count: z.number() }) },
  createDocument: { args: z.object({ db, id, doc: jsonObject }), result: written },
  retrieveDocument: { args: z.object({ db, id }), result: storedObject },
  updateDocument: {
    args: z.object({ db, id, doc: replacement }).refine(({ id, doc }) => doc._id === undefined || doc._id === id, {
      message: "the document's _id differs from the id it is stored under",
      params: { code: 'INVALID_ARGUMENTS' },
    }),
    result: written,
  },
  removeDocument: { args: z.object({ db, id }), result: written },
  listDocuments: {
    args: z.object({
      db,
      limit: numberLike.optional(),
      startkey: bound,
      endkey: bound,
      keys: keyList,
      descending: switchLike.optional(),
    }),
    result: pageOf<Document>(),
  },
  queryDocuments: {
    args: z.object({
      db,
      query: z.object({
        selector: jsonObject.optional(),
        fields: z.array(z.string()).optional(),
        sort: fieldOrder.optional(),
        limit: numberLike.optional(),
        skip: numberLike.pipe(z.number().min(0)).optional(),
        use_index: z.string().optional(),
      }),
    }),
    result: pageOf<Document>(),
  },
  indexDocuments: {
    args: z.object({ db, name: z.string().min(1), fields: fieldOrder, partialFilter: jsonObject.optional() }),
    result: none,
  },
  bulkDocuments: {
    args: z.object({ db, docs: z.array(bulkDocument) }),
    result: z.object({ results: z.array(z.object({ ok: z.literal(true), id: z.string() })) }),
  },
} satisfies PortSchemas<DataPort>
