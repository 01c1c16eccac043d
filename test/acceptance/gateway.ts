/** hyper-api §§1.1–1.8, 0.2: headers, preflight, routing, errors and banners. */
import assert from 'node:assert/strict'
import { type Domain, inDomain, inEmptyDomain, inWholeDomain, NOBODY, onSite } from './case.ts'
import { answers, type Reply, refuses, send, sendRaw } from './http.ts'

const COMMON_HEADERS = {
  'content-security-policy':
    "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=15552000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
  'access-control-allow-origin': '*',
  'access-control-allow-credentials': 'true',
}

function hasCommonHeaders(reply: Reply, what: string): void {
  for (const [name, value] of Object.entries(COMMON_HEADERS)) {
    assert.equal(reply.headers[name], value, `${what}: ${name}`)
  }
  assert.equal(reply.headers['x-powered-by'], undefined, what)
}

/** A document and a key to read. */
async function furnish({ onData, onCache }: Domain): Promise<void> {
  await onData('PUT', '/x', { json: { n: 1 } })
  await onCache('PUT', '/k', { json: { n: 1 } })
}

export const gatewayCases = [
  ...inDomain('hyper-api 1.3, 12.1 B11: every response carries the security and CORS headers', async (domain) => {
    await furnish(domain)
    const { onData, onCache } = domain
    hasCommonHeaders(await onData('GET', '/x'), 'document')
    hasCommonHeaders(await onData('GET'), 'list')
    hasCommonHeaders(await onCache('GET', '/k'), 'value')
    hasCommonHeaders(await onData('PUT', '/x', { json: {} }), 'write')
    hasCommonHeaders(await onData('GET', '/nope'), '404')
    hasCommonHeaders(await onData('PUT'), '409')
    hasCommonHeaders(await onData('POST', '', { headers: { 'content-type': 'text/plain' }, body: '{' }), '400')
    hasCommonHeaders(await onData('GET', '/%zz'), 'bad URI')
    hasCommonHeaders(await onData('PATCH'), 'no route')
    hasCommonHeaders(await onData('OPTIONS'), 'preflight')
    hasCommonHeaders(await onData('HEAD', '/x'), 'HEAD')
    hasCommonHeaders(await onData('GET', '/x', { headers: { 'if-none-match': '*' } }), '304')
  }),
  ...inWholeDomain('hyper-api 1.3: storage, search and queue carry them on every answer', async (domain) => {
    const { onStorage, onSearch, onQueue } = domain
    const text = { headers: { 'content-type': 'text/plain' }, body: 'x' }
    hasCommonHeaders(await onStorage('POST', '/o', text), 'upload')
    const reply = await onStorage('GET', '/o')
    for (const name of ['content-security-policy', 'cross-origin-resource-policy', 'referrer-policy']) {
      assert.notEqual(reply.headers[name], undefined, name)
    }
    assert.equal(reply.headers['x-content-type-options'], 'nosniff')
    assert.equal(reply.headers['access-control-allow-origin'], '*')
    hasCommonHeaders(await onStorage('GET', '/missing'), 'no object')
    hasCommonHeaders(await onStorage('GET'), 'objects')
    hasCommonHeaders(await onStorage('POST', '', text), 'no form')
    hasCommonHeaders(await onStorage('GET', '/o?useSignedUrl=true'), 'signed url')
    hasCommonHeaders(await onSearch('POST', '/_query', { json: { query: 'x' } }), 'matches')
    hasCommonHeaders(await onSearch('GET', '/k'), 'no search document')
    hasCommonHeaders(await onQueue('POST', '', { json: {} }), 'job')
    hasCommonHeaders(await onQueue('GET'), 'no status')
  }),
  ...onSite('hyper-api 1.3: banners and errors outside the services carry them too', async ({ send }) => {
    for (const path of [
      '/',
      '/data',
      '/cache',
      '/storage',
      '/search',
      '/queue',
      '/nope',
      '/health',
      '/readyz',
      '/_signed/x',
    ])
      hasCommonHeaders(await send('GET', path), path)
  }),

  // Preflight

  ...onSite('hyper-api 1.4, corner 47: OPTIONS on any path is 204', async ({ send }) => {
    for (const path of [
      '/',
      '/data',
      '/data/x',
      '/data/x/y',
      '/anything/at/all',
      '/cache/B%20AD',
      '/storage/x',
      '/storage/x/y/z',
      '/queue/x/1/_cancel',
    ]) {
      const reply = await send('OPTIONS', path)
      assert.equal(reply.status, 204, path)
      assert.equal(reply.text, '')
      assert.equal(reply.headers['access-control-allow-methods'], 'GET,HEAD,PUT,PATCH,POST,DELETE')
      assert.match(String(reply.headers.vary), /Access-Control-Request-Headers/)
      assert.equal(reply.headers['access-control-allow-headers'], undefined)
      assert.equal(reply.headers['access-control-max-age'], undefined)
      assert.equal(reply.headers['access-control-expose-headers'], undefined)
      assert.equal(reply.headers['access-control-allow-origin'], '*')
    }
  }),
  ...onSite('hyper-api 1.4: OPTIONS echoes the headers asked for', async ({ send }) => {
    const reply = await send('OPTIONS', '/data/x', {
      headers: {
        origin: 'http://localhost:3000',
        'access-control-request-method': 'PUT',
        'access-control-request-headers': 'content-type,x-hyper-legacy-get,x-mine',
      },
    })
    assert.equal(reply.status, 204)
    assert.equal(reply.headers['access-control-allow-headers'], 'content-type,x-hyper-legacy-get,x-mine')
  }),

  // Routing

  ...onSite('hyper-api 1.5: the literal parts of a path know no case', async ({ send, fresh }) => {
    const name = fresh()
    answers(await send('GET', '/DATA'), 200, { name: 'hyper Data', version: '1.0.1', status: 'unstable' })
    answers(await send('PUT', `/Data/${name}`), 201, { ok: true })
    answers(await send('POST', `/dAtA/${name}/_QUERY`, { json: {} }), 200, { ok: true, docs: [] })
    answers(await send('PUT', `/CACHE/${name}`), 201, { ok: true })
    answers(await send('GET', `/cache/${name}/_Query`), 200, { ok: true, docs: [] })
    answers(await send('PUT', `/STORAGE/${name}`), 201, { ok: true })
    const upload = await send('POST', `/Storage/${name}/Case`, { headers: { 'content-type': 'text/plain' }, body: 'x' })
    answers(upload, 201, { ok: true })
    assert.equal((await send('GET', `/storage/${name}/Case`)).text, 'x')
    answers(await send('PUT', `/Search/${name}`, { json: { fields: [] } }), 201, { ok: true })
    answers(await send('POST', `/search/${name}/_QUERY`, { json: { query: 'x' } }), 200, { ok: true, matches: [] })
    answers(await send('PUT', `/QUEUE/${name}`, { json: { target: NOBODY } }), 201, { ok: true })
    answers(await send('GET', `/Queue/${name}?status=ERROR`), 200, { ok: true, jobs: [] })
  }),
  ...inDomain('hyper-api 1.5, corner 13: one slash at the end is tolerated', async (domain) => {
    await furnish(domain)
    const { onData, onCache } = domain
    answers(await onData('GET', '/x/'), 200, { _id: 'x', n: 1 })
    answers(await onCache('GET', '/k/'), 200, { n: 1 })
    answers(await onData('POST', '/_query/', { json: {} }), 200, { ok: true, docs: [{ _id: 'x', n: 1 }] })
    answers(await onData('GET', '/'), 200, { ok: true, docs: [{ _id: 'x', n: 1 }] })
    answers(await onData('DELETE', '/'), 200, { ok: true })
    refuses(await onData('GET'), 404, 'database does not exist')
    answers(await onCache('DELETE', '/'), 200, { ok: true })
    refuses(await onCache('GET', '/k'), 404, 'cache not found')
  }),
  ...inDomain('hyper-api 1.5: empty segments are not collapsed', async (domain) => {
    await furnish(domain)
    const { onData, onCache, data, cache, origin } = domain
    refuses(await onData('GET', '//x'), 404, 'not found!')
    refuses(await onData('GET', '/x//'), 404, 'not found!')
    refuses(await onData('DELETE', '//'), 404, 'not found!')
    refuses(await onCache('DELETE', '//k'), 404, 'not found!')
    for (const url of [data, cache]) {
      const path = url.slice(origin.length).replace(/\/([^/]+)$/, '//$1')
      const reply = await send('DELETE', `${origin}${path}`)
      refuses(reply, 404, 'not found!')
    }
    answers(await onData('GET', '/x'), 200, { _id: 'x', n: 1 })
    answers(await onCache('GET', '/k'), 200, { n: 1 })
  }),
  ...inDomain('hyper-api 1.5: a parameter is one segment, %2F is a slash inside it', async ({ onData }) => {
    answers(await onData('PUT', '/a%2Fb', { json: { n: 1 } }), 200, { ok: true, id: 'a/b' })
    answers(await onData('GET', '/a%2fb'), 200, { _id: 'a/b', n: 1 })
    refuses(await onData('GET', '/a/b'), 404, 'not found!')
    refuses(await onData('GET', '/a/b/c'), 404, 'not found!')
  }),
  ...inDomain('hyper-api 1.5, 12.2 B14: malformed percent-encoding is 400', async ({ onData, onCache, fill }) => {
    await fill([{ _id: 'kept' }])
    for (const bad of ['%', '%zz', '%2', '%E0%A4%A', '%ff', '%c0%80', 'a%', '%ed%a0%80']) {
      refuses(await onData('GET', `/${bad}`), 400)
      refuses(await onData('PUT', `/${bad}`, { json: {} }), 400)
      refuses(await onData('DELETE', `/${bad}`), 400)
      refuses(await onCache('GET', `/${bad}`), 400)
    }
    answers(await onData('GET'), 200, { ok: true, docs: [{ _id: 'kept' }] })
  }),
  ...inDomain('hyper-api 1.5: HEAD is GET without the body', async (domain) => {
    await furnish(domain)
    for (const [reply, get] of [
      [await domain.onData('HEAD', '/x'), await domain.onData('GET', '/x')],
      [await domain.onCache('HEAD', '/k'), await domain.onCache('GET', '/k')],
      [await domain.onData('HEAD'), await domain.onData('GET')],
      [await domain.onData('HEAD', '/nope'), await domain.onData('GET', '/nope')],
      [await domain.onCache('HEAD', '/_query'), await domain.onCache('GET', '/_query')],
    ] as const) {
      assert.equal(reply.status, get.status)
      assert.equal(reply.text, '')
      assert.equal(reply.headers['content-type'], get.headers['content-type'])
      assert.equal(reply.headers['content-length'], get.headers['content-length'])
      assert.equal(reply.headers.etag, get.headers.etag)
    }
  }),
  ...inDomain('hyper-api 1.5: a method without a route is 404, never 405', async (domain) => {
    await furnish(domain)
    const { onData, onCache } = domain
    for (const method of ['PATCH', 'TRACE', 'PROPFIND', 'LINK']) {
      refuses(await onData(method, '/x'), 404, 'not found!')
      refuses(await onCache(method, '/k'), 404, 'not found!')
    }
    refuses(await onData('POST', '/x', { json: {} }), 404, 'not found!')
    refuses(await onCache('POST', '/k', { json: {} }), 404, 'not found!')
    refuses(await onCache('POST', '/_index', { json: {} }), 404, 'not found!')
    answers(await onData('GET', '/x'), 200, { _id: 'x', n: 1 })
  }),

  ...inWholeDomain('hyper-api 1.5: storage, search and queue are routed alike', async (domain) => {
    const { onStorage, onSearch, onQueue } = domain
    const doc = { ok: true, key: 'k', doc: { _id: 'k' } }
    await onSearch('POST', '', { json: { key: 'k', doc: {} } })
    answers(await onSearch('GET', '/k/'), 200, doc)
    answers(await onQueue('GET', '/?status=ERROR'), 200, { ok: true, jobs: [] })
    const head = await onSearch('HEAD', '/k')
    const get = await onSearch('GET', '/k')
    assert.deepEqual([head.status, head.text, head.headers.etag], [200, '', get.headers.etag])
    assert.equal((await onQueue('HEAD', '?status=ERROR')).status, 200)
    for (const method of ['PATCH', 'TRACE', 'PROPFIND']) {
      for (const call of [onStorage, onSearch, onQueue]) {
        refuses(await call(method), 404, 'not found!')
        refuses(await call(method, '/k'), 404, 'not found!')
      }
    }
    refuses(await onSearch('GET', '//k'), 404, 'not found!')
    refuses(await onSearch('DELETE', '//'), 404, 'not found!')
    refuses(await onSearch('GET', '/a/b'), 404, 'not found!')
    refuses(await onQueue('DELETE', '//'), 404, 'not found!')
    refuses(await onQueue('POST', '//_cancel'), 404, 'not found!')
    for (const bad of ['%zz', '%', '%ff', '%ed%a0%80']) {
      refuses(await onSearch('GET', `/${bad}`), 400)
      refuses(await onSearch('PUT', `/${bad}`, { json: {} }), 400)
      refuses(await onSearch('DELETE', `/${bad}`), 400)
      refuses(await onQueue('POST', `/${bad}/_cancel`), 400)
    }
    answers(await onSearch('GET', '/k'), 200, doc)
    assert.equal((await onQueue('GET', '?status=READY')).status, 200)
  }),

  // Answers

  ...onSite('hyper-api 1.7, 12.2 B21, corner 15: no route is 404 with a status in the body', async ({ send }) => {
    for (const path of ['/nope', '/nope/x', '/datax', '/favicon.ico', '/a/b/c/d/e']) {
      refuses(await send('GET', path), 404, 'not found!')
    }
    refuses(await send('POST', '/', { json: {} }), 404, 'not found!')
    refuses(await send('PUT', '/data', { json: {} }), 404, 'not found!')
    refuses(await send('DELETE', '/cache'), 404, 'not found!')
    refuses(await send('POST', '/data'), 404, 'not found!')
  }),
  ...inDomain('hyper-api 1.7, corner 45: a weak ETag, and 304 for who has it', async (domain) => {
    await furnish(domain)
    for (const get of [
      (headers: Record<string, string>) => domain.onData('GET', '/x', { headers }),
      (headers: Record<string, string>) => domain.onData('GET', '', { headers }),
      (headers: Record<string, string>) => domain.onCache('GET', '/k', { headers }),
      (headers: Record<string, string>) => domain.onCache('GET', '/_query', { headers }),
    ]) {
      const first = await get({})
      const etag = String(first.headers.etag)
      assert.match(etag, /^W\/"[^"]+"$/)
      const known = await get({ 'if-none-match': etag })
      assert.equal(known.status, 304)
      assert.equal(known.text, '')
      assert.equal((await get({ 'if-none-match': `"other", ${etag}` })).status, 304)
      assert.equal((await get({ 'if-none-match': '"other"' })).status, 200)
    }
    const etag = String((await domain.onData('GET', '/x')).headers.etag)
    assert.equal((await domain.onData('HEAD', '/x', { headers: { 'if-none-match': etag } })).status, 304)
    await domain.onData('PUT', '/x', { json: { n: 2 } })
    answers(await domain.onData('GET', '/x', { headers: { 'if-none-match': etag } }), 200, { _id: 'x', n: 2 })
  }),
  ...inWholeDomain('hyper-api 1.7, corner 45: search and queue answer with weak ETags too', async (domain) => {
    await domain.onSearch('POST', '', { json: { key: 'k', doc: { title: 'word' } } })
    for (const get of [
      (headers: Record<string, string>) => domain.onSearch('GET', '/k', { headers }),
      (headers: Record<string, string>) => domain.onQueue('GET', '?status=ERROR', { headers }),
      (headers: Record<string, string>) => domain.onStorage('GET', '', { headers }),
    ]) {
      const etag = String((await get({})).headers.etag)
      assert.match(etag, /^W\/"[^"]+"$/)
      assert.equal((await get({ 'if-none-match': etag })).status, 304)
      assert.equal((await get({ 'if-none-match': '"other"' })).status, 200)
    }
  }),
  ...inDomain('hyper-api 1.7: If-None-Match does not stop a write', async (domain) => {
    answers(await domain.onData('PUT', '/x', { json: {}, headers: { 'if-none-match': '*' } }), 200, {
      ok: true,
      id: 'x',
    })
    answers(
      await domain.onCache('POST', '', { json: { key: 'k', value: {} }, headers: { 'if-none-match': '*' } }),
      201,
      { ok: true },
    )
  }),
  ...inDomain('hyper-api 0.2, 3.2: a broken rule is JSON with its status', async ({ onCache }) => {
    refuses(await onCache('GET', '/BAD'), 422, 'key is not valid')
  }),
  ...inDomain('hyper-api 9.4: Authorization: null and a Bearer token are accepted', async (domain) => {
    await furnish(domain)
    for (const authorization of ['null', 'Bearer x.y.z', 'Basic eDp5']) {
      answers(await domain.onData('GET', '/x', { headers: { authorization } }), 200, { _id: 'x', n: 1 })
    }
  }),
  ...inEmptyDomain('hyper-api 9.6: every answer with a body has a content type', async ({ onData, onCache }) => {
    for (const reply of [await onData('PUT'), await onData('GET'), await onCache('GET', '/k'), await onData('PATCH')]) {
      assert.equal(reply.headers['content-type'], 'application/json; charset=utf-8')
      assert.equal(Number(reply.headers['content-length']), Buffer.byteLength(reply.text))
    }
  }),

  // Banners

  ...onSite('hyper-api 1.8: GET / names the services, in hyper’s order', async ({ send }) => {
    const reply = await send('GET', '/')
    const { services } = reply.json() as { services: string[] }
    answers(reply, 200, { name: 'hyper', version: '1.0-beta', services })
    const order = ['cache', 'data', 'storage', 'search', 'queue']
    assert.deepEqual(services, order)
  }),
  ...onSite('hyper-api 1.8: GET /data is a banner', async ({ send }) => {
    answers(await send('GET', '/data'), 200, { name: 'hyper Data', version: '1.0.1', status: 'unstable' })
    answers(await send('GET', '/data/'), 200, { name: 'hyper Data', version: '1.0.1', status: 'unstable' })
    assert.equal((await send('HEAD', '/data')).status, 200)
  }),
  ...onSite('hyper-api 1.2: without a crawler its paths have no route', async ({ send }) => {
    refuses(await send('GET', '/crawler'), 404, 'not found!')
    refuses(await send('GET', '/crawler/a/b'), 404)
  }),

  // The wire

  ...onSite('hyper-api 1.1: plain HTTP/1.1, kept alive, one answer per request in order', async ({ origin }) => {
    const answer = await sendRaw(
      origin,
      'GET /data HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nope HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    )
    assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200'])
  }),
  ...onSite('hyper-api 1.6, 9.4: Expect: 100-continue is answered before the body', async ({ origin, send, fresh }) => {
    const name = fresh()
    await send('PUT', `/data/${name}`)
    const body = '{"_id":"x"}'
    const head = `POST /data/${name} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`
    const answer = await sendRaw(origin, head + body)
    assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 /)
  }),
]
