/** The cache port on a real Redis: the suite, what only servers show, and servers that are dead, paused, full or not for us. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { createRedisCache } from '../adapters/cache/redis.ts'
import { asRedisError } from '../adapters/shared/redis.ts'
import { HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { type Guarded, guard } from '../server/port.ts'
import { type CachePort, cachePort } from '../server/ports/cache.ts'
import { collect } from '../server/ports/common.ts'
import { cacheSuite } from './conformance/cache.ts'
import { startFreezingProxy } from './helpers/freezing-proxy.ts'
import { allUnavailable, eventually, isCode, killedUnderLoad } from './outage.ts'
import { type RealServer, startServer } from './parts/servers.ts'

const found = await startServer('redis')
if ('missing' in found) {
  test('the cache on Redis', (t) => {
    if (process.env.CI) assert.fail(found.missing)
    t.skip(found.missing)
  })
} else {
  after(() => found[Symbol.asyncDispose]())
  allOn(found)
}

function open(url: string, namespace = randomUUID()): Guarded<CachePort> {
  return guard(cachePort, createRedisCache({ url, namespace }))
}

function allOn(server: RealServer): void {
  const { url } = server

  cacheSuite({
    test,
    create: async () => {
      const namespace = randomUUID()
      return { cache: open(url, namespace), reopen: async () => open(url, namespace) }
    },
  })

  /** A cache with one store, `s`, and a client that looks at the same server. */
  async function fixture(t: TestContext) {
    const namespace = randomUUID()
    const cache = open(url, namespace)
    const client = new Redis(url).on('error', () => {})
    t.after(async () => {
      await cache.close()
      client.disconnect()
    })
    await cache.createStore({ store: 's' })
    const base = `{${namespace}:cache}:store:s`
    return {
      cache,
      client,
      namespace,
      sizes: { values: `${base}:values`, keys: `${base}:keys`, expiries: `${base}:expiries` },
    }
  }

  describe('what only a server shows', () => {
    test('two gateways see the same stores and keys, and of their races one wins', async (t) => {
      const { cache, namespace } = await fixture(t)
      const other = open(url, namespace)
      t.after(() => other.close())
      await other.createDoc({ store: 's', key: 'k', value: { n: 1 } })
      assert.deepEqual(decode(await cache.getDoc({ store: 's', key: 'k' })), { n: 1 })
      for (let round = 0; round < 20; round += 1) {
        const tries = [cache, other].flatMap((gateway) => [
          gateway.createDoc({ store: 's', key: `r${round}`, value: {} }),
          gateway.createStore({ store: `r${round}` }),
        ])
        const won = (await Promise.allSettled(tries)).map(({ status }) => status === 'fulfilled')
        assert.deepEqual([won[0] !== won[2], won[1] !== won[3]], [true, true])
      }
      await other.destroyStore({ store: 's' })
      await assert.rejects(cache.getDoc({ store: 's', key: 'k' }), isCode('STORE_NOT_FOUND'))
    })

    test('everything of ours begins with the namespace, in one hash slot', async (t) => {
      const { cache, client, namespace } = await fixture(t)
      const before = await client.keys('*')
      await cache.createDoc({ store: 's', key: 'k', value: {}, ttlMs: 60_000 })
      const made = (await client.keys('*')).filter((key) => !before.includes(key))
      assert.equal(made.length, 3)
      assert.ok(
        made.every((key) => key.startsWith(`{${namespace}:cache}:`)),
        made.join(),
      )
      await cache.destroyStore({ store: 's' })
      assert.deepEqual(
        (await client.keys('*')).filter((key) => key.includes(namespace)),
        [],
      )
    })

    test('expired entries make room as others are written', async (t) => {
      const { cache, client, sizes } = await fixture(t)
      for (let n = 0; n < 10; n += 1) await cache.createDoc({ store: 's', key: `short${n}`, value: {}, ttlMs: 20 })
      await sleep(30)
      assert.equal(await client.hlen(sizes.values), 10)
      for (let n = 0; n < 5; n += 1) await cache.updateDoc({ store: 's', key: 'k', value: {} })
      assert.deepEqual(
        [await client.hlen(sizes.values), await client.zcard(sizes.keys), await client.zcard(sizes.expiries)],
        [1, 1, 0],
      )
    })

    test('expired entries of a store that nobody writes to make room in time', async (t) => {
      t.mock.timers.enable({ apis: ['setInterval'] })
      const { cache, client, sizes } = await fixture(t)
      const writes = Array.from({ length: 1_200 }, (_, n) =>
        cache.createDoc({ store: 's', key: `short${n}`, value: {}, ttlMs: 2_000 }),
      )
      await Promise.all(writes)
      await sleep(2_100)
      t.mock.timers.tick(30_000)
      await until(async () => (await client.hlen(sizes.values)) === 0)
      assert.equal(await client.zcard(sizes.keys), 0)
    })

    test('a page looks at a few thousand keys and holds a few megabytes', async (t) => {
      const { cache } = await fixture(t)
      const value = { large: 'x'.repeat(2_000_000) }
      for (const key of ['a', 'b', 'c', 'd']) await cache.createDoc({ store: 's', key, value })
      const large = await cache.listDocs({ store: 's' })
      assert.equal(large.items.length, 3)
      assert.equal((await collect(large)).length, 4)
      await cache.emptyStore({ store: 's' })
      const many = Array.from({ length: 12_000 }, (_, n) => cache.updateDoc({ store: 's', key: `k${n}`, value: {} }))
      await Promise.all(many)
      const first = await cache.listDocs({ store: 's', pattern: '*k9999*' })
      assert.deepEqual(first.items, [])
      assert.deepEqual(
        (await collect(first)).map((entry) => decode(entry).key),
        ['k9999'],
      )
    })

    test('a pattern of many stars costs no more than its length', async (t) => {
      const { cache } = await fixture(t)
      await cache.createDoc({ store: 's', key: 'a'.repeat(5_000), value: {} })
      const listed = await cache.listDocs({ store: 's', pattern: `${'*a'.repeat(2_000)}*b*` })
      assert.deepEqual(listed.items, [])
    })

    test('times to live are the server’s, not this machine’s', async (t) => {
      const { cache } = await fixture(t)
      t.mock.timers.enable({ apis: ['Date'], now: 0 })
      await cache.createDoc({ store: 's', key: 'k', value: {}, ttlMs: 200 })
      t.mock.timers.setTime(10_000_000)
      await cache.getDoc({ store: 's', key: 'k' })
      await sleep(210)
      await assert.rejects(cache.getDoc({ store: 's', key: 'k' }), isCode('KEY_NOT_FOUND'))
    })

    test('scripts that the server has forgotten are sent again', async (t) => {
      const { cache, client } = await fixture(t)
      await cache.createDoc({ store: 's', key: 'k', value: { n: 1 } })
      await client.script('FLUSH')
      const reads = Array.from({ length: 5 }, () => cache.getDoc({ store: 's', key: 'k' }))
      for (const read of await Promise.all(reads)) assert.deepEqual(decode(read), { n: 1 })
    })
  })

  test('a connection that leads nowhere any more is left for a new one', async (t) => {
    const { cache, namespace } = await fixture(t)
    await cache.createDoc({ store: 's', key: 'k', value: { n: 1 } })
    const { hostname, port } = new URL(url)
    await using proxy = await startFreezingProxy(hostname, Number(port))
    const behind = open(url.replace(`:${port}`, `:${proxy.tcpPort}`), namespace)
    t.after(() => behind.close())
    const read = () => behind.getDoc({ store: 's', key: 'k' })
    await read()
    proxy.freeze()
    const started = performance.now()
    assert.deepEqual(decode(await eventually(read)), { n: 1 })
    assert.ok(performance.now() - started > 500, 'it was frozen')
  })

  describe('a server in trouble', { skip: !server.isOurs && 'the server is not ours to trouble' }, () => {
    test('is told from one that is not there, by its words', async (t) => {
      const { client } = await fixture(t)
      const words: Record<string, RegExp> = {
        'LOADING Redis is loading the dataset in memory': /loading its data/,
        'BUSY Redis is busy running a script.': /busy with a script/,
        'MISCONF Errors writing to the AOF file: No space left on device': /write to its disk/,
        'MOVED 3999 127.0.0.1:6381': /cluster/,
        'ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -OOM command not allowed':
          /no memory/,
        'ERR max number of clients reached': /no more connections/,
      }
      for (const [reply, expected] of Object.entries(words)) {
        const error = await client
          .eval('return redis.error_reply(ARGV[1])', 0, reply)
          .catch((thrown: unknown) => thrown)
        const told = asRedisError('Redis at here', error)
        assert.ok(isCode('BACKEND_UNAVAILABLE')(told), reply)
        assert.match((told as HyperError).message, expected)
      }
      const defect = asRedisError(
        'Redis at here',
        await client.incr('a', 'b' as never).catch((thrown: unknown) => thrown),
      )
      assert.ok(!(defect instanceof HyperError))
    })

    test('without memory, as a replica: writes are refused with the reason, reads go on', async (t) => {
      const { cache, client } = await fixture(t)
      await cache.createDoc({ store: 's', key: 'k', value: { n: 1 } })
      const troubles = [
        {
          begin: () => client.config('SET', 'maxmemory', '1'),
          end: () => client.config('SET', 'maxmemory', '0'),
          words: /no memory/,
        },
        { begin: () => client.replicaof('127.0.0.1', 1), end: () => client.replicaof('NO', 'ONE'), words: /replica/ },
      ]
      for (const { begin, end, words } of troubles) {
        await begin()
        try {
          for (const write of [cache.updateDoc, cache.createDoc]) {
            await assert.rejects(write({ store: 's', key: 'k2', value: { n: 2 } }), (error: unknown) => {
              assert.ok(isCode('BACKEND_UNAVAILABLE')(error))
              assert.match((error as HyperError).message, words)
              return true
            })
          }
          assert.deepEqual(decode(await cache.getDoc({ store: 's', key: 'k' })), { n: 1 })
        } finally {
          await end()
        }
        await assert.rejects(cache.getDoc({ store: 's', key: 'k2' }), isCode('KEY_NOT_FOUND'))
        await cache.updateDoc({ store: 's', key: 'k', value: { n: 1 } })
      }
    })

    test('a password that is wrong or missing is said, and never shown', async (t) => {
      const { host } = new URL(url)
      for (const [credentials, words] of [
        ['', /asks for a password/],
        [':s3cret@', /refuses the user or the password/],
      ] as const) {
        const cache = open(`redis://${credentials}${host}`)
        t.after(() => cache.close())
        for (const call of [() => cache.listStores({}), () => cache.check()]) {
          await assert.rejects(call(), (error: unknown) => {
            assert.ok(isCode('BACKEND_UNAVAILABLE')(error))
            assert.match((error as HyperError).message, words)
            assert.doesNotMatch(everythingOf(error), /s3cret/)
            return true
          })
        }
      }
    })

    test('one that is not there yet is waited for by nobody, and found when it is', async (t) => {
      const { cache } = await fixture(t)
      await cache.createDoc({ store: 's', key: 'k', value: { n: 1 } })
      server.kill('SIGKILL')
      await unavailable(cache)
      await server.restart()
      assert.deepEqual(decode(await eventually(() => cache.getDoc({ store: 's', key: 'k' }))), { n: 1 })
      await cache.check()
    })

    test('one that is paused fails what waits and what comes, and goes on afterwards', async (t) => {
      const { cache } = await fixture(t)
      await cache.createDoc({ store: 's', key: 'k', value: { n: 1 } })
      server.kill('SIGSTOP')
      try {
        await unavailable(cache)
        // Longer than a silent connection is kept: the next one is made while nobody answers.
        await sleep(3_500)
        await unavailable(cache)
      } finally {
        server.kill('SIGCONT')
      }
      assert.deepEqual(decode(await eventually(() => cache.getDoc({ store: 's', key: 'k' }))), { n: 1 })
    })

    test('killed and restarted under load: only acknowledgements and 503s, and what was acknowledged is there', async (t) => {
      const { cache } = await fixture(t)
      const acknowledged = await killedUnderLoad(server, async (writer, n) => {
        const key = `w${writer}-${n}`
        await cache.createDoc({ store: 's', key, value: { key } })
        return [key]
      })
      const kept = new Set((await collect(await cache.listDocs({ store: 's' }))).map((entry) => decode(entry).key))
      assert.deepEqual(
        acknowledged.filter((key) => !kept.has(key)),
        [],
      )
    })
  })
}

/** A paused server does what it was asked once it goes on. */
async function unavailable(cache: Guarded<CachePort>): Promise<void> {
  const at = { store: 's', key: 'k' }
  await allUnavailable(
    cache.createStore({ store: 'new' }),
    cache.destroyStore({ store: 'nope' }),
    cache.listStores({}),
    cache.emptyStore({ store: 'nope' }),
    cache.createDoc({ ...at, value: {} }),
    cache.getDoc(at),
    cache.updateDoc({ store: 'nope', key: 'k', value: {} }),
    cache.deleteDoc({ store: 'nope', key: 'k' }),
    cache.listDocs({ store: 's' }),
    cache.check(),
  )
}

/** All that a log could show of an error. */
function everythingOf(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error)
  return [
    error.message,
    error.stack,
    JSON.stringify({ ...error, cause: undefined }),
    everythingOf(error.cause ?? null),
  ].join()
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `not within 10 s: ${condition}`)
    await sleep(20)
  }
}
