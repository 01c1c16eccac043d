/** The differential is worth what it finds: against an adapter that is broken in one way it must find it, whatever the seed. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { decode } from '../server/json-text.ts'
import type { CachePort } from '../server/ports/cache.ts'
import { collect } from '../server/ports/common.ts'
import type { DataPort } from '../server/ports/data.ts'
import type { QueuePort } from '../server/ports/queue.ts'
import type { Match, SearchPort } from '../server/ports/search.ts'
import type { StoragePort } from '../server/ports/storage.ts'
import { COMPARISONS, type Comparison } from './differential/engines.ts'
import { DifferenceFound, differ } from './differential/harness.ts'
import { ignore } from './helpers/mutants.ts'

const CASES = 60
const FEW_CASES = 10
const SEED = Number(process.env.HYPER_TEST_SEED ?? Date.now() % 1_000_000)
/** Of the calls before the one that differs, so many are left at most: failures are shrunk. */
const MAX_BEFORE = 8

const root = mkdtempSync(join(tmpdir(), 'hyper-differential-mutants-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface Mutant<P> {
  service: string
  name: string
  /** What differs from `real`. */
  breaks(real: P): Partial<P>
}

const one = <P>(mutant: Mutant<P>) => mutant as Mutant<unknown>

const mutants: Mutant<unknown>[] = [
  one<CachePort>({
    service: 'cache',
    name: '? is a wildcard',
    breaks: (real) => ({
      async listDocs({ store, pattern = '*' }) {
        const all = (await collect(await real.listDocs({ store }))).map((entry) => decode(entry))
        const text = pattern
          .replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&')
          .replaceAll('*', '.*')
          .replaceAll('?', '.')
        return { items: all.filter(({ key }) => new RegExp(`^${text}$`, 's').test(key)) }
      },
    }),
  }),
  one<CachePort>({
    service: 'cache',
    name: 'a fraction of a millisecond is for ever',
    breaks: (real) => ({
      createDoc: ({ ttlMs, ...args }) => real.createDoc({ ...args, ttlMs: (ttlMs && Math.trunc(ttlMs)) || undefined }),
    }),
  }),
  one<CachePort>({
    service: 'cache',
    name: 'integer-like members keep their place',
    breaks: (real) => ({
      getDoc: async (args) => {
        const value = decode(await real.getDoc(args))
        return Object.fromEntries(
          Object.entries(value).map(([name, member]) => [/^\d+$/.test(name) ? `${name} ` : name, member]),
        )
      },
    }),
  }),
  one<StoragePort>({
    service: 'storage',
    name: 'a range ends one byte early',
    breaks: (real) => ({
      async getObject(args) {
        const found = await real.getObject(args)
        return {
          ...found,
          read: (range) => found.read(range && { ...range, end: Math.max(range.start, range.end - 1) }),
        }
      },
    }),
  }),
  one<StoragePort>({
    service: 'storage',
    name: 'names are one Unicode form',
    breaks: (real) => ({
      putObject: (args) => real.putObject({ ...args, object: args.object.normalize('NFC') }),
      getObject: (args) => real.getObject({ ...args, object: args.object.normalize('NFC') }),
    }),
  }),
  one<StoragePort>({
    service: 'storage',
    name: 'an object that is replaced keeps its tag',
    breaks: (real) => {
      const first = new Map<string, string>()
      const tagged = <T extends { etag: string; object: string }>(bucket: string, info: T): T => {
        const key = `${bucket}/${info.object}`
        first.set(key, first.get(key) ?? info.etag)
        return { ...info, etag: first.get(key) as string }
      }
      return { putObject: async (args) => tagged(args.bucket, await real.putObject(args)) }
    },
  }),
  one<SearchPort>({
    service: 'search',
    name: 'accents do not count',
    breaks: (real) => ({
      query: ({ index, q }) =>
        real.query({ index, q: { ...q, query: q.query.normalize('NFD').replaceAll(/\p{M}/gu, '') || 'x' } }),
    }),
  }),
  one<SearchPort>({
    service: 'search',
    name: 'at most two hits',
    breaks: (real) => ({
      query: async (args) => ({ items: (await collect<Match>(await real.query(args))).slice(0, 2) }),
    }),
  }),
  one<QueuePort>({
    service: 'queue',
    name: 'cancelling what is not there is fine',
    breaks: (real) => ({ cancel: (args) => real.cancel(args).catch(ignore('JOB_NOT_FOUND')) }),
  }),
  one<QueuePort>({
    service: 'queue deliveries',
    name: 'no signature with an empty path',
    breaks: (real) => ({
      create: ({ secret, ...args }) => real.create(new URL(args.target).pathname === '/' ? args : { ...args, secret }),
    }),
  }),
  one<DataPort>({
    service: 'data',
    name: '_deleted: false removes',
    breaks: (real) => ({
      bulkDocuments: ({ db, docs }) =>
        real.bulkDocuments({ db, docs: docs.map((doc) => ('_deleted' in doc ? { ...doc, _deleted: true } : doc)) }),
    }),
  }),
  one<DataPort>({
    service: 'data',
    name: 'ids in the order of UTF-16',
    breaks: (real) => ({
      async listDocuments(args) {
        const all = (await collect(await real.listDocuments(args))).map((doc) => decode(doc))
        const ordered = all.sort((a, b) => (String(a._id) < String(b._id) ? -1 : 1))
        return { items: args.descending ? ordered.reverse() : ordered }
      },
    }),
  }),
  one<DataPort>({
    service: 'data queries',
    name: '$ne misses what lacks the field',
    breaks: (real) => ({
      queryDocuments: ({ db, query }) => {
        const narrowed = Object.entries(query.selector ?? {}).map(([path, test]) =>
          typeof test === 'object' && test !== null && Object.keys(test).join() === '$ne'
            ? [path, { ...test, $exists: true }]
            : [path, test],
        )
        return real.queryDocuments({
          db,
          query: { ...query, selector: query.selector && Object.fromEntries(narrowed) },
        })
      },
    }),
  }),
  one<DataPort>({
    service: 'data queries',
    name: 'a limit of 0 is none',
    breaks: (real) => ({
      queryDocuments: async ({ db, query }) => (query.limit === 0 ? { items: [] } : real.queryDocuments({ db, query })),
    }),
  }),
  one<DataPort>({
    service: 'data pages',
    name: 'the default limit is 26',
    breaks: (real) => ({
      queryDocuments: ({ db, query }) => real.queryDocuments({ db, query: { limit: 26, ...query } }),
    }),
  }),
  one<DataPort>({
    service: 'data geo',
    name: 'borders are outside',
    breaks: (real) => ({
      queryDocuments: ({ db, query }) =>
        real.queryDocuments({
          db,
          query: JSON.parse(JSON.stringify(query).replaceAll('"$geoIntersects"', '"$geoWithin"')),
        }),
    }),
  }),
  one<DataPort>({
    service: 'data expressions',
    name: '$add of one thing too many',
    breaks: (real) => ({
      queryDocuments: ({ db, query }) =>
        real.queryDocuments({ db, query: JSON.parse(JSON.stringify(query).replaceAll('{"$add":[', '{"$add":[1,')) }),
    }),
  }),
]

async function compare(comparison: Comparison, breaks: (real: object) => object, cases = CASES): Promise<void> {
  const { differential, embedded, side } = comparison
  const make = () => embedded(mkdtempSync(join(root, 'side-')))
  const ours = await side(await make())
  const real = (await make()) as object
  const theirs = await side({ ...real, ...breaks(real) })
  try {
    await differ(differential, { embedded: ours.side, remote: theirs.side }, { cases, seed: SEED })
  } finally {
    await ours.close()
    await theirs.close()
  }
}

for (const comparison of COMPARISONS) {
  const { service } = comparison.differential
  test(`${service}: an engine agrees with itself`, async () => {
    await compare(comparison, () => ({}), FEW_CASES)
  })
}

for (const { service, name, breaks } of mutants) {
  test(`found: ${service}, ${name}`, async () => {
    const comparison = COMPARISONS.find(({ differential }) => differential.service === service)
    assert.ok(comparison)
    const error = await compare(comparison, breaks as (real: object) => object).then(
      () => undefined,
      (error: Error) => error,
    )
    assert.ok(error, `not found with seed ${SEED}`)
    assert.ok(error.cause instanceof DifferenceFound, String(error.cause))
    assert.ok(error.cause.difference.before.length <= MAX_BEFORE, error.cause.message)
  })
}
