/** Data calls: writes in sequence, and queries by operator and option over what they left. */
import fc from 'fast-check'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect, type Page } from '../../server/ports/common.ts'
import type { DataPort } from '../../server/ports/data.ts'
import { conditions, operandsOf, places } from './data-operators.ts'
import { EXPRESSIONS } from './expressions.ts'
import { callWith, type Differential, type Step, step } from './harness.ts'
import { json, numbers, objects, objectsOf, texts } from './values.ts'

const databases = fc.oneof(
  { weight: 40, arbitrary: fc.constant('d') },
  {
    weight: 4,
    arbitrary: fc.constantFrom('e', 'D', 'a b', 'a/b', 'é', '😀', '$x', 'a.b', '__proto__', 'x'.repeat(300)),
  },
  { weight: 1, arbitrary: fc.constantFrom('', '.', '..', 'a\0b', '\ud800', 'meta-cl1ld3td500003e68rc2f8o6x') },
)
const otherDatabases = fc.oneof(
  { weight: 1, arbitrary: databases },
  { weight: 2, arbitrary: fc.constantFrom('e', 'D', 'a b') },
)
const held = ['k1', 'k2', 'k3', 'k4', 'k5', '😀']
const ids = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom(...held, 'k6', 'k7') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        'K1',
        'a b',
        'a/b',
        'a.b',
        '$x',
        'é',
        'e\u0301',
        '😀',
        '\uffff',
        '507f1f77bcf86cd799439011',
        '1',
        '01',
        '-1',
        '_query',
      ],
      ...['__proto__', ' ', '\u0001', 'k'.repeat(1_000), ','],
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('', 'a\0b', '\ud800') },
)

/** A place where something often is. */
export const paths = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('a', 'a', 'b') },
  { weight: 4, arbitrary: fc.constantFrom('a.b', 'a.a', 'b.a', 'a.0', 'a.1', 'b.0', 'a.0.a', 'a.b.0') },
  { weight: 2, arbitrary: fc.constantFrom('c', 'é', 'x y', '0', '10', '01', '_id', 'missing', '😀', 'ok') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '.', 'a.', '.a', 'a..b', 'a.$b', '__proto__', 'a.constructor', 'length', 'a.length'),
  },
)

/** From tame to wild, the tame ones on few values, so that most queries find something and not all. */
const few = fc.constantFrom<unknown>(0, 1, 2, -1, 1.5, 'a', 'b', 'A', '', null, true, false)
const flat = objectsOf(fc.constantFrom('a', 'b', 'c'), few)
const nested = objectsOf(
  fc.constantFrom('a', 'b', 'c', '0'),
  fc.oneof(
    few,
    fc.array(few, { maxLength: 3 }),
    objectsOf(fc.constantFrom('a', 'b', '0'), few, 2),
    fc.array(fc.oneof(few, objectsOf(fc.constantFrom('a', 'b'), few, 2), fc.array(few, { maxLength: 2 })), {
      maxLength: 3,
    }),
  ),
)
const numeric = objectsOf(fc.constantFrom('a', 'b'), numbers, 2)
const textual = objectsOf(fc.constantFrom('a', 'b'), texts, 2)
const wild = objectsOf(
  fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c') }, fc.string({ maxLength: 3 })),
  json,
)
const documents = fc.oneof(
  { weight: 3, arbitrary: flat },
  { weight: 4, arbitrary: nested },
  { weight: 2, arbitrary: numeric },
  { weight: 2, arbitrary: textual },
  { weight: 1, arbitrary: wild },
  { weight: 1, arbitrary: objects },
)

function withIds(docs: Record<string, unknown>[]): Record<string, unknown>[] {
  return docs.map((doc, n) => ({ ...doc, _id: held[n] ?? `n${String(n).padStart(3, '0')}` }))
}

function collectionOf(docs: Record<string, unknown>[]): Step[] {
  return [
    { method: 'createDatabase', args: { db: 'd' } },
    { method: 'bulkDocuments', args: { db: 'd', docs: withIds(docs) } },
  ]
}

/** One shape per collection, or a mix. */
const collections = fc
  .oneof(
    ...[flat, nested, numeric, textual, documents].map((shape) =>
      fc.array(shape, { minLength: 2, maxLength: held.length }),
    ),
  )
  .map(collectionOf)

const located = fc
  .array(
    objectsOf(
      fc.constantFrom('a', 'b'),
      fc.oneof({ weight: 6, arbitrary: places }, fc.array(places, { maxLength: 2 })),
      2,
    ),
    { minLength: 2, maxLength: held.length },
  )
  .map(collectionOf)

const many = fc.array(flat, { minLength: 26, maxLength: 40, size: 'max' }).map(collectionOf)

/** Every document once, in a known order: what is compared is what was found. */
function found(selector: fc.Arbitrary<unknown>): fc.Arbitrary<Step> {
  return query({ selector, sort: fc.constant(['_id']), limit: fc.constant(1_000) })
}

