/** Every method of the published client (hyper-api §9.3), each proved on a domain of its own, whatever the connection. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { text as readText } from 'node:stream/consumers'
import type { createHyperVerify, Hyper } from 'hyper-connect'
import { replying, until, withTarget } from '../acceptance/target.ts'

export interface Connection {
  /** A client of a domain that nobody used before. */
  fresh(): Hyper
  /** One of the same place with a wrong secret, and one with none. */
  strangers(): Hyper[]
  verify: typeof createHyperVerify
}

export interface Method {
  name: string
  /** Absent: with and without credentials. */
  only?: 'credentials'
  run(connection: Connection): Promise<void>
}

const OK = { ok: true }

async function withData({ fresh }: Connection): Promise<Hyper['data']> {
  const { data } = fresh()
  assert.deepEqual(await data.create(), OK)
  return data
}

async function withCache({ fresh }: Connection): Promise<Hyper['cache']> {
  const { cache } = fresh()
  assert.deepEqual(await cache.create(), OK)
  return cache
}

async function withStorage({ fresh }: Connection): Promise<Hyper['storage']> {
  const { storage } = fresh()
  assert.deepEqual(await storage.create(), OK)
  return storage
}

async function withSearch({ fresh }: Connection): Promise<Hyper['search']> {
  const { search } = fresh()
  assert.deepEqual(await search.create(['title', 'text'], ['title', 'year']), OK)
  return search
}

async function downloaded(storage: Hyper['storage'], name: string): Promise<string> {
  const { ok, object } = await storage.download(name)
  assert.equal(ok, true)
  return await readText(object as ReadableStream)
}

async function found(search: Hyper['search'], ...query: unknown[]): Promise<string[]> {
  const { ok, matches } = await search.query(...query)
  assert.equal(ok, true)
  return (matches as { id: string }[]).map(({ id }) => id).sort()
}

/** hyper-connect's promise rejects with a plain object. Called when awaited: one that rejects earlier ends the process. */
async function rejection(call: () => Promise<unknown>): Promise<Record<string, unknown>> {
  const reason = await call().then(
    () => assert.fail('it resolved'),
    (reason: unknown) => reason,
  )
  assert.ok(!(reason instanceof Error), String(reason))
  return reason as Record<string, unknown>
}

