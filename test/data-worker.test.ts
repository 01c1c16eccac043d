/** Long queries and index builds beside the main thread: what they promise while other things happen. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { createSqliteData } from '../adapters/data/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { collect } from '../server/ports/common.ts'
import type { DataPort, DataQuery, Document } from '../server/ports/data.ts'

const db = 'd'
/** Backtracks for longer than anyone waits on the documents of `hostile`. */
const HOSTILE = { a: { $regex: '^(a+)+$' } }
const hostile: Document = { _id: 'hostile', a: `${'a'.repeat(60)}!` }

async function open(t: TestContext, options: { queryDeadline?: number } = {}): Promise<DataPort> {
  const directory = mkdtempSync(join(tmpdir(), 'data-worker-'))
  const data = createSqliteData({ directory, ...options })
  await data.open()
  t.after(async () => {
    await data.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await data.createDatabase({ db })
  return data
}

async function ids(data: DataPort, selector: Record<string, unknown>): Promise<unknown[]> {
  const page = await data.queryDocuments({ db, query: { selector, limit: 1_000_000 } })
  return (await collect(page)).map((doc) => decode(doc)._id)
}

function many(count: number, doc: (n: number) => Document = (n) => ({ n })): Document[] {
  return Array.from({ length: count }, (_, n) => ({ _id: `x${n}`, ...doc(n) }))
}

test('a hostile pattern is ended at the deadline; what waits behind it is answered, reads meanwhile too', async (t) => {
  const data = await open(t, { queryDeadline: 500 })
  await data.bulkDocuments({ db, docs: [hostile, { _id: 'kind', b: 'b' }] })
  const outcomes: string[] = []
  const ended = data.queryDocuments({ db, query: { selector: HOSTILE } }).then(
    () => outcomes.push('found'),
    (error) => outcomes.push(error.code),
  )
  const waiting = ids(data, { b: { $regex: '^b' } }).then((found) => outcomes.push(String(found)))
  assert.deepEqual(decode(await data.retrieveDocument({ db, id: 'kind' })), { _id: 'kind', b: 'b' })
  await data.createDocument({ db, id: 'during', doc: {} })
  outcomes.push('read and written')
  await Promise.all([ended, waiting])
  assert.deepEqual(outcomes, ['read and written', 'QUERY_TIMEOUT', 'kind'])
})

test('shapes of many corners are compared in the worker, up to the deadline', async (t) => {
  const data = await open(t, { queryDeadline: 500 })
  const circle = (radius: number) => {
    const angles = Array.from({ length: 9_000 }, (_, n) => ((n % 8_999) / 8_999) * 2 * Math.PI)
    return {
      type: 'Polygon',
      coordinates: [angles.map((angle) => [Math.cos(angle) * radius, Math.sin(angle) * radius])],
    }
  }
  await data.bulkDocuments({ db, docs: [{ _id: 'lake', at: circle(20) }] })
  const selector = { at: { $geoWithin: { $geometry: circle(40) } } }
  await assert.rejects(data.queryDocuments({ db, query: { selector } }), { code: 'QUERY_TIMEOUT' })
})

test('closing ends what runs in the worker', async (t) => {
  const data = await open(t)
  await data.bulkDocuments({ db, docs: [hostile] })
  const running = assert.rejects(data.queryDocuments({ db, query: { selector: HOSTILE } }), { code: 'CLOSED' })
  await data.createDocument({ db, id: 'x', doc: {} })
  await data.close()
  await running
})

test('a plan made before a document of another shape came in is made anew', async (t) => {
  const data = await open(t)
  await data.bulkDocuments({ db, docs: many(2_500, (n) => ({ n, a: 1 })) })
  // The worker is not there yet: the write is committed before it reads.
  const finding = ids(data, { a: { $ne: 1 } })
  await data.createDocument({ db, id: 'array', doc: { a: [1, 2] } })
  await data.createDocument({ db, id: 'other', doc: { a: 2 } })
  assert.deepEqual(await finding, ['other'])
})

test('what JavaScript decides is asked of every document once', async (t) => {
  const data = await open(t)
  await data.bulkDocuments({ db, docs: many(1_050) })
  await data.removeDocument({ db, id: 'x500' })
  const even = many(1_050).filter(({ n, _id }) => Number(n) % 2 === 0 && _id !== 'x500')
  assert.deepEqual(
    await ids(data, { n: { $mod: [2, 0] } }),
    even.map(({ _id }) => _id),
  )
})

test('a database removed meanwhile is reported, by the query and by a page that follows', async (t) => {
  const data = await open(t)
  await data.bulkDocuments({ db, docs: many(2_500) })
  const first = await data.queryDocuments({ db, query: { limit: 2_500 } })
  const listed = await data.listDocuments({ db })
  const finding = assert.rejects(ids(data, { a: { $ne: 1 } }), { code: 'DATABASE_NOT_FOUND' })
  await data.removeDatabase({ db })
  await finding
  await data.createDatabase({ db })
  for (const { next } of [first, listed]) {
    assert.ok(next)
    await assert.rejects(next(), { code: 'DATABASE_NOT_FOUND' })
  }
})

test('building an index on a large database fails no write and no query', async (t) => {
  const data = await open(t)
  await data.bulkDocuments({ db, docs: many(20_000, (n) => ({ n, type: `t${n % 10}`, text: 'x'.repeat(100) })) })
  let done = false
  const built = data.indexDocuments({ db, name: 'n', fields: ['type', 'n'] }).then(() => {
    done = true
  })
  const writes: Promise<unknown>[] = []
  for (let i = 0; !done; i++) {
    writes.push(data.createDocument({ db, id: `w${i}`, doc: { n: i, type: 'new' } }))
    await data.retrieveDocument({ db, id: `x${i}` })
    await new Promise((resolve) => setImmediate(resolve))
  }
  await built
  await Promise.all(writes)
  assert.ok(writes.length > 1, 'nothing was written meanwhile')
  assert.equal((await ids(data, { type: 'new' })).length, writes.length)
  assert.equal((await ids(data, { type: 't3' })).length, 2_000)
})

test('two requests for one index at the same time make one', async (t) => {
  const data = await open(t)
  await data.bulkDocuments({ db, docs: many(3_000) })
  const index = (name: string, field: string) => data.indexDocuments({ db, name, fields: [field] })
  const results = await Promise.allSettled([index('a', 'n'), index('a', 'n'), index('b', 'n'), index('a', 'm')])
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
  )
})

test('a document nested too deeply is refused, and the writes beside it are not', async (t) => {
  const data = await open(t)
  const deep = (levels: number): Document => {
    let doc: Document = { end: true }
    for (let i = 1; i < levels; i++) doc = { a: doc }
    return doc
  }
  const [fine, tooDeep, beside] = await Promise.allSettled([
    data.createDocument({ db, id: 'fine', doc: deep(900) }),
    data.createDocument({ db, id: 'deep', doc: deep(1_500) }),
    data.createDocument({ db, id: 'beside', doc: {} }),
  ])
  assert.equal(fine?.status, 'fulfilled')
  assert.equal(beside?.status, 'fulfilled')
  assert.equal(tooDeep?.status === 'rejected' && tooDeep.reason.code, 'INVALID_ARGUMENTS')
  await assert.rejects(data.updateDocument({ db, id: 'deeper', doc: deep(50_000) }), { code: 'INVALID_ARGUMENTS' })
  assert.deepEqual((await ids(data, {})).sort(), ['beside', 'fine'])
})

test('a damaged file is reported as such', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'data-damaged-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const healthy = createSqliteData({ directory })
  await healthy.open()
  await healthy.createDatabase({ db })
  await healthy.bulkDocuments({ db, docs: many(3_000, (n) => ({ n, text: 'x'.repeat(200) })) })
  await healthy.close()
  const path = join(directory, 'data.db')
  const bytes = readFileSync(path)
  bytes.fill(0x5a, 20 * 4_096)
  writeFileSync(path, bytes)
  const data = createSqliteData({ directory })
  await data.open()
  t.after(() => data.close())
  const damaged = { code: 'BACKEND_UNAVAILABLE', message: 'the store is damaged' }
  for (const selector of [{ n: { $gte: 0 } }, { text: { $regex: 'y' } }]) {
    await assert.rejects(data.queryDocuments({ db, query: { selector, limit: 5_000 } }), damaged)
  }
  await assert.rejects(async () => collect(await data.listDocuments({ db })), damaged)
  bytes.fill(0x5a, 0)
  await data.close()
  writeFileSync(path, bytes)
  await assert.rejects(createSqliteData({ directory }).open(), damaged)
})

