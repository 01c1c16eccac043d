/** hyper-api §§1.8, 1.12, 2, 6.5 with §12.1 B1, B4, B6: buckets, objects by name, and what no name can reach. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Domain, inBucket, inEmptyDomain, inWholeDomain, onSite } from './case.ts'
import { answers, leaveAfter, type Reply, refuses, send } from './http.ts'

const RELATIVE = 'cannot contain relative path parts'
const NO_BUCKET = 'bucket does not exist'
const NO_OBJECT = 'object does not exist'
const TEXT = { 'content-type': 'text/plain' }

/** Words of a file system or a database that no answer may hold (B6). */
const INSIDES = /ENOENT|EISDIR|ENOTDIR|ENAMETOOLONG|EACCES|SQLITE|\.hyper-sandbox|node_modules|\/tmp\//

function upload({ onStorage }: Domain, path: string, body: string): Promise<Reply> {
  return onStorage('POST', `/${path}`, { headers: TEXT, body })
}

async function holds({ onStorage }: Domain, path: string, body: string): Promise<void> {
  const reply = await onStorage('GET', `/${path}`)
  assert.deepEqual([reply.status, reply.text], [200, body], path)
}

async function keys({ onStorage }: Domain): Promise<string[]> {
  const reply = await onStorage('GET')
  assert.equal(reply.status, 200, reply.text)
  return (reply.json() as { objects: string[] }).objects
}

/** Every call on an object. */
async function refusesAll(domain: Domain, path: string, status: number, msg: string): Promise<void> {
  for (const reply of [
    await upload(domain, path, 'x'),
    await domain.onStorage('GET', `/${path}`),
    await domain.onStorage('DELETE', `/${path}`),
    await domain.onStorage('GET', `/${path}?useSignedUrl=true`),
    await domain.onStorage('POST', `/${path}?useSignedUrl=true`),
  ]) {
    refuses(reply, status, msg)
    assert.doesNotMatch(reply.text, INSIDES)
  }
}

