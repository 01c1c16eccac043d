import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { findText } from '../adapters/search/catalogue.ts'
import { createSqliteSearch, type SqliteSearchOptions } from '../adapters/search/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { searchPort } from '../server/ports/search.ts'
import { searchSuite } from './conformance/search.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-search-'))
after(() => rmSync(root, { recursive: true, force: true }))

const directory = () => mkdtempSync(join(root, 'case-'))
const open = (options: SqliteSearchOptions) => guard(searchPort, createSqliteSearch(options))

searchSuite({
  test,
  create: async () => {
    const options = { directory: directory() }
    return { search: open(options), reopen: async () => open(options) }
  },
})

/** Every query as if it were a long one. */
searchSuite({
  test: (name, run) => test(`in slices: ${name}`, run),
  create: async () => {
    const options = { directory: directory(), maxRowsAtOnce: -1 }
    return { search: open(options), reopen: async () => open(options) }
  },
})

const mappings = { fields: ['text'], storeFields: ['n'] }
const DOCUMENTS = 20_000

async function filled(options: Partial<SqliteSearchOptions> = {}) {
  const search = open({ directory: directory(), ...options })
  await search.createIndex({ index: 'i', mappings })
  const docs = Array.from({ length: DOCUMENTS }, (_, n) => ({ _id: `k${n}`, n, text: `common word${n}` }))
  await search.bulk({ index: 'i', docs })
  return search
}

test('a query that meets very many documents gives others their turn', async () => {
  const search = await filled()
  let turns = 0
  let over = false
  const counting = (async () => {
    for (; !over; turns += 1) await setImmediate()
  })()
  const page = await search.query({ index: 'i', q: { query: 'common' } })
  const whileRanked = turns
  const found = await collect(page)
  over = true
  await counting
  await search.close()
  assert.equal(found.length, DOCUMENTS)
  assert.ok(whileRanked >= 3, `${whileRanked} turns while ranking`)
  assert.ok(turns - whileRanked >= DOCUMENTS / 1_000, `${turns - whileRanked} turns while reading`)
})

test('a long query sees one state of the index, and its pages leave out what has gone', async () => {
  const search = await filled()
  const querying = search.query({ index: 'i', q: { query: 'common' } })
  await setImmediate()
  for (let n = 0; n < 100; n += 1) await search.indexDoc({ index: 'i', key: `new${n}`, doc: { text: 'common' } })
  const page = await querying
  await search.removeDoc({ index: 'i', key: `k${DOCUMENTS - 1}` })
  await search.indexDoc({ index: 'i', key: 'in its place', doc: { text: 'other' } })
  const found = (await collect(page)).map((match) => decode(match).id)
  assert.equal(found.length, DOCUMENTS - 1)
  assert.ok(!found.includes('in its place'))
  const following = await search.query({ index: 'i', q: { query: 'common' } })
  await search.deleteIndex({ index: 'i' })
  await search.createIndex({ index: 'i', mappings })
  assert.ok((await collect(following)).length < DOCUMENTS)
  await search.close()
})

test('long queries take turns, and each ends by itself', async () => {
  const search = await filled()
  const counts = await Promise.all(
    Array.from({ length: 4 }, async (_, n) => {
      const filter = { n }
      return (await collect(await search.query({ index: 'i', q: { query: 'common', filter } }))).length
    }),
  )
  assert.deepEqual(counts, [1, 1, 1, 1])
  await search.close()
})

test('a query past its deadline is QUERY_TIMEOUT, and the next one is not', async () => {
  const options = { directory: directory(), maxRowsAtOnce: 10, queryDeadlineMs: 1 }
  const search = await filled(options)
  await assert.rejects(search.query({ index: 'i', q: { query: 'common' } }), { code: 'QUERY_TIMEOUT' })
  const page = await search.query({ index: 'i', q: { query: 'word7' } })
  assert.deepEqual(
    page.items.map((match) => decode(match).id),
    ['k7'],
  )
  await search.close()
})

test('closing ends a long query', async () => {
  const search = await filled()
  const querying = search.query({ index: 'i', q: { query: 'common' } })
  const refused = assert.rejects(querying, { code: 'CLOSED' })
  await setImmediate()
  await search.close()
  await refused
})

test('a page asked for twice is the same page', async () => {
  const search = await filled()
  const page = await search.query({ index: 'i', q: { query: 'common' } })
  const [once, twice] = [await page.next?.(), await page.next?.()]
  assert.ok(once && once.items.length > 0)
  assert.equal(once, twice)
  await search.close()
})

