/** Cache calls, on stores and keys that come back again and again. */
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import type { CacheEntry, CachePort } from '../../server/ports/cache.ts'
import { collect } from '../../server/ports/common.ts'
import { callWith, type Differential, step } from './harness.ts'
import { numbers, objects } from './values.ts'

const LONG_KEY = `k${'/-'.repeat(400)}`

const stores = fc.oneof(
  { weight: 20, arbitrary: fc.constant('s') },
  { weight: 3, arbitrary: fc.constantFrom('t', 's-t', 's_t', 's~', '0', 'sqlite_master', 'constructor') },
  { weight: 1, arbitrary: fc.constantFrom('', 'S', 's:t', 's*', '-s', 's t', 'é', '__proto__') },
)
const otherStores = fc.oneof(
  { weight: 1, arbitrary: stores },
  { weight: 3, arbitrary: fc.constantFrom('t', 's_t', 's-t') },
)
const plainKeys = ['a', 'b', 'ab', 'a-b', 'a/b', 'aa', 'b/a', 'b-']
const awkwardKeys = ['a/b$c+d~e_f-g', 'a_b', 'a$', 'a+', 'constructor', LONG_KEY]
const keys = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom(...plainKeys) },
  { weight: 4, arbitrary: fc.constantFrom(...awkwardKeys) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', 'A', '1a', 'a:b', 'a.b', 'a*', 'a?', 'a[b]', 'a b', 'é', 'a\0', '\ud800'),
  },
)
const values = fc.oneof(
  { weight: 3, arbitrary: objects },
  objects.map((held) => ({ held })),
)

/** Those that end while calls are made are slept out before the next call, so that both clocks agree. */
const SHORT_MS = 200
const short = fc.constantFrom(0.1, 0.5, 0.9, 1, 1.5, 2, 20)
const past = fc.constantFrom(0, -0, -0.1, -0.5, -1, -1.5, -20, -1e9, -1e15, -1e300, Number.MIN_SAFE_INTEGER)
const far = fc.constantFrom(
  60_000,
  60_000.5,
  86_400_000,
  2 ** 31,
  2 ** 32,
  31_557_600_000_000,
  1e15,
  Number.MAX_SAFE_INTEGER,
  1e19,
  1e300,
)
const ttls = fc.oneof(
  { weight: 3, arbitrary: short },
  { weight: 3, arbitrary: past },
  { weight: 3, arbitrary: far },
  { weight: 1, arbitrary: numbers.filter((ttl) => ttl <= 0 || ttl > 60_000) },
)

const pieces = fc.oneof(
  { weight: 4, arbitrary: fc.constant('*') },
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', '/', '-', 'ab') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '?',
      '[',
      ']',
      '[a-z]',
      '[^a]',
      '^',
      '\\',
      '\\*',
      '$',
      '+',
      '.',
      '.*',
      '%',
      '_',
      '|',
      '{a,b}',
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('A', 'é', '😀', ' ', '\0', '\n', ':', '\ud800', '**', LONG_KEY) },
)
/** A key of ours with one place spoilt. */
const nearKeys = fc
  .tuple(
    fc.constantFrom(...plainKeys),
    fc.nat({ max: 3 }),
    fc.constantFrom('?', '*', '[a-z]', '[ab/-]', '%', '_', '.', ''),
  )
  .map(([key, at, instead]) => `${key.slice(0, at)}${instead}${key.slice(at + 1)}`)
const patterns = fc.oneof(
  { weight: 3, arbitrary: fc.array(pieces, { maxLength: 5 }).map((parts) => parts.join('')) },
  { weight: 2, arbitrary: nearKeys },
)

const write = { store: stores, key: keys, value: values }

export const cacheDifferential: Differential<Guarded<CachePort>> = {
  service: 'cache',
  setup: fc
    .tuple(fc.subarray([...plainKeys, ...awkwardKeys], { minLength: 6 }), values)
    .map(([held, value]) => [
      { method: 'createStore', args: { store: 's' } },
      ...held.map((key) => ({ method: 'createDoc', args: { store: 's', key, value } })),
    ]),
  steps: {
    'PUT /cache/:name': step('createStore', { store: otherStores }),
    'DELETE /cache/:name': step('destroyStore', { store: otherStores }),
    'GET /cache': step('listStores', {}),
    purge: step('emptyStore', { store: otherStores }),
    'POST /cache/:name': step('createDoc', write),
    'POST /cache/:name ttl': step('createDoc', { ...write, ttlMs: ttls }),
    'GET /cache/:name/:key': step('getDoc', { store: stores, key: keys }),
    'PUT /cache/:name/:key': step('updateDoc', write),
    'PUT /cache/:name/:key ttl': step('updateDoc', { ...write, ttlMs: ttls }),
    'DELETE /cache/:name/:key': step('deleteDoc', { store: stores, key: keys }),
    _query: step('listDocs', { store: stores }),
    '_query pattern': step('listDocs', { store: stores, pattern: patterns }),
    'wrong types': fc
      .tuple(
        fc.constantFrom('createDoc', 'getDoc', 'updateDoc', 'deleteDoc', 'listDocs', 'createStore'),
        fc.constantFrom('store', 'key', 'value', 'ttlMs', 'pattern'),
        fc.constantFrom<unknown>(null, 5, true, [], {}, 'x', undefined),
      )
      .map(([method, name, wrong]) => ({
        method,
        args: { store: 's', key: 'a', value: {}, [name]: wrong },
      })),
  },
  isWrite: ({ method }) => /^(create|update|delete|destroy|empty)/.test(method),
  observe: [{ method: 'listDocs', args: { store: 's' } }],

  async reset(cache) {
    for (const store of (await cache.listStores({})).names) await cache.destroyStore({ store })
  },

  async perform(cache, { method, args }) {
    const answer = await callWith(cache, method, args)
    const { ttlMs } = args
    if (typeof ttlMs === 'number' && ttlMs > 0 && ttlMs <= SHORT_MS) await sleep(ttlMs + 30)
    if (method !== 'listDocs') return answer
    const entries = await collect(answer as Awaited<ReturnType<CachePort['listDocs']>>)
    return entries.map((entry) => decode(entry)).map(({ key, value }: CacheEntry) => ({ key, value: decode(value) }))
  },
}