test('queries made to break something are answered, or refused by name', async (t) => {
  const data = await open(t, { queryDeadline: 1_000 })
  await data.bulkDocuments({ db, docs: [...many(30, (n) => ({ n, s: 'a'.repeat(40) })), { _id: 'q', 'q"t': 1 }] })
  const outcome = async (query: DataQuery): Promise<unknown> =>
    data.queryDocuments({ db, query }).then(
      async (page) => (await collect(page)).length,
      (error) => error.code,
    )
  const nested = (levels: number, wrap: (inner: unknown) => unknown): Record<string, unknown> => {
    let value: unknown = { n: 1 }
    for (let i = 0; i < levels; i++) value = wrap(value)
    return value as Record<string, unknown>
  }
  const range = Array.from({ length: 20_000 }, (_, n) => n)
  const doubled = {
    $reduce: { input: { $range: [0, 60] }, initialValue: [1], in: { $concatArrays: ['$$value', '$$value'] } },
  }
  const expected: [unknown, DataQuery][] = [
    [25, { selector: { $or: range.map((n) => ({ n })) } }],
    [0, { selector: { $and: range.map((n) => ({ n })) } }],
    [25, { selector: { n: { $in: range } } }],
    [6, { selector: { n: { $nin: range.slice(5) } }, limit: 100 }],
    [1, { selector: nested(90, (inner) => ({ $and: [inner] })) }],
    ['QUERY_INVALID', { selector: nested(5_000, (inner) => ({ $or: [inner] })) }],
    ['QUERY_INVALID', { selector: { n: nested(5_000, (inner) => ({ $not: inner })) } }],
    ['QUERY_INVALID', { selector: { n: nested(5_000, (inner) => [inner]) } }],
    ['QUERY_INVALID', { selector: { ['a.'.repeat(5_000)]: 1 } }],
    [0, { selector: { ['x'.repeat(1_000_000)]: 1 } }],
    [25, { sort: ['x'.repeat(1_000_000)] }],
    ['QUERY_INVALID', { sort: range.map((n) => `f${n}`) }],
    [1, { selector: { 'q"t': 1 }, sort: ['q"t'] }],
    [0, { skip: 1e300 }],
    [31, { limit: 1e300 }],
    ['QUERY_INVALID', { selector: { s: { $regex: '('.repeat(40_000) } } }],
    ['QUERY_INVALID', { selector: { s: { $regex: '['.repeat(30_000), $options: 'x' } } }],
    [0, { selector: { s: { $regex: '(?:(?:a{1000}){1000}){1000}' } } }],
    ['QUERY_TIMEOUT', { selector: { s: { $regex: '^(a|a)+$' }, n: 1, $or: [{ s: { $regex: '^(a|aa)+b$' } }] } }],
    ['QUERY_TIMEOUT', { selector: { $jsonSchema: { properties: { s: { pattern: '^(a+)+b$' } } } } }],
    ['QUERY_INVALID', { selector: { $jsonSchema: { $async: true } } }],
    ['QUERY_INVALID', { selector: { $jsonSchema: { $ref: 'http://127.0.0.1/x' } } }],
    ['QUERY_INVALID', { selector: { $expr: { $range: [0, 1e9] } } }],
    ['QUERY_INVALID', { selector: { $expr: { $map: { input: { $range: [0, 1e5] }, in: { $range: [0, 1e5] } } } } }],
    ['QUERY_INVALID', { selector: { $expr: doubled } }],
    [25, { selector: { $expr: { $eq: [{ $size: { $range: [0, 1_000] } }, 1_000] } } }],
    ['QUERY_INVALID', { selector: { $expr: '$__proto__.x' } }],
    ['QUERY_INVALID', { selector: { $expr: { $add: [{ $toInt: 'x' }, 1] } } }],
    ['QUERY_INVALID', { selector: { $expr: '$$nope' } }],
  ]
  for (const [i, [result, query]] of expected.entries()) {
    assert.equal(await outcome(query), result, `query ${i}`)
  }
  await data.indexDocuments({ db, name: 'q', fields: ['q"t'] })
  await assert.rejects(data.indexDocuments({ db, name: 'w', fields: range.map((n) => `f${n}`) }), {
    code: 'QUERY_INVALID',
  })
  const wide = { $or: range.map((n) => ({ n })) }
  await assert.rejects(data.indexDocuments({ db, name: 'p', fields: ['n'], partialFilter: wide }), {
    code: 'QUERY_INVALID',
  })
  assert.deepEqual(await ids(data, { 'q"t': 1 }), ['q'])
})

test('an idle worker keeps no process alive', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'data-worker-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const adapter = pathToFileURL(join(import.meta.dirname, '../adapters/data/sqlite.ts')).href
  const script = `
    const { createSqliteData } = await import(${JSON.stringify(adapter)})
    const data = createSqliteData({ directory: ${JSON.stringify(directory)} })
    await data.open()
    await data.createDatabase({ db: 'd' })
    await data.createDocument({ db: 'd', id: 'a', doc: { s: 'x' } })
    const { items } = await data.queryDocuments({ db: 'd', query: { selector: { s: { $regex: 'x' } } } })
    process.stdout.write(items[0].text)`
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  assert.equal(stdout, '{"_id":"a","s":"x"}')
  assert.equal(status, 0)
})
