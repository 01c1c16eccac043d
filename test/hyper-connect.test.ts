/** The published hyper-connect against the real command line: its data, cache and info methods (hyper-api §9). */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { connect, type Hyper } from 'hyper-connect'
import { type Sending, send } from './acceptance/http.ts'
import { serverOfThisFile } from './server-process.ts'

const server = await serverOfThisFile()

/** A client of a domain of its own, with data and cache made. */
async function fresh(): Promise<Hyper & { domain: string; address: string }> {
  const domain = `t${randomBytes(6).toString('hex')}`
  const address = `${server.url}/${domain}`
  const hyper = connect(address)
  assert.deepEqual(await hyper.data.create(), { ok: true })
  assert.deepEqual(await hyper.cache.create(), { ok: true })
  return { ...hyper, domain, address }
}

const OK = { ok: true }

test('info.services names what runs', async () => {
  assert.deepEqual(await connect(`${server.url}/any`).info.services(), {
    name: 'hyper',
    version: '1.0-beta',
    services: ['cache', 'data'],
  })
})

test('data: add, get, update and remove', async () => {
  const { data } = await fresh()
  assert.deepEqual(await data.add({ _id: 'x', n: 1 }), { ok: true, id: 'x' })
  assert.deepEqual(await data.get('x'), { ok: true, doc: { _id: 'x', n: 1 } })
  assert.deepEqual(await data.update('x', { m: 2 }), { ok: true, id: 'x' })
  assert.deepEqual(await data.get('x'), { ok: true, doc: { _id: 'x', m: 2 } })
  assert.deepEqual(await data.remove('x'), { ok: true, id: 'x' })
  const generated = await data.add({ n: 1 })
  assert.match(String(generated.id), /^c[0-9a-z]{24}$/)
})

test('data: list with every option', async () => {
  const { data } = await fresh()
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
})

test('data: query with every option', async () => {
  const { data } = await fresh()
  await data.bulk([1, 2, 3, 4].map((n) => ({ _id: `d${n}`, n, even: n % 2 === 0 })))
  assert.deepEqual(await data.query({ n: { $gt: 1 } }, { fields: ['n'], sort: [{ n: 'DESC' }], limit: 2, skip: 1 }), {
    ok: true,
    docs: [{ n: 3 }, { n: 2 }],
  })
  assert.deepEqual(await data.query({ even: true }, { useIndex: 'nope', sort: ['n'], fields: ['_id'] }), {
    ok: true,
    docs: [{ _id: 'd2' }, { _id: 'd4' }],
  })
  assert.equal(((await data.query({})).docs as unknown[]).length, 4)
  assert.equal(((await data.query(undefined)).docs as unknown[]).length, 4)
})

test('data: index by names and by objects', async () => {
  const { data } = await fresh()
  assert.deepEqual(await data.index('names', ['a', 'b']), OK)
  assert.deepEqual(await data.index('objects', [{ a: 'ASC' }, { b: 'DESC' }]), OK)
  assert.deepEqual(await data.index('names', ['a', 'b'], { a: 1 }), OK)
})

test('data: bulk answers one result per document', async () => {
  const { data } = await fresh()
  await data.add({ _id: 'gone' })
  assert.deepEqual(await data.bulk([{ _id: 'a' }, { _id: 'gone', _deleted: true }]), {
    ok: true,
    results: [
      { ok: true, id: 'a' },
      { ok: true, id: 'gone' },
    ],
  })
  assert.deepEqual(await data.bulk([]), { ok: true, results: [] })
})

test('cache: add, get, set, query and remove', async () => {
  const { cache } = await fresh()
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
})

test('cache: a ttl ends a key', async () => {
  const { cache } = await fresh()
  await cache.add('added', {}, '-1s')
  await cache.set('set', {}, '-1s')
  assert.equal((await cache.get('added')).status, 404)
  assert.equal((await cache.get('set')).status, 404)
})

