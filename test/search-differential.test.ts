/** Random documents and queries: the index must find, explain and score as MiniSearch does, which hyper nano's search is. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import MiniSearch from 'minisearch'
import { createSqliteSearch } from '../adapters/search/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { collect } from '../server/ports/common.ts'
import type { Match, SearchDocument, SearchPort } from '../server/ports/search.ts'

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)
const FIELDS = ['title', 'text', 'a.b', '_id']
const STORED = ['title', 'n']

const directory = mkdtempSync(join(tmpdir(), 'search-differential-'))
const search: SearchPort = createSqliteSearch({ directory })
/** Answers every query in slices, as if it were a long one. */
const sliced: SearchPort = createSqliteSearch({ directory: join(directory, 'sliced'), maxRowsAtOnce: -1 })

before(async () => {
  for (const adapter of [search, sliced]) {
    await adapter.open()
    await adapter.createIndex({ index: 'i', mappings: { fields: FIELDS, storeFields: STORED } })
  }
})

after(async () => {
  await search.close()
  await sliced.close()
  rmSync(directory, { recursive: true, force: true })
})

const words = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c', 'Cat', 'cat', 'dog', '10', '7') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...[
        'é',
        'e',
        'e\u0301',
        'É',
        'ΟΔΟΣ',
        'Σ',
        'ς',
        'ß',
        'SS',
        'İ',
        'µ',
        'ſ',
        'ﬁ',
        '😀',
        '中文',
        'c++',
        '$5',
        'a|b',
        '^a`~<=>',
      ],
      ...[
        'object',
        'constructor',
        'and',
        'OR',
        'NEAR',
        'a*',
        '"a"',
        'x:y',
        '0:a',
        '-a',
        'it’s',
        'snake_case',
        'kebab-case',
        '\u200b',
        '\ufeff',
      ],
    ),
  },
  fc.string({ unit: 'grapheme', maxLength: 4 }),
  fc.string({ unit: 'binary', maxLength: 3 }),
)
const separators = fc.constantFrom(' ', ' ', ' ', '\n', ', ', '. ', '-', '_', '\u00a0', '\u3000', ' ¿', '—')
const text = fc
  .array(fc.tuple(separators, words), { maxLength: 12 })
  .map((pairs) => pairs.flat().join(''))
  // A control character (but a line's end) separates words for us alone, and text is well-formed here.
  .map((text) => text.replaceAll(/[^\P{Cc}\r\n]/gu, 'c').toWellFormed())

const value = fc.oneof(
  { weight: 8, arbitrary: text },
  fc.constantFrom<unknown>(0, -1.5, 1e21, true, false, [], {}, { a: 'cat' }),
  fc.array(fc.oneof(text, fc.constantFrom<unknown>(null, 3, { a: 1 }, ['cat', null, ['dog']])), { maxLength: 3 }),
)

interface Content {
  title: unknown
  text: unknown
  'a.b': unknown
  n: unknown
}

const content: fc.Arbitrary<Content> = fc.record({
  title: value,
  text: value,
  'a.b': value,
  n: fc.constantFrom(1, '1', null),
})
const query = fc.tuple(
  text,
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, fc.subarray([...FIELDS, 'other'])),
)

type Query = [string, string[] | undefined]

function addAll(documents: SearchDocument[]): MiniSearch {
  const mini = new MiniSearch({ fields: FIELDS, storeFields: STORED, idField: '_id' })
  mini.addAll(documents)
  return mini
}

async function found(adapter: SearchPort, [query, fields]: Query): Promise<Match[]> {
  return (await collect(await adapter.query({ index: 'i', q: { query, fields } }))).map((match) => decode(match))
}

function expected(mini: MiniSearch, [query, fields]: Query): Match[] {
  return JSON.parse(JSON.stringify(mini.search(query, fields === undefined ? {} : { fields })))
}

