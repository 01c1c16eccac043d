/**
 * What the differential of all services leaves out, since no contract asks for it: on Meilisearch matches come in the embedded
 * engine's order, with its scores; and calls made at the same time are answered as if they came one after the other.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { createMeilisearchSearch } from '../adapters/search/meilisearch.ts'
import { createSqliteSearch } from '../adapters/search/sqlite.ts'
import type { HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { type Guarded, guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type Match, type SearchPort, type SearchQuery, searchPort } from '../server/ports/search.ts'
import { documents, FIELDS, queries } from './differential/search.ts'
import { startServer } from './parts/servers.ts'

type Search = Guarded<SearchPort>

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)
const SEED = Number(process.env.HYPER_TEST_SEED ?? Date.now() % 1_000_000)
const KEYS = 8

const server = await startServer('meilisearch')
const directory = mkdtempSync(join(tmpdir(), 'search-meilisearch-'))
after(async () => {
  rmSync(directory, { recursive: true, force: true })
  if (!('missing' in server)) await server[Symbol.asyncDispose]()
})

/** The same index on both engines. */
async function onBoth(t: TestContext, work: (embedded: Search, remote: Search) => Promise<void>): Promise<void> {
  if ('missing' in server) return t.skip(server.missing)
  t.diagnostic(`seed ${SEED}`)
  const namespace = `diff-${randomUUID().slice(0, 8)}`
  const embedded = guard(searchPort, createSqliteSearch({ directory: mkdtempSync(join(directory, 'side-')) }))
  const remote = guard(searchPort, createMeilisearchSearch({ url: server.url, key: server.key, namespace }))
  try {
    for (const side of [embedded, remote]) {
      await side.createIndex({ index: 'i', mappings: { fields: FIELDS, storeFields: ['title', 'n'] } })
    }
    await work(embedded, remote)
  } finally {
    await Promise.all([embedded.close(), remote.close()])
  }
}

const asked: fc.Arbitrary<SearchQuery> = fc.record(
  {
    query: queries.filter((query) => query !== ''),
    fields: fc.subarray(FIELDS, { minLength: 1 }),
    filter: fc.record({ n: fc.constantFrom<unknown>(1, '1', null) }),
  },
  { requiredKeys: ['query'] },
)

async function matches(search: Search, q: SearchQuery): Promise<Match[]> {
  return (await collect(await search.query({ index: 'i', q }))).map((match) => decode(match))
}

test('matches have the scores that the embedded engine gives them, and come in that order', (t) =>
  onBoth(t, async (embedded, remote) => {
    const counts = { queries: 0, matches: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.array(documents, { minLength: 4, maxLength: 12 }),
        fc.array(asked, { minLength: 12, maxLength: 12 }),
        async (docs, queries) => {
          const keyed = docs.map((doc, n) => ({ ...doc, _id: `k${n}` }))
          for (const side of [embedded, remote]) {
            await side.emptyIndex({ index: 'i' })
            await side.bulk({ index: 'i', docs: keyed })
          }
          for (const q of queries) {
            const [ours, theirs] = await Promise.all([matches(embedded, q), matches(remote, q)])
            assert.deepEqual(theirs.map(rounded), ours.map(rounded))
            counts.queries += 1
            counts.matches += ours.length
          }
        },
      ),
      { numRuns: Math.ceil(20 * SCALE), seed: SEED, endOnFailure: true },
    )
    t.diagnostic(`${counts.queries} queries, ${counts.matches} matches`)
  }))

/** Sums of the same numbers in another order differ in their last digits. */
function rounded({ score, ...rest }: Match): unknown {
  return { score: Number(score.toPrecision(9)), ...rest }
}

type Call = { method: keyof SearchPort } & Record<string, unknown>

const key = fc.nat({ max: KEYS - 1 }).map((n) => `k${n}`)
const call = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ method: fc.constantFrom('indexDoc', 'indexDoc', 'updateDoc'), key, doc: documents }),
  },
  { weight: 3, arbitrary: fc.record({ method: fc.constant('removeDoc'), key }) },
  {
    weight: 3,
    arbitrary: fc.record({
      method: fc.constant('bulk'),
      docs: fc.array(
        fc.tuple(key, documents).map(([_id, doc]) => ({ ...doc, _id })),
        { minLength: 1, maxLength: 3 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ method: fc.constant('emptyIndex') }) },
) as fc.Arbitrary<Call>

test('writes made at the same time are answered, and made, as if they came one after the other', (t) =>
  onBoth(t, async (embedded, remote) => {
    const counts = new Map<string, number>()
    const outcomes = (search: Search, calls: readonly Call[]) =>
      Promise.all(
        calls.map(({ method, ...args }) =>
          (search[method] as (args: object) => Promise<unknown>)({ index: 'i', ...args }).then(
            (answer) => JSON.stringify(answer) ?? 'done',
            ({ code }: HyperError) => code,
          ),
        ),
      )
    const state = (search: Search) =>
      outcomes(
        search,
        Array.from({ length: KEYS }, (_, n) => ({ method: 'getDoc', key: `k${n}` })),
      )
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 25, maxLength: 25 }), async (calls) => {
        await Promise.all([embedded, remote].map((side) => side.emptyIndex({ index: 'i' })))
        const [ours, theirs] = await Promise.all([outcomes(embedded, calls), outcomes(remote, calls)])
        for (const [n, { method }] of calls.entries()) {
          const outcome = `${method} ${ours[n]?.startsWith('SEARCH') ? ours[n] : 'done'}`
          counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
        }
        assert.deepEqual(theirs, ours)
        assert.deepEqual(await state(remote), await state(embedded))
        const q = { query: 'cat dog bird a b 7 10' }
        const [found, expected] = [await matches(remote, q), await matches(embedded, q)]
        assert.deepEqual(found.map(({ id }) => id).sort(), expected.map(({ id }) => id).sort())
      }),
      { numRuns: Math.ceil(20 * SCALE), seed: SEED, endOnFailure: true },
    )
    for (const [outcome, times] of [...counts].sort()) t.diagnostic(`${times} × ${outcome}`)
  }))
