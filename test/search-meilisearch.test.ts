/** The search port on a real Meilisearch: the suite, what Meilisearch does otherwise by itself, several gateways, and faults. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Meilisearch } from 'meilisearch'
import { createMeilisearchSearch } from '../adapters/search/meilisearch.ts'
import { type ErrorCode, HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { type Guarded, guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type Match, type SearchPort, searchPort } from '../server/ports/search.ts'
import { searchSuite } from './conformance/search.ts'
import { allUnavailable, eventually, killedUnderLoad } from './outage.ts'
import { type RealServer, startServer } from './parts/servers.ts'

type Search = Guarded<SearchPort>

// Far below Meilisearch's own 100 MB, so that there is something it does not take.
process.env.MEILI_HTTP_PAYLOAD_SIZE_LIMIT ??= '5MB'

const server = await startServer('meilisearch')
if ('missing' in server) test('search on Meilisearch', { skip: server.missing }, () => {})
else run(server)

function run(server: RealServer): void {
  after(() => server[Symbol.asyncDispose]())
  const { url, key = '' } = server
  const raw = new Meilisearch({ host: url, apiKey: key })
  const fresh = () => `test-${randomBytes(6).toString('hex')}`
  const open = (namespace: string) => guard(searchPort, createMeilisearchSearch({ url, key, namespace }))

  /** `gateways` share a namespace of their own, and an index `i` in it. */
  async function among(count: number, work: (gateways: Search[], namespace: string) => Promise<void>): Promise<void> {
    const namespace = fresh()
    const gateways = Array.from({ length: count }, () => open(namespace))
    try {
      await gateways[0]?.createIndex({ index: 'i', mappings: { fields: ['text'], storeFields: ['n'] } })
      await work(gateways, namespace)
    } finally {
      await Promise.all(gateways.map((gateway) => gateway.close()))
    }
  }

  const alone = (work: (search: Search, namespace: string) => Promise<void>) => () =>
    among(1, ([search], namespace) => work(search as Search, namespace))
  const inPair = (work: (a: Search, b: Search, namespace: string) => Promise<void>) => () =>
    among(2, ([a, b], namespace) => work(a as Search, b as Search, namespace))

  /** Meilisearch's names of the indexes that are ours. */
  async function indexesOf(namespace: string): Promise<string[]> {
    const { results } = await raw.getRawIndexes({ limit: 10_000 })
    return results.map(({ uid }) => uid).filter((uid) => uid.startsWith(namespace))
  }

  async function theIndexOf(namespace: string): Promise<string> {
    const found = (await indexesOf(namespace)).filter((uid) => uid !== `${namespace}-catalogue`)
    assert.equal(found.length, 1)
    return found[0] as string
  }

  /** Keeps Meilisearch's queue busy with documents of another index. */
  async function keepBusy(): Promise<number> {
    const documents = Array.from({ length: 4_000 }, (_, id) => ({ id, text: randomBytes(400).toString('hex') }))
    const { taskUid } = await raw.index(fresh()).addDocuments(documents, { primaryKey: 'id' })
    return taskUid
  }

  searchSuite({
    test,
    create: async () => {
      const namespace = fresh()
      return { search: open(namespace), reopen: async () => open(namespace) }
    },
  })

  describe("Meilisearch's own rules", { concurrency: false }, () => {
    test(
      'filters: no text of a query is part of one',
      alone(async (search) => {
        await search.indexDoc({ index: 'i', key: 'k', doc: { text: 'one' } })
        for (const query of ['"] OR id EXISTS OR words IN ["', "x' OR hash EXISTS", '\\" OR \\"', '$x | y = z']) {
          assert.deepEqual(await found(search, query), [], query)
        }
        await refused(search.getDoc({ index: 'i', key: '"] OR id EXISTS OR hash IN ["' }), 'SEARCH_DOCUMENT_NOT_FOUND')
      }),
    )

    test(
      'names: two namespaces on one server see nothing of each other',
      alone(async (search) => {
        const other = open(fresh())
        assert.deepEqual(await other.listIndexes({}), { names: [] })
        await refused(other.query({ index: 'i', q: { query: 'one' } }), 'SEARCH_INDEX_NOT_FOUND')
        await other.createIndex({ index: 'i', mappings: { fields: ['text'] } })
        await other.indexDoc({ index: 'i', key: 'k', doc: { text: 'one' } })
        assert.deepEqual(await found(search, 'one'), [])
        await other.deleteIndex({ index: 'i' })
        assert.deepEqual((await search.listIndexes({})).names, ['i'])
      }),
    )

    test(
      'tasks: writes made at the same time share them',
      alone(async (search, namespace) => {
        const keys = Array.from({ length: 300 }, (_, n) => `k${n}`)
        await Promise.all(keys.map((key) => search.indexDoc({ index: 'i', key, doc: { text: 'word' } })))
        const { total } = await raw.tasks.getTasks({
          indexUids: [await theIndexOf(namespace)],
          types: ['documentAdditionOrUpdate'],
        })
        assert.ok(total <= 5, `${total} tasks`)
        assert.equal((await found(search, 'word')).length, 300)
      }),
    )

    test(
      'tasks: one that waits behind others is slow, not dead',
      alone(async (search) => {
        const other = await keepBusy()
        await search.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } })
        assert.equal((await raw.tasks.getTask(other)).status, 'succeeded')
        assert.deepEqual(await found(search, 'word'), ['k'])
      }),
    )

    test(
      'tasks: one that fails is an error, and nothing of it is there',
      alone(async (search, namespace) => {
        await search.indexDoc({ index: 'i', key: 'old', doc: { text: 'word' } })
        await keepBusy()
        const writing = refused(search.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } }), 'BACKEND_UNAVAILABLE')
        const indexUids = [await theIndexOf(namespace)]
        while ((await raw.tasks.getTasks({ indexUids, statuses: ['enqueued'] })).total === 0) await sleep(5)
        await raw.tasks.cancelTasks({ indexUids, statuses: ['enqueued'] })
        await writing
        assert.deepEqual(await found(search, 'word'), ['old'])
        await search.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } })
        assert.deepEqual(await found(search, 'word'), ['k', 'old'])
      }),
    )

    test(
      'payload: more than it takes at once is PAYLOAD_TOO_LARGE',
      { skip: !server.isOurs && 'its limit is not ours' },
      alone(async (search) => {
        const docs = Array.from({ length: 3 }, (_, n) => ({ id: `k${n}`, other: 'x'.repeat(2_000_000) }))
        await refused(search.bulk({ index: 'i', docs }), 'PAYLOAD_TOO_LARGE')
        assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 0 })
        await Promise.all(docs.map(({ id, ...doc }) => search.indexDoc({ index: 'i', key: id, doc })))
        assert.deepEqual(await search.emptyIndex({ index: 'i' }), { count: 3 })
      }),
    )

    test(
      'close: what was accepted is finished',
      alone(async (search, namespace) => {
        const keys = Array.from({ length: 20 }, (_, n) => `k${n}`)
        const adding = keys.map((key) => search.indexDoc({ index: 'i', key, doc: { text: 'word' } }))
        await sleep(20)
        await Promise.all([search.close(), ...adding])
        const again = open(namespace)
        assert.deepEqual(await found(again, 'word'), keys.sort())
      }),
    )
  })

  describe('several gateways', { concurrency: false }, () => {
    test(
      'an index made by both at the same time is made once',
      inPair(async (a, b, namespace) => {
        for (let round = 0; round < 3; round += 1) {
          const index = `round ${round}`
          const tries = [a, b, a, b].map((gateway, n) =>
            gateway.createIndex({ index, mappings: { fields: [`f${n}`] } }),
          )
          const won = await winners(tries, 'SEARCH_INDEX_EXISTS')
          assert.equal(won.length, 1)
          await b.indexDoc({ index, key: 'k', doc: { f0: 'w0', f1: 'w1', f2: 'w2', f3: 'w3' } })
          const [match] = await matches(a, 'w0 w1 w2 w3', index)
          assert.deepEqual(match?.terms, [`w${won[0]}`])
        }
        // The catalogue, `i`, and one for each round.
        assert.equal((await indexesOf(namespace)).length, 5)
      }),
    )

    test(
      'a key added by both at the same time is added once, and everywhere the same',
      inPair(async (a, b) => {
        const races = Array.from({ length: 20 }, (_, k) =>
          winners(
            [a, b, a, b].map((gateway, n) =>
              gateway.indexDoc({ index: 'i', key: `k${k}`, doc: { n, text: `word w${n}` } }),
            ),
            'SEARCH_DOCUMENT_EXISTS',
          ),
        )
        for (const [k, won] of (await Promise.all(races)).entries()) {
          assert.equal(won.length, 1, `${won.length} have added k${k}`)
          for (const gateway of [a, b]) {
            assert.equal(decode((await gateway.getDoc({ index: 'i', key: `k${k}` })).doc).n, won[0])
            assert.ok((await found(gateway, `w${won[0]}`)).includes(`k${k}`))
          }
        }
        assert.equal((await matches(a, 'word')).length, 20)
        assert.deepEqual(await b.emptyIndex({ index: 'i' }), { count: 20 })
      }),
    )

    test(
      'of bulks that share a key, one is added, whole',
      inPair(async (a, b) => {
        const bulk = (gateway: Search, name: string) =>
          gateway.bulk({ index: 'i', docs: ['shared', `${name}1`, `${name}2`].map((id) => ({ id, text: name })) })
        const won = await winners([bulk(a, 'a'), bulk(b, 'b')], 'SEARCH_DOCUMENT_EXISTS')
        assert.equal(won.length, 1)
        const name = won[0] === 0 ? 'a' : 'b'
        assert.deepEqual(await found(a, 'a b'), ['shared', `${name}1`, `${name}2`].sort())
      }),
    )

    test(
      'an update does not bring back what another gateway removes',
      inPair(async (a, b) => {
        for (let round = 0; round < 5; round += 1) {
          await a.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } })
          const updating = a.updateDoc({ index: 'i', key: 'k', doc: { text: 'word' } }).catch(ignoreMissing)
          await b.removeDoc({ index: 'i', key: 'k' })
          await updating
          await refused(a.getDoc({ index: 'i', key: 'k' }), 'SEARCH_DOCUMENT_NOT_FOUND')
        }
        assert.deepEqual(await found(b, 'word'), [])
      }),
    )

    test(
      'an index that another gateway removes is missing here too, and no write brings it back',
      inPair(async (a, b, namespace) => {
        for (let round = 0; round < 3; round += 1) {
          await b.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } })
          const writing = Array.from({ length: 5 }, (_, n) =>
            b.indexDoc({ index: 'i', key: `late ${n}`, doc: { text: 'word' } }).catch(ignoreMissing),
          )
          await a.deleteIndex({ index: 'i' })
          await refused(b.getDoc({ index: 'i', key: 'k' }), 'SEARCH_INDEX_NOT_FOUND')
          await refused(b.query({ index: 'i', q: { query: 'word' } }), 'SEARCH_INDEX_NOT_FOUND')
          await refused(b.bulk({ index: 'i', docs: [] }), 'SEARCH_INDEX_NOT_FOUND')
          await refused(b.emptyIndex({ index: 'i' }), 'SEARCH_INDEX_NOT_FOUND')
          await Promise.all(writing)
          assert.deepEqual(await indexesOf(namespace), [`${namespace}-catalogue`])
          await a.createIndex({ index: 'i', mappings: { fields: ['other'] } })
          await b.indexDoc({ index: 'i', key: 'new', doc: { text: 'word', other: 'thing' } })
          assert.deepEqual(await found(b, 'word thing'), ['new'])
          assert.deepEqual((await matches(b, 'word thing'))[0]?.terms, ['thing'])
        }
      }),
    )

    test(
      'a write that the server takes after the end of its index does not bring that back',
      alone(async (search, namespace) => {
        await search.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } })
        const uid = await theIndexOf(namespace)
        await keepBusy()
        // As another gateway removes it; until the server has come to that, it looks as if it were there.
        await raw.index(`${namespace}-catalogue`).deleteAllDocuments()
        await raw.deleteIndex(uid)
        await refused(search.indexDoc({ index: 'i', key: 'late', doc: { text: 'word' } }), 'SEARCH_INDEX_NOT_FOUND')
        assert.deepEqual(await indexesOf(namespace), [`${namespace}-catalogue`])
      }),
    )

    test(
      'what a gateway left that was killed between adding and looking counts for nothing',
      inPair(async (a, b, namespace) => {
        await a.indexDoc({ index: 'i', key: 'k', doc: { text: 'first word' } })
        const index = raw.index(await theIndexOf(namespace))
        const [record] = (await index.getDocuments()).results
        assert.ok(record)
        for (const label of ['0000000000000000', 'ffffffffffffffff']) {
          const doc = '{"_id":"k","text":"later"}'
          const later = { ...record, id: `${record.hash}-${label}`, words: ['0:later', '0:word'], doc }
          await index.addDocuments([later], { customMetadata: label }).waitTask({ timeout: 0 })
        }
        for (const gateway of [a, b]) {
          assert.equal(decode((await gateway.getDoc({ index: 'i', key: 'k' })).doc).text, 'first word')
          assert.deepEqual(await found(gateway, 'word'), ['k'])
          await refused(gateway.indexDoc({ index: 'i', key: 'k', doc: {} }), 'SEARCH_DOCUMENT_EXISTS')
        }
        await b.updateDoc({ index: 'i', key: 'k', doc: { text: 'second word' } })
        assert.deepEqual(await found(a, 'later first'), [])
        assert.deepEqual(await found(a, 'second'), ['k'])
        await a.removeDoc({ index: 'i', key: 'k' })
        assert.deepEqual(await b.emptyIndex({ index: 'i' }), { count: 0 })
      }),
    )
  })

  describe('a server that goes away', { concurrency: false, skip: !server.isOurs && 'it is not ours to kill' }, () => {
    test(
      'one that is gone fails everything at once, and is found when it is back',
      alone(async (search) => {
        await search.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } })
        server.kill('SIGKILL')
        await unavailable(search)
        await server.restart()
        await eventually(() => search.check())
        assert.deepEqual(await found(search, 'word'), ['k'])
      }),
    )

    test(
      'one that is paused fails what waits and what comes, and goes on afterwards',
      alone(async (search) => {
        await search.indexDoc({ index: 'i', key: 'k', doc: { text: 'word' } })
        server.kill('SIGSTOP')
        try {
          await unavailable(search)
          await unavailable(search)
        } finally {
          server.kill('SIGCONT')
        }
        assert.deepEqual(await eventually(() => found(search, 'word')), ['k'])
        await eventually(() => search.updateDoc({ index: 'i', key: 'k', doc: { text: 'other' } }))
      }),
    )

    test('a gateway may start before it', async () => {
      server.kill('SIGKILL')
      const search = open(fresh())
      await search.open()
      await refused(search.check(), 'BACKEND_UNAVAILABLE')
      await server.restart()
      await eventually(() => search.createIndex({ index: 'i', mappings: { fields: ['text'] } }))
      assert.deepEqual(await search.listIndexes({}), { names: ['i'] })
      await search.close()
    })

    test(
      'killed and restarted under load: only acknowledgements and 503s, and what was acknowledged is there',
      alone(async (search) => {
        const acknowledged = await killedUnderLoad(server, async (writer, n) => {
          const key = `w${writer}-${n}`
          await search.indexDoc({ index: 'i', key, doc: { text: 'word' } })
          return [key]
        })
        const kept = new Set(await found(search, 'word'))
        assert.deepEqual(
          acknowledged.filter((key) => !kept.has(key)),
          [],
        )
      }),
    )
  })

  test('key: a wrong one is said to be, and by no message told', async () => {
    for (const wrong of ['a-wrong-secret', '']) {
      const search = guard(searchPort, createMeilisearchSearch({ url, key: wrong }))
      const calls = [() => search.check(), () => search.listIndexes({}), () => search.getDoc({ index: 'i', key: 'k' })]
      for (const call of calls) {
        const error = await call().then(
          () => assert.fail('accepted'),
          (error: HyperError) => error,
        )
        assert.equal(error.code, 'BACKEND_UNAVAILABLE')
        assert.match(error.message, /^Meilisearch at 127\.0\.0\.1:\d+ refuses the key$/)
        assert.match(error.hint ?? '', /services\.search\.key/)
        assert.ok(wrong === '' || !`${error.stack}${JSON.stringify(error)}`.includes(wrong))
      }
      await search.close()
    }
  })

  test("key: may be the URL's password", async () => {
    const withPassword = new URL(url)
    withPassword.password = key
    await guard(searchPort, createMeilisearchSearch({ url: withPassword.href, namespace: fresh() })).check()
  })

  test('another kind of server is unavailable, not a crash', async () => {
    const search = guard(searchPort, createMeilisearchSearch({ url: `${url}/nothing/here`, key }))
    await refused(search.check(), 'BACKEND_UNAVAILABLE')
    await refused(search.listIndexes({}), 'BACKEND_UNAVAILABLE')
  })
}