export const storageCases = [
  // Buckets

  ...onSite('hyper-api 1.8: GET /storage is a banner', async ({ send }) => {
    const banner = { name: 'hyper63 Storage', version: '1.0', status: 'unstable' }
    answers(await send('GET', '/storage'), 200, banner)
    answers(await send('GET', '/storage/'), 200, banner)
    assert.equal((await send('HEAD', '/storage')).status, 200)
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) refuses(await send(method, '/storage'), 404, 'not found!')
  }),
  ...inEmptyDomain('hyper-api 1.12 O1: PUT makes a bucket', async (domain) => {
    answers(await domain.onStorage('PUT'), 201, { ok: true })
    assert.deepEqual(await keys(domain), [])
  }),
  ...inBucket('hyper-api 1.12 O1: making a bucket twice is 409 and keeps its objects', async (domain) => {
    await upload(domain, 'o', 'kept')
    refuses(await domain.onStorage('PUT'), 409, 'bucket already exists')
    await holds(domain, 'o', 'kept')
  }),
  ...inEmptyDomain('hyper-api 1.6, 1.12: the bodies of PUT and DELETE bucket are ignored', async ({ onStorage }) => {
    const bad = { headers: { 'content-type': 'application/json' }, body: '{bad' }
    answers(await onStorage('PUT', '', bad), 201, { ok: true })
    answers(await onStorage('DELETE', '', bad), 201, { ok: true })
  }),
  ...inBucket('hyper-api 1.12 O2, 6.5, corner 14: DELETE removes the bucket and all in it, 201', async (domain) => {
    await upload(domain, 'o', 'x')
    await upload(domain, 'a/b/c', 'x'.repeat(200_000))
    answers(await domain.onStorage('DELETE'), 201, { ok: true })
    assert.equal((await domain.onStorage('GET', '/o')).status, 404)
    refuses(await domain.onStorage('DELETE'), 404, NO_BUCKET)
    answers(await domain.onStorage('PUT'), 201, { ok: true })
    refuses(await domain.onStorage('GET', '/o'), 404, NO_OBJECT)
    refuses(await domain.onStorage('GET', '/a/b/c'), 404, NO_OBJECT)
  }),
  ...inBucket('hyper-api 6.5, corner 13: DELETE with a slash at the end removes the bucket', async (domain) => {
    await upload(domain, 'o', 'x')
    answers(await domain.onStorage('DELETE', '/'), 201, { ok: true })
    refuses(await domain.onStorage('DELETE'), 404, NO_BUCKET)
  }),
  ...inBucket('hyper-api 6.5: slashes alone name no object, and cost no bucket', async (domain) => {
    await upload(domain, 'o', 'kept')
    for (const path of ['//', '///', '/%2F', '/%2f%2F']) {
      const reply = await domain.onStorage('DELETE', path)
      assert.ok([400, 404].includes(reply.status), `${path}: ${reply.status}`)
      refuses(reply, reply.status)
    }
    await holds(domain, 'o', 'kept')
  }),
  ...inEmptyDomain('hyper-api 1.12, 12.3.1: every call on a missing bucket is 404', async (domain) => {
    const { onStorage } = domain
    refuses(await onStorage('DELETE'), 404, NO_BUCKET)
    refuses(await onStorage('GET'), 404, NO_BUCKET)
    refuses(await upload(domain, 'o', 'x'), 404, NO_BUCKET)
    refuses(await onStorage('GET', '/o'), 404)
    assert.equal((await onStorage('HEAD', '/o')).status, 404)
    refuses(await onStorage('DELETE', '/o'), 404)
    refuses(await onStorage('GET', '/o?useSignedUrl=true'), 404, NO_BUCKET)
    refuses(await onStorage('POST', '/o?useSignedUrl=true'), 404, NO_BUCKET)
    await onStorage('PUT')
    refuses(await onStorage('GET', '/o'), 404, NO_OBJECT)
  }),
  ...onSite('hyper-api 1.12 O1, 12.1 B4: a bucket’s name cannot lead out of storage', async ({ send }) => {
    for (const [name, msg] of [
      ['..', RELATIVE],
      ['a..b', RELATIVE],
      ['..%2Fx', RELATIVE],
      ['%2e%2e', RELATIVE],
      ['a%2Fb', 'bucket name cannot contain slashes'],
      ['%2Fetc', 'bucket name cannot contain slashes'],
      ['a%5Cb', 'bucket name cannot contain slashes'],
      ['%2e', undefined],
      ['a%00b', undefined],
      ['a'.repeat(256), undefined],
    ] as const) {
      const at = `/storage/${name.replaceAll('.', '%2e')}`
      for (const reply of [await send('PUT', at), await send('DELETE', at), await send('GET', at)]) {
        refuses(reply, 400, msg)
        assert.doesNotMatch(reply.text, INSIDES)
      }
      refuses(await send('GET', `${at}/cache.db`), 400, msg)
      refuses(await send('DELETE', `${at}/cache.db`), 400, msg)
      refuses(await send('POST', `${at}/x`, { headers: TEXT, body: 'x' }), 400, msg)
    }
  }),
  ...inWholeDomain('hyper-api 6.5, 12.1 B4: the names of databases are names like any other', async (domain) => {
    await domain.onCache('PUT', '/k', { json: { n: 1 } })
    for (const name of ['cache.db', 'data.db', 'storage.db', 'queue.db', 'search.db', 'hyper-queue.db', 'mongoms']) {
      const at = `${domain.origin}/storage/${name}`
      refuses(await send('GET', `${at}/x`), 404)
      refuses(await send('DELETE', at), 404, NO_BUCKET)
      answers(await send('PUT', at), 201, { ok: true })
      answers(await send('DELETE', at), 201, { ok: true })
    }
    answers(await domain.onCache('GET', '/k'), 200, { n: 1 })
    assert.equal((await domain.onQueue('GET', '?status=READY')).status, 200)
  }),
  ...onSite(
    'hyper-api 2.4, 6.5, corner 46: bucket names know case and take any other text',
    async ({ send, fresh }) => {
      const base = fresh()
      for (const suffix of ['', 'UP', ' space', '.dot', 'ü☃', '"quote\'', '%', '*', '_bulk', '-~$+', 'x'.repeat(200)]) {
        const at = `/storage/${encodeURIComponent(base + suffix)}`
        answers(await send('PUT', at), 201, { ok: true })
        answers(await send('POST', `${at}/o`, { headers: TEXT, body: suffix }), 201, { ok: true })
        assert.equal((await send('GET', `${at}/o`)).text, suffix)
        if (suffix !== '') answers(await send('DELETE', at), 201, { ok: true })
      }
      refuses(await send('DELETE', `/storage/${base.toUpperCase()}`), 404, NO_BUCKET)
    },
  ),

  // Objects

  ...inBucket('hyper-api 1.12 O4 and O5: an object is stored and read', async (domain) => {
    answers(await upload(domain, 'o', 'one'), 201, { ok: true })
    await holds(domain, 'o', 'one')
  }),
  ...inBucket('hyper-api 6.1: an upload replaces silently, also shorter and longer ones', async (domain) => {
    for (const body of ['one', '', 'x'.repeat(70_000), 'y', 'z'.repeat(300_000), 'end']) {
      answers(await upload(domain, 'o', body), 201, { ok: true })
      await holds(domain, 'o', body)
    }
    assert.deepEqual(await keys(domain), ['o'])
  }),
  ...inBucket('hyper-api 1.12 O6, corners 14 and 25: DELETE is 201, 404 for what is not there', async (domain) => {
    await upload(domain, 'a/o', 'x')
    answers(await domain.onStorage('DELETE', '/a/o'), 201, { ok: true })
    refuses(await domain.onStorage('GET', '/a/o'), 404, NO_OBJECT)
    refuses(await domain.onStorage('DELETE', '/a/o'), 404, NO_OBJECT)
    assert.deepEqual(await keys(domain), [])
  }),
  ...inBucket('hyper-api 12.1 B1, corner 16: what only holds objects is none itself', async (domain) => {
    await upload(domain, 'dir/sub/o', 'kept')
    for (const path of ['/', '/dir', '/dir/', '/dir/sub', '/dir/sub/', '/dir/sub/o/']) {
      refuses(await domain.onStorage('GET', path), 404, NO_OBJECT)
    }
    for (const path of ['/dir', '/dir/sub']) refuses(await domain.onStorage('DELETE', path), 404, NO_OBJECT)
    await holds(domain, 'dir/sub/o', 'kept')
  }),
  ...inBucket('hyper-api 1.12 O4: an object’s name cannot be empty or end with a slash', async (domain) => {
    refuses(await upload(domain, '', 'x'), 400)
    refuses(await upload(domain, 'x/', 'x'), 400)
    refuses(await upload(domain, 'a/b//', 'x'), 400)
    refuses(await domain.onStorage('POST', '/?useSignedUrl=true'), 400)
    assert.deepEqual(await keys(domain), [])
  }),
  ...inBucket('hyper-api 12.2 B32: whole relative segments are 400, wherever they stand', async (domain) => {
    for (const path of [
      '%2e%2e',
      '%2e%2e/x',
      'a/%2e%2e/b',
      'a/%2e%2e',
      'a/%2e./b',
      '%2e%2e%2fetc%2fpasswd',
      'a%2F..%2Fb',
      '%2e/x',
      'a/%2e/b',
      '/%2e%2e/x',
    ]) {
      await refusesAll(domain, path, 400, RELATIVE)
    }
    refuses(await domain.onStorage('POST', '/a/../b', { headers: TEXT, body: 'x' }), 400, RELATIVE)
    assert.deepEqual(await keys(domain), [])
  }),
  ...inBucket('hyper-api 12.2 B32: dots inside a segment are fine', async (domain) => {
    for (const path of ['a..b.txt', '..a', 'a..', '...', 'v1..2/x', '.hidden', 'a.']) {
      answers(await upload(domain, path, path), 201, { ok: true })
      await holds(domain, path, path)
    }
  }),
  ...inEmptyDomain('hyper-api 1.12 O4: a relative path wins over a missing bucket', async (domain) => {
    await refusesAll(domain, 'a/%2e%2e/b', 400, RELATIVE)
  }),
  ...inBucket('hyper-api 1.5, 6.5: the path is decoded once, as a whole', async (domain) => {
    for (const [path, same, key] of [
      ['a/b%20c', 'a%2fb%20%63', 'a/b c'],
      ['%C3%BC/%E2%98%83.txt', '%c3%bc%2F%e2%98%83%2etxt', 'ü/☃.txt'],
      ['a+b', 'a%2Bb', 'a+b'],
      ['%252e%252e/x', '%25%32%65%252e/x', '%2e%2e/x'],
      ['100%25', '%3100%25', '100%'],
      ['q%3Fa=1%23b', 'q%3fa%3D1%23b', 'q?a=1#b'],
      ["'%22%3Cscript%3E;--", '%27%22%3cscript%3e%3b--', '\'"<script>;--'],
      ['A', '%41', 'A'],
    ] as const) {
      answers(await upload(domain, path, key), 201, { ok: true })
      await holds(domain, same, key)
      assert.ok((await keys(domain)).includes(key), key)
    }
    refuses(await domain.onStorage('GET', '/a%20b'), 404, NO_OBJECT)
    refuses(await domain.onStorage('GET', '/a'), 404, NO_OBJECT)
  }),
  ...inBucket('hyper-api 1.5, 12.2 B14: malformed percent-encoding in an object’s name is 400', async (domain) => {
    for (const bad of ['%', '%zz', 'a/%2', '%E0%A4%A', '%ff', '%ed%a0%80']) {
      refuses(await upload(domain, bad, 'x'), 400)
      refuses(await domain.onStorage('GET', `/${bad}`), 400)
      refuses(await domain.onStorage('DELETE', `/${bad}`), 400)
    }
    assert.deepEqual(await keys(domain), [])
  }),
  ...inBucket('hyper-api 6.5: slashes in front are no part of the name', async (domain) => {
    await upload(domain, '/x', 'one')
    await holds(domain, 'x', 'one')
    await holds(domain, '//x', 'one')
    await holds(domain, '%2Fx', 'one')
    assert.deepEqual(await keys(domain), ['x'])
  }),
  ...inBucket('hyper-api 6.5: empty segments inside a name stay', async (domain) => {
    await upload(domain, 'a//b', 'two')
    await upload(domain, 'a/b', 'one')
    await holds(domain, 'a//b', 'two')
    await holds(domain, 'a/b', 'one')
  }),
  ...inBucket('hyper-api 6.5: a name may begin with another’s name', async (domain) => {
    await upload(domain, 'a', 'one')
    await upload(domain, 'a/b', 'two')
    await upload(domain, 'a/b/c', 'three')
    await holds(domain, 'a', 'one')
    await holds(domain, 'a/b', 'two')
    await domain.onStorage('DELETE', '/a')
    await holds(domain, 'a/b/c', 'three')
  }),
  ...inBucket('hyper-api 6.5: names know case, also where a file system does not', async (domain) => {
    await upload(domain, 'Name.txt', 'one')
    await upload(domain, 'name.txt', 'two')
    await holds(domain, 'Name.txt', 'one')
    await holds(domain, 'name.txt', 'two')
    refuses(await domain.onStorage('GET', '/NAME.TXT'), 404, NO_OBJECT)
  }),
  ...inBucket('hyper-api 12.1 B6: a name of 1 024 bytes is stored, a longer one or NUL is 400', async (domain) => {
    for (const key of ['k'.repeat(1024), `${'d/'.repeat(500)}end`, 'ü'.repeat(512)]) {
      answers(await upload(domain, encodeURIComponent(key), 'x'), 201, { ok: true })
      await holds(domain, encodeURIComponent(key), 'x')
    }
    for (const key of ['k'.repeat(1025), 'ü'.repeat(513), 'a\0b', '\0', 'x'.repeat(10_000)]) {
      for (const [method, query] of [
        ['POST', ''],
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '?useSignedUrl=true'],
      ] as const) {
        const reply = await domain.onStorage(method, `/${encodeURIComponent(key)}${query}`, {
          ...(method === 'POST' && { headers: TEXT, body: 'x' }),
        })
        refuses(reply, 400)
        assert.doesNotMatch(reply.text, INSIDES)
      }
    }
  }),
  ...inBucket('hyper-api 1.12: PUT and PATCH of an object have no route', async (domain) => {
    await upload(domain, 'o', 'kept')
    refuses(await domain.onStorage('PUT', '/o', { headers: TEXT, body: 'x' }), 404, 'not found!')
    refuses(await domain.onStorage('PATCH', '/o', { headers: TEXT, body: 'x' }), 404, 'not found!')
    await holds(domain, 'o', 'kept')
  }),
  ...onSite('design 8.4: buckets in both structures are the same ones', async ({ send, fresh }) => {
    const app = fresh()
    answers(await send('PUT', `/${app}/storage/default`), 201, { ok: true })
    refuses(await send('PUT', `/storage/${app}`), 409, 'bucket already exists')
    answers(await send('POST', `/${app}/storage/default/a/b`, { headers: TEXT, body: 'one' }), 201, { ok: true })
    assert.equal((await send('GET', `/storage/${app}/a/b`)).text, 'one')
    answers(await send('PUT', `/storage/${app}~shelf`), 201, { ok: true })
    answers(await send('POST', `/${app}/storage/shelf/a/b`, { headers: TEXT, body: 'two' }), 201, { ok: true })
    assert.equal((await send('GET', `/storage/${app}~shelf/a/b`)).text, 'two')
    answers(await send('DELETE', `/${app}/storage/default/a/b`), 201, { ok: true })
    refuses(await send('GET', `/storage/${app}/a/b`), 404, NO_OBJECT)
    refuses(await send('PUT', `/${app}/storage/..`), 400, RELATIVE)
  }),

  // A client that leaves

  ...inBucket('hyper-api 12.3.4: a client that leaves half-way leaves nothing', async (domain) => {
    await upload(domain, 'old', 'whole')
    const path = (name: string) => `${domain.storage}/${name}`.slice(domain.origin.length)
    const begun = (name: string, size: number) =>
      `POST ${path(name)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${size * 2}\r\n\r\n${'x'.repeat(size)}`
    const chunked = (name: string, size: number) =>
      `POST ${path(name)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`
    const form = (name: string, size: number) =>
      `POST ${path(name)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${size * 2}\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="old"\r\n\r\n${'x'.repeat(size)}`
    for (const bytes of [
      ...[10, 60_000, 500_000].flatMap((size) => [begun('old', size), begun('new', size)]),
      ...[10, 60_000, 500_000].flatMap((size) => [chunked('old', size), chunked('new', size)]),
      ...[10, 500_000].flatMap((size) => [form('', size).replace('/ HTTP', ' HTTP'), form('new', size)]),
    ]) {
      await leaveAfter(domain.origin, bytes)
    }
    await sleep(150)
    assert.deepEqual(await keys(domain), ['old'])
    await holds(domain, 'old', 'whole')
  }),
]
