/** Design §§8, 11: what the sandbox adds to hyper's API: the cloud structure, health, services not started, hosts, origins. */
import assert from 'node:assert/strict'
import { NOBODY, onSite, type Site } from './case.ts'
import { answers, refuses, sendRaw } from './http.ts'

/** The status a bare GET of `path` gets with this Host header, or none. */
async function statusFor({ origin }: Site, path: string, host: string | undefined): Promise<number> {
  const answer = await sendRaw(
    origin,
    `GET ${path} HTTP/1.1\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`,
  )
  return Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])
}

const NOT_APPS = ['health', 'healthz', 'readyz', 'metrics', 'admin', 'docs', 'openapi.json', '_app', '_sandbox', '_x']

export const sandboxCases = [
  // The cloud structure

  ...onSite('design 8.4: /:app/:service/default is the service of the app’s name', async ({ send, fresh }) => {
    const app = fresh()
    for (const service of ['data', 'cache']) {
      answers(await send('PUT', `/${app}/${service}/default`), 201, { ok: true })
      refuses(await send('PUT', `/${service}/${app}`), 409)
      answers(
        await send('PUT', `/${service}/${app}/k`, { json: { n: 1 } }),
        200,
        service === 'data' ? { ok: true, id: 'k' } : { ok: true },
      )
      answers(
        await send('GET', `/${app}/${service}/default/k`),
        200,
        service === 'data' ? { _id: 'k', n: 1 } : { n: 1 },
      )
      answers(await send('DELETE', `/${app}/${service}/default`), 200, { ok: true })
      assert.equal((await send('GET', `/${service}/${app}/k`)).status, 404)
    }
  }),
  ...onSite('design 8.4: another name is the service app~name', async ({ send, fresh }) => {
    const app = fresh()
    for (const service of ['data', 'cache']) {
      answers(await send('PUT', `/${app}/${service}/shelf`), 201, { ok: true })
      refuses(await send('PUT', `/${service}/${app}~shelf`), 409)
      answers(
        await send('PUT', `/${service}/${app}~shelf/k`, { json: { n: 1 } }),
        200,
        service === 'data' ? { ok: true, id: 'k' } : { ok: true },
      )
      answers(await send('GET', `/${app}/${service}/shelf/k`), 200, service === 'data' ? { _id: 'k', n: 1 } : { n: 1 })
      assert.equal((await send('GET', `/${app}/${service}/other/k`)).status, 404)
      answers(await send('DELETE', `/${app}/${service}/shelf`), 200, { ok: true })
    }
  }),
  ...onSite('design 8.4: reserved words cannot be an app, and the 404 says so', async ({ send }) => {
    for (const app of NOT_APPS) {
      const reply = await send('PUT', `/${app}/data/shelf`)
      refuses(reply, 404, new RegExp(app.replace('.', '\\.'), 'i'))
    }
    // With fewer segments these are documents and keys of hyper's own structure.
    for (const service of ['data', 'cache', 'DATA']) {
      refuses(await send('PUT', `/${service}/data/shelf/x`, { json: {} }), 404, new RegExp(service, 'i'))
      refuses(await send('GET', `/${service}/cache/shelf/x`), 404, new RegExp(service, 'i'))
    }
  }),
  ...onSite('design 8.4: the segments are checked in the cloud structure too', async ({ send, fresh }) => {
    const app = fresh()
    refuses(await send('PUT', `/${app}/cache/b%20ad`), 422, 'name is not valid')
    refuses(await send('PUT', '/b%20ad/cache/default'), 422, 'name is not valid')
    refuses(await send('GET', `/${app}/data/%zz`), 400)
    refuses(await send('GET', '/%zz/data/shelf'), 400)
    refuses(await send('PUT', `/${app}/storage/a%5Cb`), 400, 'bucket name cannot contain slashes')
    refuses(await send('PUT', `/${app}/queue/b%20ad`, { json: { target: NOBODY } }), 422, 'queue name is not valid!')
    refuses(await send('GET', `/${app}/data`), 404)
    refuses(await send('GET', `/${app}/nope/shelf`), 404, 'not found!')
  }),

  // Health

  ...onSite('design 8.1: /health and /healthz answer for any Host', async (site) => {
    for (const path of ['/health', '/healthz', '/metrics']) {
      assert.equal((await site.send('GET', path)).status, 200)
      for (const host of ['evil.example.com', '127.0.0.1', 'hyper'])
        assert.equal(await statusFor(site, path, host), 200)
    }
  }),
  ...onSite('design 8.3: /readyz says per service whether it answers', async ({ send }) => {
    const reply = await send('GET', '/readyz')
    assert.equal(reply.status, 200)
    const body = reply.json() as { ok: boolean; instance: string; services: Record<string, { ok: boolean }> }
    assert.equal(body.ok, true)
    assert.equal(typeof body.instance, 'string')
    for (const service of ['data', 'cache', 'storage', 'search', 'queue']) {
      assert.deepEqual(body.services[service], { ok: true }, service)
    }
  }),
  ...onSite('design 8.1: /metrics is Prometheus text', async ({ send }) => {
    const reply = await send('GET', '/metrics')
    assert.match(String(reply.headers['content-type']), /^text\/plain; /)
    assert.match(reply.text, /^# HELP /m)
    assert.match(reply.text, /^# TYPE \w+ histogram$/m)
  }),
  ...onSite('design 8.3: /openapi.json describes every route, /docs shows it', async ({ send }) => {
    const reply = await send('GET', '/openapi.json')
    assert.equal(reply.status, 200)
    const { openapi, paths } = reply.json() as { openapi: string; paths: Record<string, Record<string, unknown>> }
    assert.match(openapi, /^3\./)
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{[^}]+\}/g, '*')}`),
    )
    for (const route of [
      'PUT /data/*',
      'DELETE /data/*',
      'GET /data/*',
      'POST /data/*',
      'GET /data/*/*',
      'PUT /data/*/*',
      'DELETE /data/*/*',
      'POST /data/*/_query',
      'POST /data/*/_index',
      'POST /data/*/_bulk',
      'PUT /cache/*',
      'DELETE /cache/*',
      'POST /cache/*',
      'GET /cache/*/_query',
      'POST /cache/*/_query',
      'GET /cache/*/*',
      'PUT /cache/*/*',
      'DELETE /cache/*/*',
      'PUT /storage/*',
      'DELETE /storage/*',
      'GET /storage/*',
      'POST /storage/*',
      'POST /storage/*/*',
      'GET /storage/*/*',
      'DELETE /storage/*/*',
      'PUT /search/*',
      'DELETE /search/*',
      'POST /search/*',
      'GET /search/*/*',
      'PUT /search/*/*',
      'DELETE /search/*/*',
      'POST /search/*/_query',
      'POST /search/*/_bulk',
      'PUT /queue/*',
      'DELETE /queue/*',
      'POST /queue/*',
      'GET /queue/*',
      'POST /queue/*/*/_cancel',
      'POST /queue/*/*/_retry',
    ]) {
      assert.ok(routes.includes(route), route)
    }
    const docs = await send('GET', '/docs')
    assert.equal(docs.status, 200)
    assert.match(String(docs.headers['content-type']), /^text\/html/)
  }),

  // Hosts and origins

  ...onSite('design 11: a dotted DNS name as Host is refused', async (site) => {
    for (const host of [
      'evil.example.com',
      'example.com:6363',
      'a.b',
      'localhost.evil.com',
      '127.0.0.1.evil.com',
      'EVIL.COM',
      'evil.com.',
    ]) {
      assert.equal(await statusFor(site, '/data', host), 403, host)
    }
    refuses(await site.send('GET', '/data', { headers: { host: 'evil.example.com' } }), 403, /evil\.example\.com/)
    const name = site.fresh()
    refuses(await site.send('PUT', `/data/${name}`, { headers: { host: 'evil.example.com' } }), 403)
    refuses(await site.send('GET', `/data/${name}`), 404, 'database does not exist')
  }),
  ...onSite('design 11: bare names, IP literals and *.localhost pass as Host', async (site) => {
    for (const host of [
      'localhost',
      'LOCALHOST:6363',
      'hyper',
      'hyper:80',
      '127.0.0.1',
      '10.1.2.3:6363',
      '[::1]',
      '[::1]:6363',
      'api.localhost',
      'a.b.localhost:6363',
      '192.168.0.1',
      'localhost.',
    ]) {
      assert.equal(await statusFor(site, '/data', host), 200, host)
    }
  }),
  ...onSite('design 11: a foreign Origin is 403 and nothing happens', async ({ send, fresh }) => {
    const name = fresh()
    for (const origin of [
      'https://evil.example.com',
      'http://evil.com:6363',
      'null',
      'http://localhost.evil.com',
      'https://127.0.0.1.evil.com',
      'file://',
      'http://10.0.0.5',
    ]) {
      refuses(await send('PUT', `/data/${name}`, { headers: { origin } }), 403)
      refuses(await send('GET', '/data', { headers: { origin } }), 403)
      refuses(await send('OPTIONS', `/data/${name}`, { headers: { origin } }), 403)
    }
    refuses(await send('GET', `/data/${name}`), 404)
  }),
  ...onSite('design 11: loopback and *.localhost Origins pass, with upstream’s CORS headers', async ({ send }) => {
    for (const origin of [
      'http://localhost:3000',
      'http://127.0.0.1:5173',
      'https://api.localhost',
      'http://[::1]:8080',
      'http://localhost',
      'HTTP://LOCALHOST:1',
    ]) {
      const reply = await send('GET', '/data', { headers: { origin } })
      assert.equal(reply.status, 200, origin)
      assert.equal(reply.headers['access-control-allow-origin'], '*')
      assert.equal(reply.headers['access-control-allow-credentials'], 'true')
    }
  }),
  ...onSite('design 11: admin calls need the token where an Origin or a proxy stands before them', async ({ send }) => {
    const path = '/_sandbox/purge'
    for (const headers of [
      { origin: 'http://localhost:3000' },
      { 'x-forwarded-for': '127.0.0.1' },
      { forwarded: 'for=127.0.0.1' },
    ]) {
      const reply = await send('POST', path, {
        headers: headers as Record<string, string>,
        json: { kinds: ['data'], domain: 'nope' },
      })
      assert.ok([401, 403].includes(reply.status), `${reply.status} ${reply.text}`)
      refuses(reply, reply.status)
    }
  }),
]
