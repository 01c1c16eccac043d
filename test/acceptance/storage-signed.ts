/** hyper-api §6.4 and design §14.4: signed URLs, which work on both engines and let through nothing but what they say. */
import assert from 'node:assert/strict'
import { type Domain, inBucket, inEmptyDomain } from './case.ts'
import { file, form } from './form.ts'
import { answers, type Reply, refuses, send } from './http.ts'

const TEXT = { 'content-type': 'text/plain' }

type Way = 'upload' | 'download'

async function sign({ onStorage, origin }: Domain, way: Way, path: string): Promise<string> {
  const reply = await onStorage(way === 'upload' ? 'POST' : 'GET', `/${path}?useSignedUrl=true`)
  const { url } = reply.json() as { url: string }
  answers(reply, way === 'upload' ? 201 : 200, { ok: true, url })
  assert.equal(new URL(url).origin, origin)
  assert.match(new URL(url).pathname, /^\/_signed\//)
  return url
}

function succeeds(reply: Reply): void {
  assert.ok([200, 201].includes(reply.status), `${reply.status} ${reply.text}`)
  assert.notEqual(reply.headers['content-type'], undefined)
}

/** The URL with the byte at `at` changed into another that a URL may hold. */
function altered(url: string, at: number): string {
  const byte = url[at] === 'x' ? 'y' : 'x'
  return url.slice(0, at) + byte + url.slice(at + 1)
}

function swapCase(text: string): string {
  return text.toUpperCase() === text ? text.toLowerCase() : text.toUpperCase()
}

export const storageSignedCases = [
  ...inBucket('design 14.4: a signed url takes one object’s upload', async (domain) => {
    const url = await sign(domain, 'upload', 'dir/o')
    refuses(await domain.onStorage('GET', '/dir/o'), 404, 'object does not exist')
    succeeds(await send('PUT', url, { headers: { 'content-type': 'image/x-proof' }, body: 'signed' }))
    const reply = await domain.onStorage('GET', '/dir/o')
    assert.deepEqual([reply.status, reply.text, reply.headers['content-type']], [200, 'signed', 'image/x-proof'])
  }),
  ...inBucket('design 14.4: an upload by signed url is raw bytes, whatever it claims to be', async (domain) => {
    const large = Buffer.alloc(300_000, 'abc')
    for (const [at, sending] of [
      { body: 'untyped' },
      { headers: { 'content-type': 'application/json' }, body: '{bad' },
      { headers: TEXT, body: '' },
      { headers: TEXT, body: large },
      form(file('f', 'x')),
      { headers: { ...TEXT, accept: 'application/json' }, body: 'asked for JSON' },
    ].entries()) {
      succeeds(await send('PUT', await sign(domain, 'upload', `o${at}`), sending))
      const { bytes } = await domain.onStorage('GET', `/o${at}`)
      assert.ok(bytes.equals(Buffer.from(sending.body ?? '')), `o${at}`)
    }
  }),
  ...inBucket('design 14.4: a signed url serves one object’s download, as storage itself does', async (domain) => {
    await domain.onStorage('POST', '/dir/o.txt', { headers: TEXT, body: 'abcdefghij' })
    const url = await sign(domain, 'download', 'dir/o.txt')
    const direct = await domain.onStorage('GET', '/dir/o.txt')
    const reply = await send('GET', url)
    assert.deepEqual([reply.status, reply.text], [200, 'abcdefghij'])
    const head = await send('HEAD', url)
    assert.equal(head.status, 200)
    for (const name of ['content-type', 'content-length', 'etag', 'last-modified'] as const) {
      assert.equal(reply.headers[name], direct.headers[name])
      assert.equal(head.headers[name], direct.headers[name])
    }
    const part = await send('GET', url, { headers: { range: 'bytes=2-4' } })
    assert.deepEqual([part.status, part.text], [206, 'cde'])
    const known = await send('GET', url, { headers: { 'if-none-match': String(direct.headers.etag) } })
    assert.equal(known.status, 304)
    assert.equal((await send('GET', url)).text, 'abcdefghij')
  }),
  ...inBucket('hyper-api 6.4: the object need not exist when its url is signed', async (domain) => {
    const url = await sign(domain, 'download', 'later')
    refuses(await send('GET', url), 404, 'object does not exist')
    await domain.onStorage('POST', '/later', { headers: TEXT, body: 'there' })
    assert.equal((await send('GET', url)).text, 'there')
  }),
  ...inEmptyDomain('hyper-api 6.4, 1.12 O4: the bucket must', async ({ onStorage }) => {
    refuses(await onStorage('POST', '/o?useSignedUrl=true'), 404, 'bucket does not exist')
    refuses(await onStorage('GET', '/o?useSignedUrl=true'), 404, 'bucket does not exist')
  }),
  ...inBucket('hyper-api 6.4: a bucket removed since is 404', async (domain) => {
    const [up, down] = [await sign(domain, 'upload', 'o'), await sign(domain, 'download', 'o')]
    await domain.onStorage('DELETE')
    refuses(await send('PUT', up, { headers: TEXT, body: 'x' }), 404)
    refuses(await send('GET', down), 404)
  }),
  ...inBucket('hyper-api 6.5: any name can be signed', async (domain) => {
    for (const path of [
      'a%20b',
      '%C3%BC/%E2%98%83',
      'a%2Fb',
      'a..b',
      '100%25',
      'q%3Fa=1%23b',
      '%252e%252e/x',
      'a+b',
      'a//b',
    ]) {
      succeeds(await send('PUT', await sign(domain, 'upload', path), { headers: TEXT, body: path }))
      assert.equal((await send('GET', await sign(domain, 'download', path))).text, path)
      assert.equal((await domain.onStorage('GET', `/${path}`)).text, path)
    }
    refuses(await domain.onStorage('POST', '/a/%2e%2e/b?useSignedUrl=true'), 400)
    refuses(await domain.onStorage('GET', '/a/%2e%2e/b?useSignedUrl=true'), 400)
  }),
  ...inBucket('design 14.4: a signed url is good for its method alone', async (domain) => {
    await domain.onStorage('POST', '/o', { headers: TEXT, body: 'kept' })
    const [up, down] = [await sign(domain, 'upload', 'o'), await sign(domain, 'download', 'o')]
    for (const method of ['PUT', 'POST', 'DELETE', 'PATCH']) {
      refuses(await send(method, down, { headers: TEXT, body: 'x' }), 403)
    }
    for (const method of ['GET', 'POST', 'DELETE', 'PATCH']) {
      refuses(await send(method, up, method === 'GET' ? {} : { headers: TEXT, body: 'x' }), 403)
    }
    assert.equal((await send('HEAD', up)).status, 403)
    assert.equal((await domain.onStorage('GET', '/o')).text, 'kept')
  }),
  ...inBucket('design 14.4: a signed url altered in any byte is 403', async (domain) => {
    await domain.onStorage('POST', '/object', { headers: TEXT, body: 'kept' })
    for (const [way, method] of [
      ['download', 'GET'],
      ['upload', 'PUT'],
    ] as const) {
      const url = await sign(domain, way, 'object')
      const sending = method === 'PUT' ? { headers: TEXT, body: 'changed' } : {}
      for (let at = url.indexOf('/_signed/') + '/_signed/'.length; at < url.length; at += 1) {
        if (url[at] === '/') continue
        refuses(await send(method, altered(url, at), sending), 403)
        const other = swapCase(url[at] ?? '')
        if (other !== url[at]) refuses(await send(method, url.slice(0, at) + other + url.slice(at + 1), sending), 403)
      }
      for (const changed of [
        `${url}x`,
        `${url}/x`,
        url.slice(0, -1),
        `${url}?x=1`,
        `${url}?`,
        `${url}/`,
        url.replace(/t$/, '%74'),
        url.replace('/object', '//object'),
        url.replace('/object', '/./object'),
        url.replace('/object', '/x/%2e%2e/object'),
      ]) {
        refuses(await send(method, changed, sending), 403)
      }
    }
    assert.equal((await domain.onStorage('GET', '/object')).text, 'kept')
  }),
  ...inBucket('design 14.4: no part of a signed url can be used with another’s', async (domain) => {
    const one = await sign(domain, 'download', 'one')
    const two = await sign(domain, 'download', 'two')
    await domain.onStorage('POST', '/one', { headers: TEXT, body: '1' })
    await domain.onStorage('POST', '/two', { headers: TEXT, body: '2' })
    refuses(await send('GET', one.replace(/one$/, 'two')), 403)
    const pieces = [one.split('/'), two.split('/')] as const
    for (let at = 4; at < pieces[0].length; at += 1) {
      if (pieces[0][at] === pieces[1][at]) continue
      refuses(await send('GET', pieces[0].with(at, pieces[1][at] ?? '').join('/')), 403)
    }
    for (const path of ['/_signed', '/_signed/', '/_signed/x', '/_signed/1/2/3/4/5', '/_signed/../storage/x']) {
      const reply = await send('GET', `${domain.origin}${path}`)
      assert.ok([403, 404].includes(reply.status), `${path}: ${reply.status}`)
      refuses(reply, reply.status)
    }
  }),
  ...inBucket(
    'design 14.4: a signed url is on the host that the client used',
    async ({ storage, origin, onStorage }) => {
      const { port } = new URL(origin)
      for (const host of [`localhost:${port}`, `api.localhost:${port}`, 'hyper', `[::1]:${port}`]) {
        const reply = await onStorage('GET', '/o?useSignedUrl=true', { headers: { host } })
        const { url } = reply.json() as { url: string }
        assert.equal(new URL(url).host, host)
        assert.equal(new URL(url).protocol, new URL(storage).protocol)
      }
    },
  ),
  ...inBucket('design 14.4: pages may ask about a signed url beforehand', async (domain) => {
    const reply = await send('OPTIONS', await sign(domain, 'upload', 'o'), {
      headers: { origin: 'http://localhost:3000', 'access-control-request-headers': 'content-type' },
    })
    assert.equal(reply.status, 204)
    assert.equal(reply.headers['access-control-allow-headers'], 'content-type')
  }),
]