test('4xx resolves with ok false and the status', async () => {
  const { data, cache } = await fresh()
  assert.deepEqual(await data.create(), { ok: false, status: 409, msg: 'database already exists' })
  assert.deepEqual(await data.get('x'), { ok: false, status: 404, msg: 'document with _id x does not exist' })
  assert.deepEqual(await data.remove('x'), { ok: false, status: 404, msg: 'document with _id x does not exist' })
  assert.deepEqual(await data.add({}), { ok: false, status: 400, msg: 'document empty' })
  assert.equal((await data.add({ _id: 5 })).status, 422)
  assert.equal((await data.query({ n: { $foo: 1 } })).status, 422)
  assert.equal((await data.bulk([{ n: 1 }])).status, 422)
  assert.deepEqual(await cache.create(), { ok: false, status: 409, msg: 'cache already exists' })
  assert.deepEqual(await cache.add('BAD', {}), { ok: false, status: 422, msg: 'key is not valid' })
  assert.equal((await cache.add('k', {}, 'abc')).status, 422)
})

test('4xx resolves for a body over the limit too', async () => {
  const { data } = await fresh()
  const result = await data.add({ _id: 'x', pad: 'x'.repeat(9 * 1024 * 1024) })
  assert.equal(result.status, 413)
})

test('5xx rejects with the body, a plain object', async () => {
  const { storage, search, queue } = await fresh()
  const calls = [
    () => storage.create(),
    () => search.create(['a']),
    () => queue.create('http://127.0.0.1:1/'),
    () => queue.enqueue({}),
  ]
  for (const call of calls) {
    await assert.rejects(call, (reason: unknown) => {
      const { ok, status, msg } = reason as Record<string, unknown>
      assert.deepEqual({ ok, status }, { ok: false, status: 503 })
      assert.match(String(msg), /--(storage|search|queue)/)
      assert.ok(!(reason instanceof Error))
      return true
    })
  }
})

test('destroy without true never reaches the server and rejects (corner 49)', async () => {
  const { data, cache } = await fresh()
  for (const destroy of [data.destroy, cache.destroy]) {
    await assert.rejects(destroy(), (reason: unknown) => {
      assert.deepEqual(reason, { ok: false, msg: 'request not confirmed!' })
      return true
    })
  }
  assert.equal((await data.list()).ok, true)
  assert.deepEqual(await data.destroy(true), OK)
  assert.deepEqual(await cache.destroy(true), OK)
  assert.deepEqual(await data.list(), { ok: false, status: 404, msg: 'database does not exist' })
  assert.deepEqual(await cache.query('*'), { ok: false, status: 404, msg: 'cache not found' })
})

test('the second argument of connect means nothing over http (corner 50)', async () => {
  const { address, data } = await fresh()
  await connect(address, 'movies').data.add({ _id: 'x' })
  assert.equal((await data.get('x')).ok, true)
})

test('an empty id vanishes from the URL: remove("") removes the whole service (§9.2, corner 13)', async () => {
  const { data, cache } = await fresh()
  assert.deepEqual(await data.remove(''), OK)
  assert.equal((await data.list()).status, 404)
  assert.deepEqual(await cache.remove(''), OK)
  assert.equal((await cache.query('*')).status, 404)
})

test('ids are not encoded by the client (§9.2)', async () => {
  const { data } = await fresh()
  await data.bulk([{ _id: 'a b' }, { _id: 'ünï☃' }, { _id: 'a/b' }, { _id: 'a+b' }])
  for (const id of ['a b', 'ünï☃', 'a+b']) assert.deepEqual(await data.get(id), { ok: true, doc: { _id: id } })
  assert.deepEqual(await data.get('a%2Fb'), { ok: true, doc: { _id: 'a/b' } })
  assert.equal((await data.get('a/b')).status, 404)
})

test('a slash at the end of the address, or no domain, is 404 (§9.2)', async () => {
  const { address } = await fresh()
  assert.equal((await connect(`${address}/`).data.get('x')).status, 404)
  assert.equal((await connect(server.url).data.get('x')).status, 404)
})

test('list({limit: undefined}) sends the text undefined: 422 (§9.8)', async () => {
  const { data } = await fresh()
  assert.deepEqual(await data.list({ limit: undefined }), {
    ok: false,
    status: 422,
    msg: "Invalid Arguments 'limit': Expected number, received string.",
  })
})