function query(members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Step> {
  return step('queryDocuments', { db: fc.constant('d'), query: fc.record(members) })
}

function list(members: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Step> {
  return step('listDocuments', { db: databases, ...members })
}

const operands = operandsOf(few)
const { byOperator, geo, any: selectors, refused } = conditions(paths, operands)

const directions = fc.constantFrom('ASC' as const, 'DESC' as const)
/** Ends with `_id`: the order of documents that sort alike is nobody's promise. */
const sorts = fc.oneof(
  fc
    .array(fc.tuple(paths, directions), { minLength: 1, maxLength: 2 })
    .map((fields) => [...fields.map(([field, direction]) => ({ [field]: direction })), { _id: 'ASC' }]),
  fc.array(paths, { minLength: 1, maxLength: 2 }).map((fields) => [...fields, '_id']),
)
const limits = fc.constantFrom<unknown>(
  0,
  -0,
  1,
  2,
  3,
  25,
  26,
  1_000,
  -1,
  -2,
  -26,
  '2',
  '2abc',
  '1e1',
  '',
  'abc',
  null,
  2.5,
  -2.5,
  1e15,
  2 ** 31,
  0.5,
)
const skips = fc.constantFrom<unknown>(0, 1, 2, 30, 1e9, '1', -1, 1.5, 0.5, 2 ** 31, 1e15)
const bounds = fc.oneof(ids, fc.constantFrom('k', 'k2', 'k3', 'l', '', '\uffff', '\u{10ffff}', '\ud800', 'a\0'))
const keyLists = fc.oneof(
  fc.array(ids, { maxLength: 4 }).map((parts) => parts.join(',')),
  fc.constantFrom<unknown>('', ',', 'k1', 'k1,k1', 'k2,k1', ['k1'], 5),
)
const switches = fc.constantFrom<unknown>(true, false, 'true', 'false', '1', '0', '', 'x')
const fieldLists = fc.oneof(
  fc.array(paths, { maxLength: 3 }),
  fc.constantFrom([], ['_id'], ['a', 'a.b'], ['a', 'a'], ['$x']),
)

const bulkElements = fc.tuple(documents, ids).map(([doc, _id]) => ({ ...doc, _id }))
function bulkOf(element: fc.Arbitrary<unknown>): fc.Arbitrary<Step> {
  return step('bulkDocuments', { db: databases, docs: fc.array(element, { maxLength: 5 }) })
}

const partialFilters = fc.oneof(
  fc.constantFrom({ a: { $gte: 0 } }, { a: { $exists: true } }, { $and: [{ a: 1 }, { b: { $type: 'string' } }] }, {}),
  selectors,
)
const indexFields = fc.oneof(
  fc.array(paths, { maxLength: 3 }),
  fc.array(
    fc.tuple(paths, directions).map(([field, direction]) => ({ [field]: direction })),
    { maxLength: 2 },
  ),
)
const indexNames = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('i', 'j') },
  { weight: 1, arbitrary: fc.constantFrom('', '_id_', 'a b', 'é', '$x', 'a.b', 'i'.repeat(200), 'a\0b', '*') },
)

const writes: Differential<Guarded<DataPort>>['steps'] = {
  'PUT /data/:db': step('createDatabase', { db: otherDatabases }),
  'DELETE /data/:db': step('removeDatabase', { db: otherDatabases }),
  'list of databases': step('listDatabases', {}),
  purge: step('emptyDatabase', { db: otherDatabases }),
  'POST /data/:db': step('createDocument', { db: databases, id: ids, doc: documents }),
  'GET /data/:db/:id': step('retrieveDocument', { db: databases, id: ids }),
  'PUT /data/:db/:id': step('updateDocument', { db: databases, id: ids, doc: documents }),
  'PUT /data/:db/:id, _id in body': fc
    .tuple(databases, ids, documents, fc.option(ids, { nil: undefined, freq: 2 }))
    .map(([db, id, doc, other]) => ({
      method: 'updateDocument',
      args: { db, id, doc: { ...doc, _id: other ?? id } },
    })),
  'DELETE /data/:db/:id': step('removeDocument', { db: databases, id: ids }),
  _bulk: bulkOf(bulkElements),
  '_bulk _deleted': bulkOf(
    fc
      .tuple(bulkElements, fc.constantFrom<unknown>(true, true, false, 1, 0, '', 'x', null))
      .map(([doc, _deleted]) => ({ ...doc, _deleted })),
  ),
  '_bulk _update': bulkOf(fc.tuple(bulkElements, few).map(([doc, _update]) => ({ ...doc, _update }))),
  '_bulk without ids': bulkOf(
    fc.oneof(
      bulkElements,
      fc.tuple(documents, fc.constantFrom<unknown>(undefined, 5, '', null)).map(([doc, _id]) => ({ ...doc, _id })),
    ),
  ),
  'GET /data/:db': list({}),
  'GET /data/:db limit': list({ limit: limits }),
  'GET /data/:db startkey': list({ startkey: bounds }),
  'GET /data/:db endkey': list({ endkey: bounds }),
  'GET /data/:db keys': list({ keys: keyLists }),
  'GET /data/:db descending': list({ descending: switches }),
  'GET /data/:db all options': list({
    limit: limits,
    startkey: bounds,
    endkey: bounds,
    keys: keyLists,
    descending: switches,
  }),
  _index: step('indexDocuments', { db: databases, name: indexNames, fields: indexFields }),
  '_index partialFilter': step('indexDocuments', {
    db: databases,
    name: indexNames,
    fields: indexFields,
    partialFilter: partialFilters,
  }),
  '_query after writes': found(selectors),
  'wrong types': fc
    .tuple(
      fc.constantFrom(
        'createDocument',
        'updateDocument',
        'retrieveDocument',
        'queryDocuments',
        'indexDocuments',
        'bulkDocuments',
        'listDocuments',
      ),
      fc.constantFrom('db', 'id', 'doc', 'docs', 'query', 'name', 'fields', 'partialFilter', 'limit', 'keys'),
      json,
    )
    .map(([method, name, wrong]) => ({
      method,
      args: { db: 'd', id: 'k1', doc: { a: 1 }, docs: [], query: {}, name: 'i', fields: ['a'], [name]: wrong },
    })),
}

