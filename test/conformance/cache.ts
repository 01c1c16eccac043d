/**
 * What every cache adapter must do (server/ports/cache.ts, hyper-api §§2.4, 5): hand it your runner's `test` and a factory.
 * Each case is named `<rule>: <behaviour>` and runs on an adapter of its own with one store, `s`, made for it.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, HyperError } from '../../server/error.ts'
import { decode, type Stored } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import type { CacheEntry, CachePort, CacheValue } from '../../server/ports/cache.ts'
import { collect, type Page } from '../../server/ports/common.ts'

export interface CacheUnderTest {
  /** `guard(cachePort, adapter)` over storage that nobody else uses. */
  cache: Guarded<CachePort>
  /** Moves the adapter's clock. Absent: the suite waits for real. */
  advance?: (ms: number) => void
  /** A second guarded adapter over the same storage, asked for after `cache` is closed. Absent: nothing outlives a close. */
  reopen?: () => Promise<Guarded<CachePort>>
}

export interface CacheSuiteOptions {
  /** Registers a case with the runner: `node:test`'s `test`, or any function of this shape. */
  test: (name: string, run: () => Promise<void>) => unknown
  create: () => Promise<CacheUnderTest>
}

/** Long enough that a busy machine does not outrun it where the clock is real. */
const LIFE_MS = 1_000

interface Fixture extends CacheUnderTest {
  put(key: string, value: CacheValue, ttlMs?: number): Promise<void>
  set(key: string, value: CacheValue, ttlMs?: number): Promise<void>
  get(key: string): Promise<CacheValue>
  keys(pattern?: string): Promise<string[]>
  pass(ms: number): Promise<void>
}

