/** KV and R2 bindings from inside apps, on the cache and storage services (worker-runtime §12.3). */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createSqliteCache } from '../adapters/cache/sqlite.ts'
import { createSqliteStorage } from '../adapters/storage/sqlite.ts'
import { createAppBindings } from '../server/app-bindings/bindings.ts'
import { guard } from '../server/port.ts'
import { cachePort } from '../server/ports/cache.ts'
import { storagePort } from '../server/ports/storage.ts'
import { startAppHost, type TestAppHost } from './helpers/app-host.ts'

/** Runs the body of a request as a function in the app: the body names one of the app's own, made from a test. */
const APP = (cases: Record<string, string>) => `
const cases = {${Object.entries(cases).map(([name, body]) => `${JSON.stringify(name)}: async (env) => { ${body} }`)}}
export default {
  async fetch(request, env) {
    const name = decodeURIComponent(new URL(request.url).pathname.slice(1))
    try {
      return Response.json({ value: await cases[name](env) })
    } catch (error) {
      return Response.json({ error: String(error) })
    }
  },
}`

const KV_CASES = {
  text: `await env.KV.put('Grüße/a b', 'ß 😀'); return env.KV.get('Grüße/a b')`,
  missing: `return [await env.KV.get('nothing'), (await env.KV.getWithMetadata('nothing')).value]`,
  json: `await env.KV.put('j', JSON.stringify({ n: 1 })); return env.KV.get('j', 'json')`,
  bytes: `await env.KV.put('b', new Uint8Array([0, 255, 254, 10])); return [...new Uint8Array(await env.KV.get('b', 'arrayBuffer'))]`,
  stream: `await env.KV.put('s', new Response('streamed').body); return new Response(await env.KV.get('s', 'stream')).text()`,
  large: `const text = 'x'.repeat(3_000_000); await env.KV.put('l', text); return (await env.KV.get('l')) === text`,
  metadata: `await env.KV.put('m', 'v', { metadata: { who: 'ä' } }); return env.KV.getWithMetadata('m')`,
  replaced: `await env.KV.put('r', '1', { metadata: 1 }); await env.KV.put('r', '2'); return env.KV.getWithMetadata('r')`,
  deleted: `await env.KV.put('d', '1'); await env.KV.delete('d'); await env.KV.delete('d'); return env.KV.get('d')`,
  bulk: `await env.KV.put('j', '{"n":1}'); const found = await env.KV.get(['j', 'none'], 'json'); return [...found]`,
  list: `for (const key of ['z/Z', 'z/b', 'z/a', 'z/É', 'y']) await env.KV.put(key, '1', { metadata: key })
    const one = await env.KV.list({ prefix: 'z/', limit: 3 })
    const two = await env.KV.list({ prefix: 'z/', limit: 3, cursor: one.cursor })
    return [one.keys.map((k) => k.name), one.list_complete, two.keys, two.list_complete]`,
  expires: `const at = Math.floor(Date.now() / 1000) + 90
    await env.KV.put('e', '1', { expiration: at }); await env.KV.put('t', '1', { expirationTtl: 120 })
    const { keys } = await env.KV.list({ prefix: 'e' })
    return keys[0].expiration === at && keys[0].name === 'e'`,
  expired: `return [await env.KV.get('e'), await env.KV.get('t'), (await env.KV.list({ prefix: 'e' })).keys]`,
  'too short': `await env.KV.put('e2', '1', { expirationTtl: 10 })`,
  'too much': `await env.KV.put('l', new Uint8Array(26 * 1024 * 1024))`,
  'long metadata': `await env.KV.put('m', '1', { metadata: 'x'.repeat(1100) })`,
  other: `await env.OTHER.put('mine', '1'); return env.KV.get('mine')`,
}