/** SQLite's name for reading one word's places, not those of all words. */
const FTS5_VOCAB_TERM_EQ = 0x0100

test('a word is looked up, and so is each document it is in', async () => {
  const options = { directory: directory() }
  const search = open(options)
  await search.createIndex({ index: 'i', mappings })
  await search.close()
  const db = new DatabaseSync(join(options.directory, 'search.db'), { readOnly: true })
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${findText(1)}`).all(0, '0:word')
  db.close()
  const [words, lengths, ...others] = plan.map(({ detail }) => String(detail))
  const how = Number(/^SCAN place VIRTUAL TABLE INDEX (\d+):$/.exec(words ?? '')?.[1])
  assert.ok(how & FTS5_VOCAB_TERM_EQ, words)
  assert.equal(lengths, 'SEARCH field USING PRIMARY KEY (number=? AND field=?)')
  assert.deepEqual(others, [])
})

test('opening loads nothing but the list of indexes', async () => {
  const options = { directory: directory() }
  const search = await filled(options)
  await search.close()
  const before = process.memoryUsage()
  const again = createSqliteSearch(options)
  await again.open()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  const grown = heapUsed + external + arrayBuffers - before.heapUsed - before.external - before.arrayBuffers
  assert.ok(grown < 1_000_000, `${grown} bytes`)
  const page = await again.query({ index: 'i', q: { query: 'word7' } })
  assert.equal(page.items.length, 1)
  await again.close()
})

test('a large bulk gives others their turn, and nothing of it shows before it is whole', async () => {
  const search = open({ directory: directory() })
  await search.createIndex({ index: 'i', mappings })
  await search.indexDoc({ index: 'i', key: 'first', doc: { text: 'common' } })
  const docs = Array.from({ length: 5_000 }, (_, n) => ({
    _id: `k${n}`,
    text: `common word${n} ${'filler '.repeat(10)}`,
  }))
  let over = false
  const bulk = search.bulk({ index: 'i', docs }).finally(() => {
    over = true
  })
  const beside = search.indexDoc({ index: 'i', key: 'beside', doc: { text: 'beside' } })
  const counts = new Set<number>()
  let turns = 0
  for (; !over; turns += 1) {
    counts.add((await collect(await search.query({ index: 'i', q: { query: 'common' } }))).length)
    await setImmediate()
  }
  await Promise.all([bulk, beside])
  counts.add((await collect(await search.query({ index: 'i', q: { query: 'common' } }))).length)
  assert.deepEqual([...counts], [1, 5_001])
  assert.ok(turns >= 5, `${turns} turns`)
  assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 5_002 })
  await search.close()
})

test('a large bulk that is refused leaves nothing, and holds nobody up', async () => {
  const search = open({ directory: directory() })
  await search.createIndex({ index: 'i', mappings })
  const docs = Array.from({ length: 2_000 }, (_, n) => ({ _id: `k${n % 1_999}`, text: 'common '.repeat(20) }))
  await assert.rejects(search.bulk({ index: 'i', docs }), { code: 'SEARCH_DOCUMENT_EXISTS' })
  const removed = assert.rejects(search.bulk({ index: 'i', docs }), { code: 'SEARCH_INDEX_NOT_FOUND' })
  await search.deleteIndex({ index: 'i' })
  await removed
  await search.createIndex({ index: 'i', mappings })
  await search.indexDoc({ index: 'i', key: 'k', doc: { text: 'common' } })
  const found = await collect(await search.query({ index: 'i', q: { query: 'common' } }))
  assert.deepEqual(
    found.map((match) => decode(match).id),
    ['k'],
  )
  await search.close()
})

test('closing waits for a large bulk', async () => {
  const options = { directory: directory() }
  const search = open(options)
  await search.createIndex({ index: 'i', mappings })
  const docs = Array.from({ length: 2_000 }, (_, n) => ({ _id: `k${n}`, text: 'common '.repeat(20) }))
  const bulk = search.bulk({ index: 'i', docs })
  for (let turn = 0; turn < 40; turn += 1) await setImmediate()
  const closing = search.close()
  const outcome = await bulk.then(
    () => docs.length,
    () => 0,
  )
  await closing
  const again = open(options)
  assert.deepEqual(await again.emptyIndex({ index: 'i' }), { count: outcome })
  await again.close()
})