export function cacheSuite({ test, create }: CacheSuiteOptions): void {
  function rule(name: string, run: (fixture: Fixture) => Promise<void>): void {
    test(name, async () => {
      const made = await create()
      const { cache, advance } = made
      try {
        await cache.createStore({ store: 's' })
        await run({
          ...made,
          put: (key, value, ttlMs) => cache.createDoc({ store: 's', key, value, ttlMs }),
          set: (key, value, ttlMs) => cache.updateDoc({ store: 's', key, value, ttlMs }),
          get: async (key) => decode(await cache.getDoc({ store: 's', key })),
          keys: async (pattern) => (await entries(cache.listDocs({ store: 's', pattern }))).map(({ key }) => key),
          pass: async (ms) => (advance ? advance(ms) : void (await sleep(ms))),
        })
      } finally {
        await cache.close()
      }
    })
  }

  // Stores

  rule('stores: making one twice is STORE_EXISTS and harms nothing', async ({ cache, put, get }) => {
    await put('k', { n: 1 })
    await refused(cache.createStore({ store: 's' }), 'STORE_EXISTS')
    assert.deepEqual(await get('k'), { n: 1 })
  })

  rule('stores: names come back ascending by code point', async ({ cache }) => {
    const more = ['b', 'a', 'sqlite_master', 'my_store', '0', 'a-b~c_d', 'a0']
    for (const store of more) await cache.createStore({ store })
    assert.deepEqual((await cache.listStores({})).names, [...more, 's'].sort())
  })

  rule('stores: a destroyed one is gone, and made anew it is empty', async ({ cache, put, keys }) => {
    await put('k', { n: 1 })
    await cache.destroyStore({ store: 's' })
    assert.deepEqual((await cache.listStores({})).names, [])
    await refused(cache.getDoc({ store: 's', key: 'k' }), 'STORE_NOT_FOUND')
    await cache.createStore({ store: 's' })
    assert.deepEqual(await keys(), [])
  })

  rule('stores: each has its own keys', async ({ cache, put, get }) => {
    await cache.createStore({ store: 's2' })
    await put('k', { of: 's' })
    await cache.createDoc({ store: 's2', key: 'k', value: { of: 's2' } })
    assert.deepEqual(await get('k'), { of: 's' })
    await cache.destroyStore({ store: 's2' })
    assert.deepEqual(await get('k'), { of: 's' })
  })

  rule('names: one that breaks the rule is NAME_INVALID on every method', async ({ cache }) => {
    for (const store of ['', 'Foo', '_a', '-a', '~a', 'a b', 'a.b', 'a/b', 'ä', 'a"b', '..', 'a\0']) {
      for (const call of storeCalls(cache, store)) await refused(call(), 'NAME_INVALID')
      await refused(cache.createStore({ store }), 'NAME_INVALID')
    }
  })

  rule('missing store: every method is STORE_NOT_FOUND', async ({ cache }) => {
    for (const call of storeCalls(cache, 'nope')) await refused(call(), 'STORE_NOT_FOUND')
    assert.deepEqual((await cache.listStores({})).names, ['s'])
  })

  rule('emptyStore: removes and counts the live keys, keeps the store', async ({ cache, put, keys, pass }) => {
    await cache.createStore({ store: 's2' })
    await cache.createDoc({ store: 's2', key: 'other', value: {} })
    await put('a', {})
    await put('b', {}, LIFE_MS * 100)
    await put('expired', {}, LIFE_MS)
    await pass(LIFE_MS + 1)
    assert.deepEqual(await cache.emptyStore({ store: 's' }), { count: 2 })
    assert.deepEqual(await keys(), [])
    assert.deepEqual(await cache.emptyStore({ store: 's' }), { count: 0 })
    assert.deepEqual(await cache.emptyStore({ store: 's2' }), { count: 1 })
  })

  // Keys and values

  rule('keys: every allowed character is kept apart', async ({ put, get, keys }) => {
    const odd = ['a', 'a/b$c+d~e_f-g', 'a//b', 'a/', 'a0', 'a_b', 'a'.repeat(300), 'constructor', 'axb', 'a-b']
    for (const key of odd) await put(key, { key })
    for (const key of odd) assert.deepEqual(await get(key), { key })
    assert.deepEqual(await keys(), [...odd].sort())
  })

  rule('keys: one that breaks the rule is KEY_INVALID and stores nothing', async ({ cache, put, set, get, keys }) => {
    for (const key of ['', 'Abc', '1abc', 'a:b', 'a.b', 'a b', '_a', '/a', 'ä', 'a*', 'a\0', '__proto__']) {
      for (const call of [put(key, {}), set(key, {}), get(key), cache.deleteDoc({ store: 's', key })]) {
        await refused(call, 'KEY_INVALID')
      }
    }
    assert.deepEqual(await keys(), [])
  })

  rule('values: only an object is one', async ({ cache, keys }) => {
    for (const value of [undefined, null, 5, 'text', true, [], [{}]]) {
      await refused(cache.createDoc({ store: 's', key: 'k', value }), 'INVALID_ARGUMENTS')
      await refused(cache.updateDoc({ store: 's', key: 'k', value }), 'INVALID_ARGUMENTS')
    }
    assert.deepEqual(await keys(), [])
  })

  rule('values: come back exactly as they went in', async ({ put, set, get, keys, cache }) => {
    const values = [
      '{}',
      '{"ok":false,"status":404,"msg":"m"}',
      '{"ok":false,"status":"teapot"}',
      '{"b":1,"a":{"c":[1,"two",null,true,{"d":[]}]}}',
      '{"__proto__":{"x":1},"constructor":"c","toString":0}',
      '{"n":[0.1,1e308,5e-324,-1,9007199254740991,1.7976931348623157e308]}',
      '{"text":"quote\\" slash\\\\ nul\\u0000 line\\u2028 snow☃ pair😀"}',
      '{"":"empty name"}',
      '{"ttl":"1s","key":"k","value":{}}',
      JSON.stringify({ large: 'x'.repeat(500_000) }),
    ]
    for (const [number, text] of values.entries()) {
      await put(`c${number}`, JSON.parse(text))
      await set(`u${number}`, JSON.parse(text))
      assert.equal(JSON.stringify(await get(`c${number}`)), JSON.stringify(JSON.parse(text)))
      assert.equal(JSON.stringify(await get(`u${number}`)), JSON.stringify(JSON.parse(text)))
    }
    const listed = new Map((await entries(cache.listDocs({ store: 's' }))).map(({ key, value }) => [key, value]))
    assert.equal((await keys()).length, values.length * 2)
    for (const [number, text] of values.entries()) {
      const value = decode(listed.get(`c${number}`) as Stored<CacheValue>)
      assert.equal(JSON.stringify(value), JSON.stringify(JSON.parse(text)))
    }
  })

  rule('get: what is not there is KEY_NOT_FOUND', async ({ get, put }) => {
    await put('kk', {})
    await refused(get('k'), 'KEY_NOT_FOUND')
  })

  rule('create: a live key is KEY_EXISTS and keeps its value', async ({ put, get }) => {
    await put('k', { n: 1 })
    await refused(put('k', { n: 2 }), 'KEY_EXISTS')
    assert.deepEqual(await get('k'), { n: 1 })
  })

  rule('create: of many at once on one key exactly one wins', async ({ put, get }) => {
    const tries = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => put('k', { n })))
    const won = tries.flatMap((outcome, n) => (outcome.status === 'fulfilled' ? [n] : []))
    assert.equal(won.length, 1)
    assert.deepEqual(await get('k'), { n: won[0] })
    for (const lost of tries) if (lost.status === 'rejected') assert.equal(lost.reason.code, 'KEY_EXISTS')
  })

  rule('update: replaces the whole value', async ({ put, set, get }) => {
    await put('k', { a: 1, b: { c: 1 } })
    await set('k', { b: { d: 2 } })
    assert.deepEqual(await get('k'), { b: { d: 2 } })
    await set('k', {})
    assert.deepEqual(await get('k'), {})
  })

  rule('update: inserts what is not there', async ({ set, get }) => {
    await set('k', { n: 1 })
    assert.deepEqual(await get('k'), { n: 1 })
  })

  rule('update: the last of many at once stays, each other key is whole', async ({ set, get, keys }) => {
    await Promise.all(Array.from({ length: 500 }, (_, n) => set(`k${n % 50}`, { n })))
    assert.equal((await keys()).length, 50)
    for (let slot = 0; slot < 50; slot += 1) assert.deepEqual(await get(`k${slot}`), { n: 450 + slot })
  })

  rule('delete: the key is gone, others stay, twice is fine', async ({ cache, put, get, keys }) => {
    await put('k', { n: 1 })
    await put('k2', { n: 2 })
    await cache.deleteDoc({ store: 's', key: 'k' })
    await refused(get('k'), 'KEY_NOT_FOUND')
    await cache.deleteDoc({ store: 's', key: 'k' })
    await cache.deleteDoc({ store: 's', key: 'never' })
    assert.deepEqual(await keys(), ['k2'])
    await put('k', { n: 3 })
    assert.deepEqual(await get('k'), { n: 3 })
  })

  // Time to live

  rule('ttl: a key lives its time and no longer', async ({ put, set, get, keys, pass }) => {
    await put('made', { n: 1 }, LIFE_MS)
    await set('set', { n: 2 }, LIFE_MS)
    await put('longer', {}, LIFE_MS * 1000)
    await put('permanent', {})
    assert.deepEqual(await get('made'), { n: 1 })
    assert.deepEqual(await keys(), ['longer', 'made', 'permanent', 'set'])
    await pass(LIFE_MS + 1)
    await refused(get('made'), 'KEY_NOT_FOUND')
    await refused(get('set'), 'KEY_NOT_FOUND')
    await refused(get('made'), 'KEY_NOT_FOUND')
    assert.deepEqual(await keys(), ['longer', 'permanent'])
  })

  rule('ttl expired is absent: listing does not show it even when nothing read it', async ({ put, keys, pass }) => {
    await put('k', {}, LIFE_MS)
    await pass(LIFE_MS + 1)
    assert.deepEqual(await keys('k'), [])
  })

  rule('ttl expired is absent: create succeeds and starts anew', async ({ put, get, pass }) => {
    await put('k', { n: 1 }, LIFE_MS)
    await pass(LIFE_MS + 1)
    await put('k', { n: 2 })
    assert.deepEqual(await get('k'), { n: 2 })
  })

  rule('ttl expired is absent: update with ttl 0 does not revive it', async ({ put, set, get, pass }) => {
    await put('k', { n: 1 }, LIFE_MS)
    await pass(LIFE_MS + 1)
    await set('k', { n: 2 }, 0)
    await refused(get('k'), 'KEY_NOT_FOUND')
  })

  rule('ttl restart: update without ttl makes a key permanent', async ({ put, set, get, pass }) => {
    await put('k', { n: 1 }, LIFE_MS)
    await set('k', { n: 2 })
    await pass(LIFE_MS + 1)
    assert.deepEqual(await get('k'), { n: 2 })
  })

  rule('ttl restart: update starts the clock anew', async ({ put, set, get, pass }) => {
    await put('k', { n: 1 }, LIFE_MS)
    await set('k', { n: 2 }, LIFE_MS * 3)
    await pass(LIFE_MS + 1)
    assert.deepEqual(await get('k'), { n: 2 })
    await pass(LIFE_MS * 2)
    await refused(get('k'), 'KEY_NOT_FOUND')
  })

  rule('ttl restart: update gives a permanent key an end', async ({ put, set, get, pass }) => {
    await put('k', { n: 1 })
    await set('k', { n: 2 }, LIFE_MS)
    await pass(LIFE_MS + 1)
    await refused(get('k'), 'KEY_NOT_FOUND')
  })

  rule('ttl 0 or less: a new key is gone at once', async ({ put, set, get, keys }) => {
    for (const ttlMs of [0, -0, -1, -LIFE_MS]) {
      await put('made', {}, ttlMs)
      await refused(get('made'), 'KEY_NOT_FOUND')
      await set('set', {}, ttlMs)
      await refused(get('set'), 'KEY_NOT_FOUND')
      assert.deepEqual(await keys(), [])
    }
  })

  rule('ttl 0 on a live key: update makes it permanent', async ({ put, set, get, pass }) => {
    await put('k', { n: 1 }, LIFE_MS)
    await set('k', { n: 2 }, 0)
    await pass(LIFE_MS + 1)
    assert.deepEqual(await get('k'), { n: 2 })
  })

  rule('ttl below 0 on a live key: update ends it at once', async ({ put, set, get }) => {
    await put('k', { n: 1 })
    await set('k', { n: 2 }, -1)
    await refused(get('k'), 'KEY_NOT_FOUND')
  })

  rule('ttl: fractions and very long lives are fine', async ({ put, get, pass }) => {
    await put('fraction', { n: 1 }, LIFE_MS + 0.5)
    await put('century', { n: 2 }, 100 * 31_557_600_000)
    await put('for-ages', { n: 3 }, Number.MAX_SAFE_INTEGER)
    await put('moment', { n: 4 }, 0.25)
    assert.deepEqual(await get('fraction'), { n: 1 })
    await pass(LIFE_MS + 2)
    await refused(get('fraction'), 'KEY_NOT_FOUND')
    await refused(get('moment'), 'KEY_NOT_FOUND')
    assert.deepEqual(await get('century'), { n: 2 })
    assert.deepEqual(await get('for-ages'), { n: 3 })
  })

  // Listing

  rule('list order: ascending by key, whatever was written first', async ({ put, keys }) => {
    for (const key of ['b', 'a', 'c/', 'b-', 'b0', 'a~', 'a_']) await put(key, {})
    assert.deepEqual(await keys(), ['a', 'a_', 'a~', 'b', 'b-', 'b0', 'c/'])
  })

  rule('list: entries carry the value', async ({ cache, put }) => {
    await put('k', { n: 1 })
    const [entry] = await entries(cache.listDocs({ store: 's', pattern: 'k' }))
    assert.deepEqual(entry && { ...entry, value: decode(entry.value) }, { key: 'k', value: { n: 1 } })
  })

  rule('list pattern: `*` is any run, at any place, any number of times', async ({ put, keys }) => {
    for (const key of ['team-1', 'team-22', 'xteam-1', 'xteamx', 'tea', 'a/b/c']) await put(key, {})
    const table: [string, string[]][] = [
      ['*', ['a/b/c', 'tea', 'team-1', 'team-22', 'xteam-1', 'xteamx']],
      ['**', ['a/b/c', 'tea', 'team-1', 'team-22', 'xteam-1', 'xteamx']],
      ['team*', ['team-1', 'team-22']],
      ['*team*', ['team-1', 'team-22', 'xteam-1', 'xteamx']],
      ['*-1', ['team-1', 'xteam-1']],
      ['t*m*2', ['team-22']],
      ['a*c', ['a/b/c']],
      ['tea', ['tea']],
      ['tea*', ['tea', 'team-1', 'team-22']],
      ['zz*', []],
    ]
    for (const [pattern, expected] of table) assert.deepEqual(await keys(pattern), expected, pattern)
  })

  rule('list pattern literal: all but `*` stands for itself', async ({ put, keys }) => {
    for (const key of ['team_1', 'teamx1', 'a$b', 'a+b', 'aab']) await put(key, {})
    const table: [string, string[]][] = [
      ['team_1', ['team_1']],
      ['team_*', ['team_1']],
      ['team%', []],
      ['team?1', []],
      ['team[_x]1', []],
      ['team.1', []],
      ['a$b', ['a$b']],
      ['a$*', ['a$b']],
      ['a+b', ['a+b']],
      ['a+*', ['a+b']],
      ['\\*', []],
      ['a"*', []],
      ["a'*", []],
      [' *', []],
      ['(', []],
      ['😀*', []],
      ['*\0', []],
      ['a*\0b', []],
      ['aab\0', []],
    ]
    for (const [pattern, expected] of table) assert.deepEqual(await keys(pattern), expected, pattern)
  })

  rule('list pattern case: capitals match nothing', async ({ put, keys }) => {
    await put('team-1', {})
    assert.deepEqual(await keys('TEAM*'), [])
    assert.deepEqual(await keys('Team-1'), [])
  })

  rule('list pattern empty: matches nothing', async ({ put, keys }) => {
    await put('a', {})
    assert.deepEqual(await keys(''), [])
  })

  rule('list: an empty store has an empty page', async ({ keys }) => {
    assert.deepEqual(await keys(), [])
  })

  rule('list all: many entries come once each, in order', async ({ set, keys }) => {
    const all = Array.from({ length: 2_500 }, (_, n) => `k${String(n).padStart(5, '0')}`)
    await Promise.all(all.toReversed().map((key) => set(key, { key })))
    assert.deepEqual(await keys(), all)
    assert.deepEqual(
      await keys('*9'),
      all.filter((key) => key.endsWith('9')),
    )
  })

  // Lifecycle

  rule('acknowledged: a write is seen by the read that follows it', async ({ cache, put, set, get }) => {
    for (let n = 0; n < 50; n += 1) {
      await put(`k${n}`, { n })
      assert.deepEqual(await get(`k${n}`), { n })
      await set(`k${n}`, { n: n + 1 })
      assert.deepEqual(await get(`k${n}`), { n: n + 1 })
      await cache.deleteDoc({ store: 's', key: `k${n}` })
      await refused(get(`k${n}`), 'KEY_NOT_FOUND')
    }
  })

  rule('close: may be repeated, and what comes after is CLOSED', async ({ cache, put, get }) => {
    await put('k0', {})
    await cache.check()
    await cache.close()
    await cache.close()
    await refused(get('k0'), 'CLOSED')
    await refused(put('late', {}), 'CLOSED')
    await refused(cache.check(), 'CLOSED')
  })

  rule('reopen: stores, values and times to live outlive a close', async ({ cache, put, pass, reopen }) => {
    if (!reopen) return
    await put('k', { n: 1 })
    await put('short', { n: 2 }, LIFE_MS)
    await cache.close()
    const again = await reopen()
    try {
      assert.deepEqual((await again.listStores({})).names, ['s'])
      assert.deepEqual(decode(await again.getDoc({ store: 's', key: 'k' })), { n: 1 })
      await pass(LIFE_MS + 1)
      await refused(again.getDoc({ store: 's', key: 'short' }), 'KEY_NOT_FOUND')
    } finally {
      await again.close()
    }
  })
}

/** One call of each method that needs an existing store. */
function storeCalls(cache: Guarded<CachePort>, store: string): (() => Promise<unknown>)[] {
  const value = {}
  const key = 'k'
  return [
    () => cache.emptyStore({ store }),
    () => cache.createDoc({ store, key, value }),
    () => cache.getDoc({ store, key }),
    () => cache.updateDoc({ store, key, value }),
    () => cache.deleteDoc({ store, key }),
    () => cache.listDocs({ store }),
    () => cache.destroyStore({ store }),
  ]
}

async function entries(listing: Promise<Page<CacheEntry>>): Promise<CacheEntry[]> {
  return (await collect(await listing)).map((entry) => decode(entry))
}

async function refused(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof HyperError, `not a HyperError: ${String(error)}`)
    assert.equal(error.code, code)
    return true
  })
}
