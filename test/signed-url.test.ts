/** Signed URLs (hyper-api §6.4): good for one object, one method and a while, in one spelling. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pino } from 'pino'
import { createSqliteStorage } from '../adapters/storage/sqlite.ts'
import { buildApp } from '../server/app.ts'
import { guard } from '../server/port.ts'
import { type StoragePort, storagePort } from '../server/ports/storage.ts'
import { createSigner } from '../server/signed-url.ts'
import { type Listener, listen } from '../server/start.ts'
import { refuses, type Sending, send } from './acceptance/http.ts'

const key = Buffer.alloc(32, 7)
const NAME = "a b/ü+%2e(1)'/x.txt"

let directory: string
const storage = () => guard<StoragePort>(storagePort, createSqliteStorage({ directory }))
let shared: ReturnType<typeof storage>
let gateway: Listener
let other: Listener
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hyper-sandbox-test-'))
  shared = storage()
  gateway = await start(key)
  other = await start(key)
  await shared.makeBucket({ bucket: 'b' })
})
after(async () => {
  await gateway.close()
  await other.close()
  await shared.close()
  await rm(directory, { recursive: true, force: true })
})

async function start(signingKey: Uint8Array): Promise<Listener> {
  const options = { services: { storage: shared }, logger: pino({ level: 'silent' }), version: '0', instance: 'i' }
  return listen(buildApp({ ...options, signingKey }), '127.0.0.1', 0)
}

async function signed(method: 'GET' | 'POST', sending: Sending = {}, name = NAME): Promise<string> {
  const path = name.split('/').map(encodeURIComponent).join('/')
  const reply = await send(method, `${gateway.url}/storage/b/${path}?useSignedUrl=true`, sending)
  assert.equal(reply.status, method === 'GET' ? 200 : 201)
  const { ok, url } = reply.json() as { ok: boolean; url: string }
  assert.equal(ok, true)
  assert.equal(new URL(url).href, url, 'a URL as clients write it')
  return url
}

const body = 'hello'
const upload = { headers: { 'content-type': 'text/x-mine' }, body }

test('an object is put and got by signed URLs, with its type, on any gateway that has the key', async () => {
  const put = await signed('POST', {}, 'plain')
  assert.deepEqual((await send('PUT', put, upload)).json(), { ok: true })
  const url = await signed('GET', {}, 'plain')
  for (const address of [url, url.replace(gateway.url, other.url)]) {
    const reply = await send('GET', address)
    assert.deepEqual(
      [reply.status, reply.text, reply.headers['content-type']],
      [200, body, 'text/x-mine; charset=UTF-8'],
    )
  }
  const head = await send('HEAD', url)
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '5'])
  assert.equal((await send('GET', url, { headers: { range: 'bytes=1-2' } })).text, 'el')
  assert.equal((await send('GET', url, { headers: { 'if-none-match': String(head.headers.etag) } })).status, 304)
  const stranger = await start(Buffer.alloc(32, 8))
  refuses(await send('GET', url.replace(gateway.url, stranger.url)), 403)
  await stranger.close()
})

test('it names the host and scheme that the client used', async () => {
  const url = `${gateway.url}/storage/b/x?useSignedUrl=true`
  const { url: made } = (await send('GET', url, { headers: { host: 'sandbox.localhost:1234' } })).json() as {
    url: string
  }
  assert.match(made, /^http:\/\/sandbox\.localhost:1234\/_signed\//)
})

test('the bucket must exist when it is signed and when it is used; the object need not', async () => {
  refuses(await send('GET', `${gateway.url}/storage/none/x?useSignedUrl=true`), 404, 'bucket does not exist')
  refuses(await send('POST', `${gateway.url}/storage/none/x?useSignedUrl=true`), 404, 'bucket does not exist')
  refuses(await send('GET', `${gateway.url}/storage/b/..?useSignedUrl=true`), 400)
  refuses(await send('GET', await signed('GET', {}, 'never-put')), 404, 'object does not exist')
  await shared.makeBucket({ bucket: 'brief' })
  const { url } = (await send('POST', `${gateway.url}/storage/brief/x`)).json() as { url: string }
  await shared.removeBucket({ bucket: 'brief' })
  refuses(await send('PUT', url, upload), 404, 'bucket does not exist')
})

test('altered in any byte it is refused, and nothing is stored', async () => {
  const before = (await shared.listObjects({ bucket: 'b', prefix: undefined, startAfter: undefined })).items.length
  for (const [method, url] of [
    ['PUT', await signed('POST')],
    ['GET', await signed('GET')],
  ] as const) {
    const path = url.slice(gateway.url.length)
    const sending = method === 'PUT' ? upload : {}
    const spellings = new Set<string>()
    for (let at = 1; at < path.length; at++) {
      const code = path.charCodeAt(at)
      const others = [code + 1, code - 1, code ^ 0x20, code ^ 1, 0x25, 0x2e, 0x2f, 0x2b].map((c) =>
        String.fromCharCode(c),
      )
      for (const character of others) {
        // A fragment is no part of what is sent, and no request line holds a space.
        if (/[!-~]/.test(character) && character !== '#' && character !== path[at]) {
          spellings.add(path.slice(0, at) + character + path.slice(at + 1))
        }
      }
      const escaped = `%${code.toString(16).padStart(2, '0')}`
      spellings.add(path.slice(0, at) + escaped + path.slice(at + 1))
      spellings.add(path.slice(0, at) + path.slice(at + 1))
    }
    for (const added of ['?', '?x=1', '/', '&', '%20', '.', '%00']) spellings.add(path + added)
    spellings.add(path.replace('%C3%BC', '%c3%bc'))
    spellings.add(path.replace('%C3%BC', 'u%CC%88'))
    spellings.add(path.replace('_signed/', '_signed//'))
    assert.ok(spellings.size > 800)
    for (const spelling of spellings) {
      const reply = await send(method, gateway.url + spelling, sending)
      assert.ok([400, 403, 404].includes(reply.status), `${reply.status} ${spelling}`)
      if (spelling.toLowerCase().startsWith('/_signed/') && reply.status !== 400)
        assert.equal(reply.status, 403, spelling)
    }
  }
  const now = (await shared.listObjects({ bucket: 'b', prefix: undefined, startAfter: undefined })).items.length
  assert.equal(now, before)
})

test('with another method it is refused', async () => {
  const put = await signed('POST')
  const get = await signed('GET')
  for (const method of ['GET', 'HEAD', 'POST', 'DELETE', 'PATCH']) {
    assert.equal((await send(method, put, method === 'POST' ? upload : {})).status, 403, method)
  }
  for (const method of ['PUT', 'POST', 'DELETE', 'PATCH']) {
    refuses(await send(method, get, method === 'DELETE' ? {} : upload), 403, /good for GET, not for/)
  }
  refuses(await send('PUT', put.replace('/PUT/', '/GET/'), upload), 403)
})

test('a browser may ask first', async () => {
  const reply = await send('OPTIONS', await signed('POST'), {
    headers: { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type' },
  })
  assert.equal(reply.status, 204)
  assert.match(String(reply.headers['access-control-allow-methods']), /PUT/)
})

test('an upload is good for five minutes, a download for an hour, and then says that it has expired', async () => {
  const target = { bucket: 'b', object: 'plain' }
  for (const [method, seconds] of [
    ['PUT', 300],
    ['GET', 3600],
  ] as const) {
    let now = 1_700_000_000_000
    const signer = createSigner(key, () => now)
    const path = signer.sign({ ...target, method })
    now += seconds * 1000 - 1
    assert.deepEqual(signer.verify(method, path), { ...target, method })
    now += 1
    assert.throws(() => signer.verify(method, path), { code: 'SIGNATURE_EXPIRED' })
    refuses(await send(method, gateway.url + path, method === 'PUT' ? upload : {}), 403, 'this signed URL has expired')
  }
})