const R2_CASES = {
  missing: `return [await env.R2.get('nothing'), await env.R2.head('nothing')]`,
  put: `const put = await env.R2.put('a/b c.txt', 'hällo', { httpMetadata: { contentType: 'text/plain' } })
    const got = await env.R2.get('a/b c.txt')
    const head = await env.R2.head('a/b c.txt')
    return [put.key, put.size, put.etag === got.etag, await got.text(), got.httpMetadata.contentType, head.size,
      Math.abs(Date.now() - head.uploaded.getTime()) < 60_000, got.httpEtag === '"' + got.etag + '"']`,
  range: `await env.R2.put('r', '0123456789')
    const read = async (options) => { const got = await env.R2.get('r', options); return [await got.text(), got.range] }
    return [await read({ range: { offset: 2, length: 3 } }), await read({ range: { suffix: 2 } }),
      await read({ range: { offset: 8 } }), await read({ range: new Headers({ range: 'bytes=1-2' }) })]`,
  'range outside': `await env.R2.put('r', '0123456789'); await env.R2.get('r', { range: { offset: 10 } })`,
  'empty object': `await env.R2.put('empty', ''); const got = await env.R2.get('empty'); return [await got.text(), got.size]`,
  large: `const bytes = new Uint8Array(5_000_000).fill(7); await env.R2.put('l', bytes)
    const got = new Uint8Array(await (await env.R2.get('l')).arrayBuffer())
    return [got.length, got.every((byte) => byte === 7)]`,
  'conditional read': `const { etag } = await env.R2.put('c', '1')
    const same = await env.R2.get('c', { onlyIf: { etagMatches: etag } })
    const other = await env.R2.get('c', { onlyIf: { etagDoesNotMatch: etag } })
    return [await same.text(), 'body' in other && other.body !== undefined, other.key]`,
  'conditional dates': `const { uploaded } = await env.R2.put('c', '1')
    const at = (ms) => new Date(uploaded.getTime() + ms)
    const reads = async (onlyIf) => 'body' in (await env.R2.get('c', { onlyIf }))
    return [await reads({ uploadedBefore: at(9_000) }), await reads({ uploadedBefore: at(-9_000) }),
      await reads({ uploadedAfter: at(-9_000) }), await reads({ uploadedAfter: at(9_000) })]`,
  'conditional write': `const { etag } = await env.R2.put('w', '1')
    const refused = await env.R2.put('w', '2', { onlyIf: { etagMatches: 'another' } })
    const created = await env.R2.put('w', '3', { onlyIf: new Headers({ 'if-none-match': '*' }) })
    const done = await env.R2.put('w', '4', { onlyIf: { etagMatches: etag } })
    return [refused, created, done !== null, await (await env.R2.get('w')).text()]`,
  checksum: `const md5 = await crypto.subtle.digest('MD5', new TextEncoder().encode('checked'))
    await env.R2.put('m', 'checked', { md5 })
    return (await env.R2.get('m')).text()`,
  'wrong checksum': `const md5 = await crypto.subtle.digest('MD5', new TextEncoder().encode('other'))
    await env.R2.put('m2', 'checked', { md5 })`,
  'nothing kept': `return env.R2.head('m2')`,
  delete: `await env.R2.put('d1', '1'); await env.R2.put('d2', '2'); await env.R2.delete('d1'); await env.R2.delete(['d2', 'none'])
    return [await env.R2.head('d1'), await env.R2.head('d2')]`,
  list: `for (const key of ['x/1', 'x/2', 'x/dir/a', 'x/dir/b', 'x/z']) await env.R2.put(key, key)
    const all = []
    let cursor
    do {
      const page = await env.R2.list({ prefix: 'x/', delimiter: '/', limit: 2, cursor })
      all.push([page.objects.map((o) => o.key), page.delimitedPrefixes, page.truncated])
      cursor = page.truncated ? page.cursor : undefined
    } while (cursor)
    return [all, (await env.R2.list({ prefix: 'x/', startAfter: 'x/2' })).objects.map((o) => o.key)]`,
  'custom metadata': `await env.R2.put('n', '1', { customMetadata: { a: 'b' } })`,
  'much refused': `const much = new Uint8Array(5_000_000)
    const held = await env.R2.put('n', much, { onlyIf: { etagMatches: 'another' } })
    await env.R2.put('n', much, { customMetadata: { a: 'b' } }).catch((error) => error)
    return [held, await env.R2.head('n')]`,
  'other http metadata': `await env.R2.put('n', '1', { httpMetadata: { cacheControl: 'no-store' } })`,
  'odd key': `await env.R2.put('/n', '1')`,
  parts: `await env.R2.createMultipartUpload('n')`,
}

