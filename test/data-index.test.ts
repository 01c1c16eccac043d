/** Indexes are real: SQLite's own query plan says that queries use them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { loadCatalogue } from '../adapters/data/catalogue.ts'
import { makePlan, parseQuery } from '../adapters/data/plan.ts'
import { explain, isIndexed } from '../adapters/data/query-plan.ts'
import { createSqliteData } from '../adapters/data/sqlite.ts'
import { Statements } from '../adapters/data/statements.ts'
import { connect } from '../adapters/shared/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { collect } from '../server/ports/common.ts'
import type { DataQuery } from '../server/ports/data.ts'

const directory = mkdtempSync(join(tmpdir(), 'data-index-'))
const data = createSqliteData({ directory })
const db = 'shop'

before(async () => {
  await data.open()
  await data.createDatabase({ db })
  const docs = Array.from({ length: 3_000 }, (_, n) => ({
    _id: `d${n}`,
    type: `t${n % 100}`,
    n,
    price: n / 7,
    active: n % 2 === 0,
    o: { city: `c${n % 50}` },
    tags: ['a', `b${n}`],
    mixed: n % 2 ? n : `${n}`,
  }))
  await data.bulkDocuments({ db, docs })
  const index = (name: string, fields: string[], partialFilter?: Record<string, unknown>) =>
    data.indexDocuments({ db, name, fields, partialFilter })
  await index('type', ['type', 'n'])
  await index('price', ['price'])
  await index('city', ['o.city'])
  await index('mixed', ['mixed'])
  await index('active', ['n'], { active: true })
})

after(async () => {
  await data.close()
  rmSync(directory, { recursive: true, force: true })
})

function inspect(query: DataQuery): { steps: string; indexed: boolean; sqlOnly: boolean } {
  const connection = connect(join(directory, 'data.db'), { readOnly: true })
  try {
    const database = loadCatalogue(connection).get(db)
    assert.ok(database)
    const plan = makePlan(parseQuery(query), database)
    const statements = new Statements(connection)
    const steps = explain(statements, plan).join('; ')
    return { steps, indexed: isIndexed(statements, plan), sqlOnly: !plan.condition && !plan.sort }
  } finally {
    connection.close()
  }
}

const SERVED: Record<string, DataQuery> = {
  'equality with a string': { selector: { type: 't7' } },
  'equality and a range': { selector: { type: 't7', n: { $gte: 100, $lt: 2_000 } } },
  'equality, sorted by the next field': { selector: { type: 't7' }, sort: [{ type: 'ASC' }, { n: 'ASC' }] },
  'the same backwards': { selector: { type: 't7' }, sort: [{ type: 'DESC' }, { n: 'DESC' }] },
  'a range of fractions': { selector: { price: { $gt: 10.5 } } },
  'a sort alone': { sort: [{ price: 'DESC' }] },
  $in: { selector: { type: { $in: ['t1', 't2'] } } },
  $and: { selector: { $and: [{ type: 't1' }, { n: 5 }] } },
  'a dotted path': { selector: { 'o.city': 'c3' } },
  'one _id': { selector: { _id: 'd5' } },
  'a range of _id': { selector: { _id: { $gte: 'd5', $lt: 'd6' } }, sort: ['_id'] },
  'several _ids': { selector: { _id: { $in: ['d1', 'd2'] } } },
  'a member of several types': { selector: { mixed: '8' } },
}

for (const [what, query] of Object.entries(SERVED)) {
  test(`an index serves ${what}`, () => {
    const { steps, indexed, sqlOnly } = inspect(query)
    assert.match(steps, /USING (COVERING )?INDEX/)
    assert.ok(indexed, steps)
    assert.ok(sqlOnly)
  })
}

test('a partial index serves only queries that hold its filter', () => {
  assert.match(inspect({ selector: { active: true, n: 40 } }).steps, /USING INDEX/)
  assert.match(inspect({ selector: { active: false, n: 40 } }).steps, /SCAN/)
  assert.match(inspect({ selector: { n: 40 } }).steps, /SCAN/)
})

test('a condition beside the index, or a sort it does not give, is not taken for indexed', () => {
  assert.equal(inspect({ selector: { type: 't7', active: true } }).indexed, false)
  assert.equal(inspect({ selector: { type: 't7' }, sort: ['price'] }).indexed, false)
  assert.equal(inspect({ selector: { active: true } }).indexed, false)
})

test('once an array came in, the index gives way to a search of elements', async () => {
  const find = async () =>
    (await collect(await data.queryDocuments({ db, query: { selector: { type: 'new' } } }))).map(decode)
  assert.equal(inspect({ selector: { type: 'new' } }).indexed, true)
  assert.deepEqual(await find(), [])
  await data.createDocument({ db, id: 'array', doc: { type: ['new', 'old'] } })
  assert.equal(inspect({ selector: { type: 'new' } }).indexed, false)
  assert.deepEqual(
    (await find()).map(({ _id }) => _id),
    ['array'],
  )
  await data.emptyDatabase({ db })
  assert.equal(inspect({ selector: { type: 'new' } }).indexed, true)
})
