/** Random documents and queries: whatever SQL decides must agree with deciding every document in JavaScript. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Query } from 'mingo'
import { matcher } from '../adapters/data/match.ts'
import { compareRanked, parseOrder, rank } from '../adapters/data/order.ts'
import { parseSelector } from '../adapters/data/selector.ts'
import { createSqliteData } from '../adapters/data/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { collect } from '../server/ports/common.ts'
import type { DataPort, Document, FieldOrder } from '../server/ports/data.ts'

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)

const keys = fc.oneof(
  { weight: 4, arbitrary: fc.constant('a') },
  { weight: 2, arbitrary: fc.constantFrom('b', 'c') },
  fc.constantFrom('é', 'x y', '0', '1', "it's", 'q"t'),
)
const awkward = ['', 'a', 'b', 'A', 'é', '😀', '\uffff', '1', 'true', '{"a":1}', '[1]', 'a\0b', '\ud800', 'a\nb', "'"]
const numbers = [0, 1, -1, 2, 1.5, 0.1, 0.1 + 0.2, 0.3, 1e308, 5e-324, -1e-7, 123456789]
/** SQLite reads their digits as other numbers than JavaScript. */
const unsafe = [2 ** 53, 2 ** 53 + 2, 2 ** 60, -(2 ** 62)]
const number = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...unsafe) },
  fc.constantFrom(...numbers),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const scalar = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...numbers) },
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...awkward) },
  { weight: 2, arbitrary: fc.constantFrom<unknown>(null, true, false) },
  { weight: 1, arbitrary: number },
  fc.string({ unit: 'binary', maxLength: 3 }),
)
const { wild } = fc.letrec<{ wild: unknown; object: Record<string, unknown> }>((tie) => ({
  wild: fc.oneof(
    { maxDepth: 3 },
    { weight: 5, arbitrary: scalar },
    { weight: 2, arbitrary: fc.array(tie('wild'), { maxLength: 3 }) },
    { weight: 2, arbitrary: tie('object') },
  ),
  object: fc.dictionary(keys, tie('wild'), { maxKeys: 3 }),
}))

/** From tame to wild, so that plain SQL and its guarded forms are both met. */
const contents = fc.oneof(
  fc.array(fc.dictionary(keys, fc.constantFrom<unknown>(...numbers, null), { maxKeys: 4 }), {
    minLength: 2,
    maxLength: 25,
  }),
  fc.array(fc.dictionary(keys, fc.constantFrom<unknown>(...awkward), { maxKeys: 4 }), { minLength: 2, maxLength: 25 }),
  fc.array(fc.dictionary(keys, scalar, { maxKeys: 4 }), { minLength: 2, maxLength: 25 }),
  fc.array(fc.dictionary(keys, wild, { maxKeys: 4 }), { minLength: 2, maxLength: 25 }),
)

const path = fc.oneof(
  { weight: 6, arbitrary: keys },
  { weight: 3, arbitrary: fc.array(keys, { minLength: 2, maxLength: 3 }).map((parts) => parts.join('.')) },
  { weight: 1, arbitrary: fc.constant('_id') },
)
const operand = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: wild },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 25 }).map(idOf) },
)

function idOf(i: number): string {
  return `d${String(i).padStart(2, '0')}`
}

type Selector = Record<string, unknown>

/** What the partial index holds. */
const PARTIAL = { a: { $gte: 0 } }

const { selector } = fc.letrec<{ selector: Selector; operators: Selector }>((tie) => ({
  operators: fc.oneof(
    { maxDepth: 2 },
    {
      weight: 6,
      arbitrary: fc
        .tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), operand)
        .map(([operator, value]) => ({ [operator]: value })),
    },
    { weight: 2, arbitrary: fc.tuple(operand, operand).map(([low, high]) => ({ $gte: low, $lt: high })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom('$in', '$nin', '$all'), fc.array(operand, { maxLength: 4 }))
        .map(([operator, values]) => ({ [operator]: values })),
    },
    { weight: 1, arbitrary: fc.boolean().map(($exists) => ({ $exists })) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom('string', 'number', 'int', 'double', 'bool', 'null', 'array', 'object')
        .map(($type) => ({ $type })),
    },
    { weight: 1, arbitrary: fc.nat({ max: 3 }).map(($size) => ({ $size })) },
    { weight: 1, arbitrary: fc.constantFrom('', 'a', '^.$', '1', '[^a]').map(($regex) => ({ $regex })) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(1, 2, 3, -2), fc.nat({ max: 2 })).map(($mod) => ({ $mod })) },
    { weight: 1, arbitrary: fc.nat({ max: 7 }).map(($bitsAnySet) => ({ $bitsAnySet })) },
    { weight: 1, arbitrary: tie('operators').map(($not) => ({ $not })) },
    { weight: 1, arbitrary: tie('operators').map(($elemMatch) => ({ $elemMatch })) },
    { weight: 1, arbitrary: tie('selector').map(($elemMatch) => ({ $elemMatch })) },
  ),
  selector: fc.oneof(
    { maxDepth: 2 },
    { weight: 3, arbitrary: fc.tuple(path, operand).map(([field, value]) => ({ [field]: value })) },
    { weight: 5, arbitrary: fc.tuple(path, tie('operators')).map(([field, value]) => ({ [field]: value })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(tie('selector'), { minLength: 1, maxLength: 3 }))
        .map(([operator, parts]) => ({ [operator]: parts })),
    },
    { weight: 1, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.constant(PARTIAL) },
    { weight: 1, arbitrary: operand.map((c) => ({ ...PARTIAL, c })) },
  ),
}))