test('credentials in the address are sent as a token and accepted (§9.5)', async () => {
  const { address, data } = await fresh()
  await data.add({ _id: 'x' })
  const withCredentials = connect(address.replace('http://', 'http://key:s%2Fcret@'))
  assert.deepEqual(await withCredentials.data.get('x'), { ok: true, doc: { _id: 'x' } })
})

test('localhost reaches it (§9.8)', async () => {
  const { address, data } = await fresh()
  await data.add({ _id: 'x' })
  assert.equal((await connect(address.replace('127.0.0.1', 'localhost')).data.get('x')).ok, true)
})

test('the CommonJS build works as well (§9.8)', async () => {
  const { address } = await fresh()
  const required = createRequire(import.meta.url)('hyper-connect') as typeof import('hyper-connect')
  assert.deepEqual(await required.connect(address).data.add({ _id: 'x' }), { ok: true, id: 'x' })
})

test('values keep their odd shapes through client and server', async () => {
  const { data, cache } = await fresh()
  const value = { ok: false, status: 'teapot', nested: [{ n: 0.1 }, null, '☃😀', ''], '': 1 }
  await cache.add('k', value)
  assert.deepEqual(await cache.get('k'), { ok: true, doc: value })
  await data.add({ _id: 'x', ...value })
  assert.deepEqual(await data.get('x'), { ok: true, doc: { _id: 'x', ...value } })
})

test('cloud: every data and cache call of the method table, by plain requests (§9.3)', async () => {
  const app = `t${randomBytes(6).toString('hex')}`
  const authorization = { 'content-type': 'application/json', authorization: 'Bearer a.b.c' }
  const shaped = { ...authorization, 'x-hyper-legacy-get': 'false' }
  const data = `${server.url}/${app}/data/default`
  const cache = `${server.url}/${app}/cache/default`
  const table: [string, string, Sending, number, unknown][] = [
    ['PUT', data, {}, 201, OK],
    ['POST', data, { json: { _id: 'x', n: 1 } }, 201, { ok: true, id: 'x' }],
    ['GET', `${data}/x`, { headers: shaped }, 200, { ok: true, doc: { _id: 'x', n: 1 } }],
    ['PUT', `${data}/x`, { json: { n: 2 } }, 200, { ok: true, id: 'x' }],
    [
      'GET',
      `${data}?limit=5&startkey=a&keys=x%2Cy&descending=false`,
      {},
      200,
      { ok: true, docs: [{ _id: 'x', n: 2 }] },
    ],
    ['POST', `${data}/_query`, { json: { selector: { n: 2 }, fields: ['n'] } }, 200, { ok: true, docs: [{ n: 2 }] }],
    ['POST', `${data}/_index`, { json: { fields: ['n'], name: 'i', type: 'JSON' } }, 201, OK],
    ['POST', `${data}/_bulk`, { json: [{ _id: 'y' }] }, 201, { ok: true, results: [{ ok: true, id: 'y' }] }],
    ['DELETE', `${data}/x`, {}, 200, { ok: true, id: 'x' }],
    ['DELETE', data, {}, 200, OK],
    ['PUT', cache, {}, 201, OK],
    ['POST', cache, { json: { key: 'k', value: { n: 1 }, ttl: '1 day' } }, 201, OK],
    ['GET', `${cache}/k`, { headers: shaped }, 200, { ok: true, doc: { n: 1 } }],
    ['PUT', `${cache}/k?ttl=1+day`, { json: { n: 2 } }, 200, OK],
    ['POST', `${cache}/_query?pattern=*`, {}, 200, { ok: true, docs: [{ key: 'k', value: { n: 2 } }] }],
    ['DELETE', `${cache}/k`, {}, 200, OK],
    ['DELETE', cache, {}, 200, OK],
  ]
  for (const [method, url, sending, status, body] of table) {
    const reply = await send(method, url, { headers: authorization, ...sending })
    assert.deepEqual({ status: reply.status, body: reply.json() }, { status, body }, `${method} ${url}`)
  }
})