const root = mkdtempSync(join(tmpdir(), 'hyper-app-bindings-'))
let clock = 0
const services = {
  cache: guard(cachePort, createSqliteCache({ directory: root, now: () => Date.now() + clock })),
  storage: guard(storagePort, createSqliteStorage({ directory: root })),
}
const serve = createAppBindings(services, assert.ifError)
let apps: TestAppHost

before(async () => {
  apps = await startAppHost(
    {
      kv: { kv: { KV: 'values', OTHER: 'others' }, files: { 'index.js': APP(KV_CASES) } },
      r2: { r2: { R2: 'Files', SAME: 'Files' }, files: { 'index.js': APP(R2_CASES) } },
    },
    { services, host: { serve: (request, response) => void serve(request, response) } },
  )
})
after(async () => {
  await apps?.[Symbol.asyncDispose]()
  rmSync(root, { recursive: true, force: true })
})

async function run(app: 'kv' | 'r2', name: string): Promise<{ value?: unknown; error?: string }> {
  return JSON.parse((await apps.get(app, `/${encodeURIComponent(name)}`)).text)
}

async function outcome(app: 'kv' | 'r2', name: string): Promise<unknown> {
  const { value, error } = await run(app, name)
  assert.equal(error, undefined)
  return value
}

test('KV keeps text, JSON, bytes, streams and large values under any key', async () => {
  assert.equal(await outcome('kv', 'text'), 'ß 😀')
  assert.deepEqual(await outcome('kv', 'missing'), [null, null])
  assert.deepEqual(await outcome('kv', 'json'), { n: 1 })
  assert.deepEqual(await outcome('kv', 'bytes'), [0, 255, 254, 10])
  assert.equal(await outcome('kv', 'stream'), 'streamed')
  assert.equal(await outcome('kv', 'large'), true)
  assert.equal(await outcome('kv', 'deleted'), null)
  assert.deepEqual(await outcome('kv', 'bulk'), [
    ['j', { n: 1 }],
    ['none', null],
  ])
  assert.equal(await outcome('kv', 'other'), null)
})

test('KV keeps metadata with a value, and neither outlives a replacement', async () => {
  const { value, metadata } = (await outcome('kv', 'metadata')) as Record<string, unknown>
  assert.deepEqual({ value, metadata }, { value: 'v', metadata: { who: 'ä' } })
  const replaced = (await outcome('kv', 'replaced')) as Record<string, unknown>
  assert.deepEqual([replaced.value, replaced.metadata], ['2', null])
})

test('KV lists in the order of its own keys, page by page', async () => {
  assert.deepEqual(await outcome('kv', 'list'), [
    ['z/Z', 'z/a', 'z/b'],
    false,
    [{ name: 'z/É', metadata: 'z/É' }],
    true,
  ])
})

test('KV values expire when they were told to', async () => {
  assert.equal(await outcome('kv', 'expires'), true)
  clock = 100_000
  assert.deepEqual(await outcome('kv', 'expired'), [null, '1', []])
  clock = 130_000
  assert.deepEqual(await outcome('kv', 'expired'), [null, null, []])
})