const sort: fc.Arbitrary<FieldOrder> = fc.array(
  fc
    .tuple(path, fc.constantFrom('ASC' as const, 'DESC' as const))
    .map(([field, direction]) => ({ [field]: direction })),
  { maxLength: 2 },
)
const query = fc.record({
  selector,
  sort,
  limit: fc.constantFrom(1, 3, 25, 100),
  skip: fc.constantFrom(0, 0, 0, 2),
})

const directory = mkdtempSync(join(tmpdir(), 'data-differential-'))
const data: DataPort = createSqliteData({ directory })

const DATABASES = ['main', 'worker', 'indexed']

before(async () => {
  await data.open()
  for (const db of DATABASES) await data.createDatabase({ db })
  for (const fields of [['a'], ['b'], ['é'], ['a.b'], ['c', 'a'], [{ b: 'DESC' as const }, { a: 'ASC' as const }]]) {
    await data.indexDocuments({ db: 'indexed', name: JSON.stringify(fields), fields: fields as FieldOrder })
  }
  await data.indexDocuments({ db: 'indexed', name: 'part', fields: ['c'], partialFilter: PARTIAL })
})

after(async () => {
  await data.close()
  rmSync(directory, { recursive: true, force: true })
})

async function fill(db: string, documents: Document[]): Promise<void> {
  await data.emptyDatabase({ db })
  // A database that has held a large document is not scanned on the main thread.
  if (db === 'worker') await data.updateDocument({ db, id: 'large', doc: { pad: 'x'.repeat(2_200_000) } })
  await data.bulkDocuments({ db, docs: documents })
  if (db === 'worker') await data.removeDocument({ db, id: 'large' })
}

test('SQL, indexes and the worker answer what deciding every document in JavaScript answers', async () => {
  await fc.assert(
    fc.asyncProperty(contents, fc.array(query, { minLength: 8, maxLength: 8 }), async (bodies, queries) => {
      const documents = bodies.map((body, i) => JSON.parse(JSON.stringify({ _id: idOf(i), ...body })) as Document)
      for (const db of DATABASES) await fill(db, documents)
      for (const query of queries) {
        const order = parseOrder(query.sort)
        const accepts = await matcher(parseSelector(query.selector))
        const matching = documents
          .map((doc, seq) => ({ doc, rank: rank(doc, seq, order) }))
          .filter(({ doc }) => accepts(doc))
          .sort((a, b) => compareRanked(a.rank, b.rank, order))
          .map(({ doc }) => doc)
        for (const db of DATABASES) {
          const found = (await collect(await data.queryDocuments({ db, query }))).map(decode)
          const expected = matching.slice(query.skip, query.skip + query.limit)
          if (order.length > 0) assert.deepEqual(found, expected, db)
          else {
            assert.equal(found.length, expected.length, db)
            for (const doc of found)
              assert.ok(
                matching.some(({ _id }) => _id === doc._id),
                `${db}: ${doc._id}`,
              )
            if (query.limit === 100 && query.skip === 0) {
              assert.deepEqual(new Set(found.map(({ _id }) => _id)), new Set(expected.map(({ _id }) => _id)), db)
            }
          }
        }
      }
    }),
    { numRuns: Math.ceil(60 * SCALE) },
  )
})

test('the matcher agrees with mingo where mingo agrees with MongoDB: flat documents, comparable values', () => {
  const flat = fc.dictionary(fc.constantFrom('a', 'b'), fc.constantFrom<unknown>(1, 2, 'a', 'b', true, null), {
    maxKeys: 2,
  })
  const value = fc.constantFrom<unknown>(1, 2, 'a', 'b')
  const operators = fc.oneof(
    fc.tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), value).map(([op, v]) => ({ [op]: v })),
    fc.tuple(fc.constantFrom('$in', '$nin'), fc.array(value)).map(([op, v]) => ({ [op]: v })),
    fc.boolean().map(($exists) => ({ $exists })),
    fc.constantFrom('string', 'bool', 'null', 'number').map(($type) => ({ $type })),
    fc.constant({ $regex: '^[ab]' }),
  )
  const field = fc.tuple(fc.constantFrom('a', 'b'), operators).map(([key, test]) => ({ [key]: test }))
  const condition = fc.oneof(
    field,
    fc
      .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(field, { minLength: 1, maxLength: 3 }))
      .map(([op, parts]) => ({ [op]: parts })),
  )
  return fc.assert(
    fc.asyncProperty(flat, condition, async (doc, selector) => {
      assert.equal((await matcher(parseSelector(selector)))(doc), new Query(selector as never, {}).test(doc as never))
    }),
    { numRuns: Math.ceil(1_000 * SCALE) },
  )
})