export const methods: readonly Method[] = [
  {
    name: 'info.services names what runs',
    async run({ fresh }) {
      assert.deepEqual(await fresh().info.services(), {
        name: 'hyper',
        version: '1.0-beta',
        services: ['cache', 'data', 'storage', 'search', 'queue'],
      })
    },
  },

  // Data

  {
    name: 'data: create and destroy',
    async run({ fresh }) {
      const { data } = fresh()
      assert.deepEqual(await data.list(), { ok: false, status: 404, msg: 'database does not exist' })
      assert.deepEqual(await data.create(), OK)
      assert.deepEqual(await data.create(), { ok: false, status: 409, msg: 'database already exists' })
      assert.deepEqual(await data.list(), { ok: true, docs: [] })
      assert.deepEqual(await data.destroy(true), OK)
      assert.deepEqual(await data.list(), { ok: false, status: 404, msg: 'database does not exist' })
    },
  },
  {
    name: 'data: add, get, update and remove',
    async run(connection) {
      const data = await withData(connection)
      assert.deepEqual(await data.add({ _id: 'x', n: 1 }), { ok: true, id: 'x' })
      assert.deepEqual(await data.get('x'), { ok: true, doc: { _id: 'x', n: 1 } })
      assert.deepEqual(await data.update('x', { m: 2 }), { ok: true, id: 'x' })
      assert.deepEqual(await data.get('x'), { ok: true, doc: { _id: 'x', m: 2 } })
      assert.deepEqual(await data.remove('x'), { ok: true, id: 'x' })
      assert.match(String((await data.add({ n: 1 })).id), /^c[0-9a-z]{24}$/)
    },
  },
  {
    name: 'data: list with every option',
    async run(connection) {
      const data = await withData(connection)
      await data.bulk(['a', 'b', 'c', 'd'].map((_id) => ({ _id })))
      const listed = async (options?: object) =>
        ((await data.list(options)).docs as { _id: string }[]).map(({ _id }) => _id).join('')
      assert.equal(await listed(), 'abcd')
      assert.equal(await listed({ limit: 2 }), 'ab')
      assert.equal(await listed({ startkey: 'b', endkey: 'c' }), 'bc')
      assert.equal(await listed({ keys: ['d', 'a', 'zz'] }), 'ad')
      assert.equal(await listed({ descending: true }), 'dcba')
      assert.equal(await listed({ descending: false }), 'abcd')
      assert.equal(await listed({ limit: 5, startkey: 'a', keys: ['c', 'b'], descending: false }), 'bc')
    },
  },
  {
    name: 'data: list({limit: undefined}) sends the text undefined: 422 (§9.8)',
    async run(connection) {
      const data = await withData(connection)
      assert.deepEqual(await data.list({ limit: undefined }), {
        ok: false,
        status: 422,
        msg: "Invalid Arguments 'limit': Expected number, received string.",
      })
    },
  },
  {
    name: 'data: query with every option',
    async run(connection) {
      const data = await withData(connection)
      await data.bulk([1, 2, 3, 4].map((n) => ({ _id: `d${n}`, n, even: n % 2 === 0 })))
      const options = { fields: ['n'], sort: [{ n: 'DESC' }], limit: 2, skip: 1 }
      assert.deepEqual(await data.query({ n: { $gt: 1 } }, options), { ok: true, docs: [{ n: 3 }, { n: 2 }] })
      assert.deepEqual(await data.query({ even: true }, { useIndex: 'nope', sort: ['n'], fields: ['_id'] }), {
        ok: true,
        docs: [{ _id: 'd2' }, { _id: 'd4' }],
      })
      assert.equal(((await data.query({})).docs as unknown[]).length, 4)
      assert.equal(((await data.query(undefined)).docs as unknown[]).length, 4)
    },
  },
  {
    name: 'data: index by names and by objects',
    async run(connection) {
      const data = await withData(connection)
      assert.deepEqual(await data.index('names', ['a', 'b']), OK)
      assert.deepEqual(await data.index('objects', [{ a: 'ASC' }, { b: 'DESC' }]), OK)
      assert.deepEqual(await data.index('names', ['a', 'b'], { a: 1 }), OK)
    },
  },
  {
    name: 'data: bulk answers one result per document',
    async run(connection) {
      const data = await withData(connection)
      await data.add({ _id: 'gone' })
      assert.deepEqual(await data.bulk([{ _id: 'a' }, { _id: 'gone', _deleted: true }]), {
        ok: true,
        results: [
          { ok: true, id: 'a' },
          { ok: true, id: 'gone' },
        ],
      })
      assert.deepEqual(await data.bulk([]), { ok: true, results: [] })
    },
  },
  {
    name: 'data: 4xx resolves with ok false and the status',
    async run(connection) {
      const data = await withData(connection)
      assert.deepEqual(await data.get('x'), { ok: false, status: 404, msg: 'document with _id x does not exist' })
      assert.deepEqual(await data.remove('x'), { ok: false, status: 404, msg: 'document with _id x does not exist' })
      assert.deepEqual(await data.add({}), { ok: false, status: 400, msg: 'document empty' })
      assert.equal((await data.add({ _id: 5 })).status, 422)
      assert.equal((await data.query({ n: { $foo: 1 } })).status, 422)
      assert.equal((await data.bulk([{ n: 1 }])).status, 422)
    },
  },
  {
    name: 'data: a body over the limit resolves with 413',
    async run(connection) {
      const data = await withData(connection)
      assert.equal((await data.add({ _id: 'x', pad: 'x'.repeat(9 * 1024 * 1024) })).status, 413)
    },
  },
  {
    name: 'data: ids are not encoded by the client (§9.2)',
    async run(connection) {
      const data = await withData(connection)
      await data.bulk([{ _id: 'a b' }, { _id: 'ünï☃' }, { _id: 'a/b' }, { _id: 'a+b' }])
      for (const id of ['a b', 'ünï☃', 'a+b']) assert.deepEqual(await data.get(id), { ok: true, doc: { _id: id } })
      assert.deepEqual(await data.get('a%2Fb'), { ok: true, doc: { _id: 'a/b' } })
      assert.equal((await data.get('a/b')).status, 404)
    },
  },

  // Cache

  {
    name: 'cache: create and destroy',
    async run({ fresh }) {
      const { cache } = fresh()
      assert.deepEqual(await cache.query('*'), { ok: false, status: 404, msg: 'cache not found' })
      assert.deepEqual(await cache.create(), OK)
      assert.deepEqual(await cache.create(), { ok: false, status: 409, msg: 'cache already exists' })
      assert.deepEqual(await cache.destroy(true), OK)
      assert.deepEqual(await cache.query('*'), { ok: false, status: 404, msg: 'cache not found' })
    },
  },
  {
    name: 'cache: add, get, set, query and remove',
    async run(connection) {
      const cache = await withCache(connection)
      assert.deepEqual(await cache.add('key-1', { n: 1 }), OK)
      assert.deepEqual(await cache.get('key-1'), { ok: true, doc: { n: 1 } })
      assert.deepEqual(await cache.set('key-1', { m: 2 }), OK)
      assert.deepEqual(await cache.get('key-1'), { ok: true, doc: { m: 2 } })
      assert.deepEqual(await cache.add('key-2', {}, '1 day'), OK)
      assert.deepEqual(await cache.set('other', {}, '1 day'), OK)
      assert.deepEqual(await cache.query('key-*'), {
        ok: true,
        docs: [
          { key: 'key-1', value: { m: 2 } },
          { key: 'key-2', value: {} },
        ],
      })
      assert.equal(((await cache.query()).docs as unknown[]).length, 3)
      assert.deepEqual(await cache.remove('key-1'), OK)
      assert.deepEqual(await cache.get('key-1'), { ok: false, status: 404, msg: 'document not found' })
    },
  },
  {
    name: 'cache: a ttl ends a key',
    async run(connection) {
      const cache = await withCache(connection)
      await cache.add('added', {}, '-1s')
      await cache.set('set', {}, '-1s')
      assert.equal((await cache.get('added')).status, 404)
      assert.equal((await cache.get('set')).status, 404)
    },
  },
  {
    name: 'cache: 4xx resolves with ok false and the status',
    async run(connection) {
      const cache = await withCache(connection)
      assert.deepEqual(await cache.add('BAD', {}), { ok: false, status: 422, msg: 'key is not valid' })
      assert.equal((await cache.add('k', {}, 'abc')).status, 422)
    },
  },
  {
    name: 'data and cache: values keep their odd shapes through client and server',
    async run(connection) {
      const [data, cache] = [await withData(connection), await withCache(connection)]
      const value = { ok: false, status: 'teapot', nested: [{ n: 0.1 }, null, '☃😀', ''], '': 1 }
      await cache.add('k', value)
      assert.deepEqual(await cache.get('k'), { ok: true, doc: value })
      await data.add({ _id: 'x', ...value })
      assert.deepEqual(await data.get('x'), { ok: true, doc: { _id: 'x', ...value } })
    },
  },

  // Storage

  {
    name: 'storage: create and destroy',
    async run({ fresh }) {
      const { storage } = fresh()
      assert.deepEqual(await storage.create(), OK)
      assert.deepEqual(await storage.create(), { ok: false, status: 409, msg: 'bucket already exists' })
      assert.deepEqual(await storage.destroy(true), OK)
      assert.deepEqual(await storage.download('x'), { ok: false, status: 404, msg: 'bucket does not exist' })
    },
  },
  {
    name: 'storage: upload, download and remove, small and large, at any depth',
    async run(connection) {
      const storage = await withStorage(connection)
      const bodies = { 'a.txt': 'hello ☃', 'deep/er/b.json': '{"n":1}', 'large.bin': 'x'.repeat(300_000), empty: '' }
      for (const [name, body] of Object.entries(bodies)) {
        assert.deepEqual(await storage.upload(name, new Blob([body]).stream()), OK, name)
        assert.equal(await downloaded(storage, name), body, name)
      }
      assert.deepEqual(await storage.upload('a.txt', Readable.from(['two ', 'pieces'])), OK)
      assert.equal(await downloaded(storage, 'a.txt'), 'two pieces')
      assert.deepEqual(await storage.remove('a.txt'), OK)
      assert.deepEqual(await storage.download('a.txt'), { ok: false, status: 404, msg: 'object does not exist' })
      assert.deepEqual(await storage.remove('a.txt'), { ok: false, status: 404, msg: 'object does not exist' })
    },
  },
  {
    name: 'storage: signedUrl for upload and for download, good without credentials',
    async run(connection) {
      const storage = await withStorage(connection)
      const upload = await storage.signedUrl('deep/a.txt', { type: 'upload' })
      assert.deepEqual(Object.keys(upload).sort(), ['ok', 'url'])
      assert.equal((await fetch(String(upload.url), { method: 'PUT', body: 'signed' })).ok, true)
      assert.equal(await downloaded(storage, 'deep/a.txt'), 'signed')
      const { url } = await storage.signedUrl('deep/a.txt', { type: 'download' })
      assert.equal(await (await fetch(String(url))).text(), 'signed')
      assert.equal((await fetch(String(url), { method: 'PUT', body: 'other' })).status, 403)
    },
  },

  // Search

  {
    name: 'search: create and destroy',
    async run({ fresh }) {
      const { search } = fresh()
      assert.deepEqual(await search.create(['title']), OK)
      assert.deepEqual(await search.create(['title']), { ok: false, status: 409, msg: 'index already exists' })
      assert.deepEqual(await search.destroy(true), OK)
      assert.deepEqual(await search.create(['title']), OK)
    },
  },
  {
    name: 'search: add, get, update and remove',
    async run(connection) {
      const search = await withSearch(connection)
      assert.deepEqual(await search.add('one', { title: 'Ghostbusters', year: 1984 }), OK)
      assert.deepEqual(await search.add('one', { title: 'again' }), {
        ok: false,
        status: 409,
        msg: 'document conflict',
      })
      assert.deepEqual(await search.get('one'), {
        ok: true,
        key: 'one',
        doc: { title: 'Ghostbusters', year: 1984, _id: 'one' },
      })
      assert.deepEqual(await search.update('one', { title: 'Gremlins' }), OK)
      assert.deepEqual(await found(search, 'ghostbusters'), [])
      assert.deepEqual(await found(search, 'gremlins'), ['one'])
      assert.deepEqual(await search.remove('one'), OK)
      assert.equal((await search.get('one')).status, 404)
      assert.equal((await search.remove('one')).status, 404)
    },
  },
  {
    name: 'search: query with fields and filter; load',
    async run(connection) {
      const search = await withSearch(connection)
      const docs = [
        { _id: 'a', title: 'the river', text: 'a boat', year: 1990 },
        { _id: 'b', title: 'a boat', text: 'the river', year: 1991 },
        { id: 'c', title: 'nothing', text: 'of it', year: 1991 },
      ]
      assert.deepEqual(await search.load(docs), { ok: true, results: ['a', 'b', 'c'].map((id) => ({ ok: true, id })) })
      assert.deepEqual(await found(search, 'River'), ['a', 'b'])
      assert.deepEqual(await found(search, 'river', { fields: ['title'] }), ['a'])
      assert.deepEqual(await found(search, 'river nothing', { filter: { year: 1991 } }), ['b', 'c'])
      assert.deepEqual(await found(search, 'river', { fields: ['title'], filter: { year: 1991 } }), [])
      const { matches } = await search.query('boat', { fields: ['title'] })
      const [match] = matches as Record<string, unknown>[]
      assert.deepEqual(
        { ...match, score: 0 },
        {
          id: 'b',
          score: 0,
          terms: ['boat'],
          queryTerms: ['boat'],
          match: { boat: ['title'] },
          title: 'a boat',
          year: 1991,
        },
      )
      assert.equal((await search.query('')).status, 422)
    },
  },

  // Queue

  {
    name: 'queue: create, enqueue and destroy; what arrives verifies with createHyperVerify (§9.7)',
    async run({ fresh, verify }) {
      const { queue } = fresh()
      const secret = 'shared ☃'
      await withTarget(replying(200), async (target) => {
        assert.deepEqual(await queue.create(target.url, secret), OK)
        assert.equal((await queue.create(target.url, secret)).status, 409)
        const job = { type: 'greet', b: 1, a: [0.1, null, 'é'] }
        const { ok, id } = await queue.enqueue(job)
        assert.deepEqual([ok, typeof id], [true, 'number'])
        const [delivery] = await target.received(1)
        const { headers, body = '' } = delivery ?? {}
        const signature = String(headers?.['x-hyper-signature'])
        assert.deepEqual(JSON.parse(body), job)
        assert.deepEqual(verify(secret, '1m')(signature, JSON.parse(body)), OK)
        assert.deepEqual(verify('another', '1m')(signature, JSON.parse(body)), {
          ok: false,
          status: 401,
          message: 'Unauthorized',
        })
        assert.equal(verify(secret, '1m')(signature, { ...JSON.parse(body), b: 2 }).ok, false)
        assert.deepEqual(await queue.destroy(true), OK)
        assert.equal((await queue.enqueue({})).status, 404)
      })
    },
  },
  {
    name: 'queue: queued and errors list jobs',
    async run({ fresh }) {
      const { queue } = fresh()
      let refuse = () => {}
      const held = new Promise<void>((resolve) => {
        refuse = resolve
      })
      // 400 is never tried again.
      await withTarget(
        (reply) => void held.then(() => reply.writeHead(400).end('no eels')),
        async (target) => {
          await queue.create(target.url)
          const { id } = await queue.enqueue({ n: 1 })
          await target.received(1)
          const { jobs: waiting } = (await queue.queued()) as { jobs: { id: unknown; job: unknown; status: string }[] }
          assert.deepEqual(
            waiting.map(({ id, job, status }) => ({ id, job, status })),
            [{ id, job: { n: 1 }, status: 'READY' }],
          )
          assert.deepEqual(await queue.errors(), { ok: true, jobs: [] })
          refuse()
          await until('the job has failed', async () => ((await queue.errors()).jobs as unknown[]).length === 1)
          const { jobs: failed } = (await queue.errors()) as { jobs: { id: unknown; status: string; error: string }[] }
          assert.deepEqual([failed[0]?.id, failed[0]?.status], [id, 'ERROR'])
          assert.match(failed[0]?.error ?? '', /no eels/)
          assert.deepEqual(await queue.queued(), { ok: true, jobs: [] })
        },
      )
    },
  },

  // All

  {
    name: 'destroy without true never reaches the server and rejects (corner 49)',
    async run(connection) {
      const { data, cache, storage, search, queue } = connection.fresh()
      await data.create()
      for (const { destroy } of [data, cache, storage, search, queue])
        assert.deepEqual(await rejection(() => destroy()), { ok: false, msg: 'request not confirmed!' })
      assert.equal((await data.list()).ok, true)
    },
  },
  {
    name: 'an empty id vanishes from the URL: remove("") removes the whole service (§9.2, corner 13)',
    async run(connection) {
      const { data, cache, storage, search } = connection.fresh()
      await Promise.all([data.create(), cache.create(), storage.create(), search.create(['a'])])
      for (const { remove } of [data, cache, storage, search]) assert.deepEqual(await remove(''), OK)
      assert.equal((await data.list()).status, 404)
      assert.equal((await cache.query('*')).status, 404)
      assert.equal((await storage.download('x')).status, 404)
      assert.deepEqual(await search.create(['a']), OK)
    },
  },
  {
    name: 'without the right secret every call resolves with 401 and does nothing (§9.5)',
    only: 'credentials',
    async run({ strangers }) {
      const refusal = { ok: false, status: 401, msg: 'not authorized' }
      for (const { data, cache, storage, search, queue, info } of strangers()) {
        const calls = [
          () => info.services(),
          ...[data, cache, storage, search, queue].map(
            ({ destroy }) =>
              () =>
                destroy(true),
          ),
          ...[data, cache, storage].map(
            ({ create }) =>
              () =>
                create(),
          ),
          () => search.create(['a']),
          () => queue.create('http://127.0.0.1:9/'),
          () => data.list(),
          () => data.add({ _id: 'x' }),
          () => cache.get('x'),
          () => storage.upload('x', new Blob(['x'.repeat(300_000)]).stream()),
          () => storage.download('x'),
          () => storage.signedUrl('x', { type: 'download' }),
          () => search.query('x'),
          () => queue.enqueue({}),
        ]
        for (const call of calls) assert.deepEqual(await call(), refusal, String(call))
      }
    },
  },
]