function withoutScore(matches: Match[]): unknown[] {
  return matches
    .map(({ score: _, terms, queryTerms, ...rest }) => ({
      ...rest,
      terms: [...terms].sort(),
      queryTerms: [...queryTerms].sort(),
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

function isDescending(matches: Match[]): boolean {
  return matches.every(({ score }, i) => score <= (matches[i - 1]?.score ?? Number.POSITIVE_INFINITY))
}

test('finds what MiniSearch finds, in its order, with its scores', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(content, { minLength: 1, maxLength: 12 }),
      fc.array(query, { minLength: 6, maxLength: 6 }),
      async (contents, queries) => {
        const documents = contents.map((content, n) => ({ _id: `key ${n}`, ...content }))
        const mini = addAll(documents)
        for (const adapter of [search, sliced]) {
          await adapter.emptyIndex({ index: 'i' })
          await adapter.bulk({ index: 'i', docs: documents })
          for (const query of queries) {
            if (query[0] === '') continue
            const [ours, theirs] = [await found(adapter, query), expected(mini, query)]
            assert.deepEqual(withoutScore(ours), withoutScore(theirs))
            assert.ok(isDescending(ours))
            const scores = new Map(theirs.map(({ id, score }) => [id, score]))
            for (const { id, score } of ours) {
              const other = scores.get(id) ?? Number.NaN
              assert.ok(Math.abs(score - other) <= 1e-9 * Math.abs(other), `${id}: ${score}, MiniSearch ${other}`)
            }
          }
        }
      },
    ),
    { numRuns: Math.ceil(80 * SCALE) },
  ))

const sparse = fc.record(
  { title: fc.oneof(value, fc.constant(null)), text: value, 'a.b': value, n: fc.constantFrom(1, '1') },
  { requiredKeys: [] },
)
const change = fc.record({
  kind: fc.constantFrom('add', 'add', 'update', 'remove'),
  key: fc.nat({ max: 9 }).map((n) => `key ${n}`),
  content: sparse,
})

/** MiniSearch's scores depend on what was there before, where fields are missing; ours on what is there. */
test('after any changes, finds what a MiniSearch made anew finds, and scores like an index made anew', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(change, { maxLength: 25 }),
      fc.array(query, { minLength: 6, maxLength: 6 }),
      async (changes, queries) => {
        await search.emptyIndex({ index: 'i' })
        const held = new Map<string, SearchDocument>()
        for (const { kind, key, content } of changes) {
          const doc = { _id: key, ...content }
          if (kind === 'add') {
            const adding = search.indexDoc({ index: 'i', key, doc })
            if (held.has(key)) await assert.rejects(adding, { code: 'SEARCH_DOCUMENT_EXISTS' })
            else await adding.then(() => held.set(key, doc))
          } else if (kind === 'update') {
            const updating = search.updateDoc({ index: 'i', key, doc })
            if (held.has(key)) await updating.then(() => held.set(key, doc))
            else await assert.rejects(updating, { code: 'SEARCH_DOCUMENT_NOT_FOUND' })
          } else {
            const removing = search.removeDoc({ index: 'i', key })
            if (held.delete(key)) await removing
            else await assert.rejects(removing, { code: 'SEARCH_DOCUMENT_NOT_FOUND' })
          }
        }
        const documents = [...held.values()]
        const mini = addAll(documents)
        await sliced.emptyIndex({ index: 'i' })
        await sliced.bulk({ index: 'i', docs: documents })
        for (const query of queries) {
          if (query[0] === '') continue
          const ours = await found(search, query)
          assert.deepEqual(withoutScore(ours), withoutScore(expected(mini, query)))
          const anew = new Map((await found(sliced, query)).map(({ id, score }) => [id, score]))
          for (const { id, score } of ours) assert.equal(score, anew.get(id))
          assert.ok(isDescending(ours))
        }
      },
    ),
    { numRuns: Math.ceil(60 * SCALE) },
  ))