async function matches(search: Search, query: string, index = 'i'): Promise<Match[]> {
  return (await collect(await search.query({ index, q: { query } }))).map((match) => decode(match))
}

/** Keys of the matches, in no order. */
async function found(search: Search, query: string): Promise<string[]> {
  return (await matches(search, query)).map(({ id }) => id).sort()
}

/** Which of them were fulfilled; all others must fail with that code. */
async function winners(tries: Promise<unknown>[], code: ErrorCode): Promise<number[]> {
  const outcomes = await Promise.allSettled(tries)
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal(outcome.reason.code, code)
  return outcomes.flatMap(({ status }, n) => (status === 'fulfilled' ? [n] : []))
}

async function refused(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof HyperError, `not a HyperError: ${String(error)}`)
    assert.equal(error.code, code, String(error.cause ?? error))
    return true
  })
}

function ignoreMissing(error: HyperError): void {
  assert.equal(error.status, 404, error.message)
}

/** Every method fails within two seconds, all asked at once. A paused server does what it was asked once it goes on. */
async function unavailable(search: Search): Promise<void> {
  const at = { index: 'i', key: 'other' }
  await allUnavailable(
    search.createIndex({ index: 'new', mappings: { fields: [] } }),
    search.deleteIndex({ index: 'nope' }),
    search.listIndexes({}),
    search.emptyIndex({ index: 'nope' }),
    search.indexDoc({ ...at, doc: {} }),
    search.getDoc(at),
    search.updateDoc({ ...at, doc: {} }),
    search.removeDoc(at),
    search.bulk({ index: 'i', docs: [{ id: 'bulk' }] }),
    search.bulk({ index: 'i', docs: [] }),
    search.query({ index: 'i', q: { query: 'word' } }),
    search.check(),
  )
}