const common = {
  isWrite: ({ method }: Step) => /^(create|update|remove|empty|bulk|index)/.test(method),
  observe: [{ method: 'listDocuments', args: { db: 'd' } }],
  async reset(data: Guarded<DataPort>) {
    for (const db of (await data.listDatabases({})).names) await data.removeDatabase({ db })
  },
  async perform(data: Guarded<DataPort>, { method, args }: Step) {
    const answer = await callWith(data, method, args)
    if (method === 'retrieveDocument') return inOrder(answer as Record<string, unknown>)
    if (method !== 'listDocuments' && method !== 'queryDocuments') return answer
    const texts = (await collect(answer as Page<Record<string, unknown>>)).map((doc) => inOrder(decode(doc)))
    // Without a sort the order is nobody's promise.
    const isSorted =
      method === 'listDocuments' || ((args.query as { sort?: unknown[] } | undefined)?.sort?.length ?? 0) > 0
    return isSorted ? texts : texts.sort()
  },
}

/**
 * The order of members is never significant (hyper-api §0.4), and MongoDB's stand-in keeps the old one when a document is replaced.
 * Inside of members it counts, as objects that differ in it are not equal.
 */
function inOrder(document: Record<string, unknown>): string {
  return JSON.stringify(Object.entries(document).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Sequences of writes and lists. */
export const dataDifferential: Differential<Guarded<DataPort>> = {
  ...common,
  service: 'data',
  setup: collections,
  steps: writes,
}

/** Operators and options of queries. */
export const queryDifferential: Differential<Guarded<DataPort>> = {
  ...common,
  service: 'data queries',
  setup: collections,
  steps: {
    ...Object.fromEntries(Object.entries(byOperator).map(([operator, selector]) => [operator, found(selector)])),
    'operators combined': found(selectors),
    'operators that are refused': found(refused),
    'no selector': query({}),
    fields: query({ sort: fc.constant(['_id']), fields: fieldLists }),
    sort: query({ sort: sorts }),
    'sort, wrong': query({
      sort: fc.constantFrom<unknown>([], [{}], [{ a: 'asc' }], ['a', { b: 'ASC' }], 'a', [{ a: 1 }], [5]),
    }),
    limit: query({ sort: fc.constant(['_id']), limit: limits }),
    skip: query({ sort: fc.constant(['_id']), skip: skips }),
    use_index: query({ sort: fc.constant(['_id']), use_index: fc.constantFrom<unknown>('i', 'none', '', 5, null) }),
    'all options': query({ selector: selectors, sort: sorts, limit: limits, skip: skips, fields: fieldLists }),
  },
}

/** More documents than a query answers with by default. */
export const pagingDifferential: Differential<Guarded<DataPort>> = {
  ...common,
  service: 'data pages',
  setup: many,
  steps: {
    'limit of many': query({ sort: fc.oneof(fc.constant(['_id']), sorts), limit: limits }),
    'skip of many': query({ sort: fc.oneof(fc.constant(['_id']), sorts), skip: skips, limit: limits }),
    'default limit': query({ sort: sorts }),
    'list limit of many': list({ limit: limits, descending: switches }),
  },
}

/** Over places, and what is none. */
export const geoDifferential: Differential<Guarded<DataPort>> = {
  ...common,
  service: 'data geo',
  setup: located,
  steps: Object.fromEntries(Object.entries(geo).map(([operator, selector]) => [operator, found(selector)])),
}

/** `$expr`, by expression operator. */
export const expressionDifferential: Differential<Guarded<DataPort>> = {
  ...common,
  service: 'data expressions',
  setup: collections,
  steps: Object.fromEntries(
    Object.entries(EXPRESSIONS).map(([operator, expression]) => [
      `$expr ${operator}`,
      found(expression.map(($expr) => ({ $expr }))),
    ]),
  ),
}