test("KV refuses what Workers' KV refuses, with the reason", async () => {
  assert.match((await run('kv', 'too short')).error ?? '', /400 Invalid expiration_ttl of 10/)
  assert.match((await run('kv', 'too much')).error ?? '', /413/)
  assert.match((await run('kv', 'long metadata')).error ?? '', /413|1024/)
})

test('KV values are readable as hyper cache documents of the store', async () => {
  await outcome('kv', 'metadata')
  assert.deepEqual(
    await services.cache.getDoc({ store: 'values', key: 'kv/m' }).then((doc) => JSON.parse(JSON.stringify(doc))),
    {
      value: 'v',
      metadata: '{"who":"ä"}',
    },
  )
})

test('bindings say which service they miss', async () => {
  const without = createAppBindings({}, assert.ifError)
  await using host = await startAppHost(
    {
      kv: { kv: { KV: 'values' }, files: { 'index.js': APP(KV_CASES) } },
      r2: { r2: { R2: 'Files' }, files: { 'index.js': APP(R2_CASES) } },
    },
    { host: { serve: (request, response) => void without(request, response) } },
  )
  const error = async (app: string, name: string) => JSON.parse((await host.get(app, `/${name}`)).text).error
  assert.match(await error('kv', 'json'), /503 the cache service, which keeps it, was not started/)
  assert.match(await error('r2', 'delete'), /the storage service, which keeps it, was not started/)
})

test('R2 keeps objects with their content type, in the bucket of the storage service', async () => {
  assert.deepEqual(await outcome('r2', 'missing'), [null, null])
  assert.deepEqual(await outcome('r2', 'put'), ['a/b c.txt', 6, true, 'hällo', 'text/plain', 6, true, true])
  assert.deepEqual(await outcome('r2', 'empty object'), ['', 0])
  assert.deepEqual(await outcome('r2', 'large'), [5_000_000, true])
  assert.deepEqual(await outcome('r2', 'delete'), [null, null])
  assert.equal((await services.storage.getObject({ bucket: 'Files', object: 'a/b c.txt' })).size, 6)
})

test('R2 serves ranges, in all their forms', async () => {
  assert.deepEqual(await outcome('r2', 'range'), [
    ['234', { offset: 2, length: 3 }],
    ['89', { offset: 8, length: 2 }],
    ['89', { offset: 8, length: 2 }],
    ['12', { offset: 1, length: 2 }],
  ])
  assert.match((await run('r2', 'range outside')).error ?? '', /10039/)
})

test('R2 reads and writes under conditions', async () => {
  assert.deepEqual(await outcome('r2', 'conditional read'), ['1', false, 'c'])
  assert.deepEqual(await outcome('r2', 'conditional dates'), [true, false, true, false])
  assert.deepEqual(await outcome('r2', 'conditional write'), [null, null, true, '4'])
})

test('R2 checks the checksum it is given, and keeps nothing of what differs', async () => {
  assert.equal(await outcome('r2', 'checksum'), 'checked')
  assert.match((await run('r2', 'wrong checksum')).error ?? '', /md5.*10037/)
  assert.equal(await outcome('r2', 'nothing kept'), null)
})

test('R2 lists by prefix and delimiter, page by page, each once', async () => {
  assert.deepEqual(await outcome('r2', 'list'), [
    [
      [['x/1', 'x/2'], [], true],
      [['x/z'], ['x/dir/'], false],
    ],
    ['x/dir/a', 'x/dir/b', 'x/z'],
  ])
})

test('R2 refuses what storage would lose', async () => {
  assert.match((await run('r2', 'custom metadata')).error ?? '', /does not keep customMetadata/)
  assert.deepEqual(await outcome('r2', 'much refused'), [null, null])
  assert.match((await run('r2', 'other http metadata')).error ?? '', /does not keep httpMetadata\.cacheControl/)
  assert.match((await run('r2', 'odd key')).error ?? '', /begin with a slash/)
  assert.match((await run('r2', 'parts')).error ?? '', /put the object whole/)
})
