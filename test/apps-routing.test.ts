/** Whose a request is, and what of HTTP reaches an app and comes back (worker-runtime §§3, 9, 12.7, 13). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { WebSocket } from 'ws'
import { startAppHost, type TestAppHost } from './helpers/app-host.ts'
import { rawExchange } from './helpers/serving.ts'

/** Tells what it was asked; does what the path says. */
const ECHO = `let cancelled = 0
export default {
  async fetch(request, env) {
    const url = new URL(request.url)
    if (request.headers.get('upgrade') === 'websocket') {
      const [client, server] = Object.values(new WebSocketPair())
      server.accept()
      server.addEventListener('message', ({ data }) => server.send(url.pathname + ':' + data))
      return new Response(null, { status: 101, webSocket: client })
    }
    if (url.pathname.startsWith('/status/')) return new Response(null, { status: Number(url.pathname.slice(8)) })
    if (url.pathname === '/length') return new Response('abc', { headers: { 'content-length': '10' } })
    if (url.pathname === '/cookies') {
      const headers = new Headers([['set-cookie', 'a=1'], ['set-cookie', 'b=2']])
      return new Response('x', { headers })
    }
    if (url.pathname === '/gzip') return new Response(request.body, { encodeBody: 'manual', headers: { 'content-encoding': 'gzip' } })
    if (url.pathname === '/size') return new Response(String((await request.arrayBuffer()).byteLength))
    if (url.pathname === '/count') {
      let bytes = 0
      for await (const chunk of request.body) bytes += chunk.length
      return new Response(String(bytes))
    }
    if (url.pathname === '/unread') return new Response('not read', { status: 401 })
    if (url.pathname === '/cancelled') return new Response(String(cancelled))
    if (url.pathname === '/ticks') {
      let timer
      const body = new ReadableStream({
        start(controller) {
          const tick = () => controller.enqueue(new TextEncoder().encode('data: ' + Date.now() + '\\n\\n'))
          tick()
          timer = setInterval(tick, 150)
        },
        cancel() { clearInterval(timer); cancelled += 1 },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
    return Response.json({ app: '@', url: request.url, method: request.method, headers: [...request.headers], body: await request.text() })
  },
}
`
const app = (name: string) => ECHO.replace('@', name)

const HOSTS = {
  api: { hostname: 'api.example.com', files: { 'index.js': app('api') } },
  wild: { hostname: ['*.example.com', '*.deep.example.com'], files: { 'index.js': app('wild') } },
  deeper: { hostname: '*.very.deep.example.com', files: { 'index.js': app('deeper') } },
  idn: { hostname: 'bücher.example', files: { 'index.js': app('idn') } },
  six: { hostname: '[::1]', files: { 'index.js': app('six') } },
}

interface Told {
  app: string
  url: string
  method: string
  headers: [string, string][]
  body: string
}

/** One request in bytes; the answer's status, headers and text. */
async function raw(apps: TestAppHost, bytes: string) {
  const answer = await rawExchange(Number(new URL(apps.url).port), bytes)
  const [head = '', ...rest] = answer.split('\r\n\r\n')
  const [line = '', ...headers] = head.split('\r\n')
  return { status: Number(line.split(' ')[1]), head, headers, text: rest.join('\r\n\r\n') }
}

function toldIn({ text }: { text: string }): Told {
  return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1))
}

function get(host: string, target = '/', more = ''): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}Connection: close\r\n\r\n`
}

test('a host is compared without case, port and last dot; exact goes before wild, longer before shorter', async () => {
  await using apps = await startAppHost(HOSTS)
  const cases: [host: string, app: string | number][] = [
    ['api.example.com', 'api'],
    ['API.Example.COM:8080', 'api'],
    ['api.example.com.', 'api'],
    ['api.example.com.:80', 'api'],
    ['www.example.com', 'wild'],
    ['a.b.example.com', 'wild'],
    ['a.very.deep.example.com', 'deeper'],
    ['very.deep.example.com', 'wild'],
    ['example.com', 403],
    ['notexample.com', 403],
    ['xn--bcher-kva.example', 'idn'],
    ['XN--BCHER-KVA.example:1', 'idn'],
    ['[::1]', 'six'],
    ['[::1]:3000', 'six'],
    ['[::2]:3000', 404],
    ['a b/c', 400],
    ['api.example.com/x', 400],
    ['user@api.example.com', 400],
    ['api.example.com:port', 400],
    ['', 400],
  ]
  for (const [host, expected] of cases) {
    const answer = await raw(apps, get(host, '/nothing'))
    if (typeof expected === 'number') assert.equal(answer.status, expected, host)
    else assert.equal(toldIn(answer).app, expected, host)
  }
  assert.equal((await raw(apps, 'GET / HTTP/1.1\r\nHost: api.example.com\r\nHost: other\r\n\r\n')).status, 400)
  assert.equal((await raw(apps, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n')).status, 400)
})

test('an absolute target says the host; what an app cannot be asked for is refused', async () => {
  await using apps = await startAppHost(HOSTS)
  const absolute = await raw(apps, get('[::1]', 'http://API.example.com:81/path?q'))
  assert.deepEqual([toldIn(absolute).app, toldIn(absolute).url], ['api', 'http://API.example.com:81/path?q'])
  assert.equal(toldIn(await raw(apps, get('[::1]', 'http://api.example.com?q'))).url, 'http://api.example.com/?q')
  for (const target of ['http:///path', 'http://user@api.example.com/']) {
    assert.equal((await raw(apps, get('api.example.com', target))).status, 400, target)
  }
  assert.ok((await raw(apps, get('api.example.com', '*'))).status >= 400)
})

test('what clients send unescaped reaches the app escaped, and the rest as it was', async () => {
  await using apps = await startAppHost(HOSTS)
  const cases: [target: string, seen: string][] = [
    ['/a"b<c>`d?e="f"', '/a%22b%3Cc%3E%60d?e=%22f%22'],
    ['/a/../b/%2e/%zz//c', '/a/../b/%2e/%zz//c'],
    ['/a#fragment', '/a'],
  ]
  for (const [target, seen] of cases) {
    assert.equal(toldIn(await raw(apps, get('api.example.com', target))).url, `http://api.example.com${seen}`)
  }
})

test('heads and targets have their limits', async () => {
  await using apps = await startAppHost(HOSTS)
  const host = 'api.example.com'
  assert.equal((await raw(apps, get(host, `/${'a'.repeat(16_000)}`))).status, 200)
  assert.equal((await raw(apps, get(host, `/${'a'.repeat(17_000)}`))).status, 414)
  assert.equal((await raw(apps, get(host, '/', `X-Large: ${'a'.repeat(60_000)}\r\n`))).status, 200)
  assert.equal((await raw(apps, get(host, '/', `X-Large: ${'a'.repeat(70_000)}\r\n`))).status, 431)
})

test('requests that could be read in two ways are refused', async () => {
  await using apps = await startAppHost(HOSTS)
  for (const lines of [
    'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: chunked\r\nContent-Length: 3\r\n',
    'Content-Length: 3\r\nContent-Length: 4\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Content-Length: +3\r\n',
  ]) {
    const smuggled = `POST / HTTP/1.1\r\nHost: api.example.com\r\n${lines}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: api.example.com\r\n\r\n`
    const { status, text } = await raw(apps, smuggled)
    assert.equal(status, 400, lines)
    assert.ok(!text.includes('smuggled'))
  }
})

test('the client is told of truly, and cannot speak for us', async () => {
  await using apps = await startAppHost(HOSTS)
  const forged = [
    ...['X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: forged', 'Keep-Alive: 5'],
    ...[
      'x-hyper-sandbox-cf: {"colo":"X"}',
      'X-Hyper-Sandbox-Proto: https',
      'x-hyper-sandbox-target: app:wild',
      'TE: trailers',
    ],
  ]
  const told = toldIn(await raw(apps, get('api.example.com:81', '/', `${forged.join('\r\n')}\r\n`)))
  const headers = new Map(told.headers)
  assert.equal(told.url, 'http://api.example.com:81/')
  assert.equal(headers.get('x-forwarded-for'), '203.0.113.7, 127.0.0.1')
  assert.equal(headers.get('x-forwarded-proto'), 'http')
  assert.equal(headers.get('x-forwarded-host'), 'api.example.com:81')
  for (const name of headers.keys()) assert.ok(!/^(x-hyper-sandbox-|te$|keep-alive$)/.test(name), name)
})

test('answers come as the app gave them', async () => {
  await using apps = await startAppHost(HOSTS)
  for (const status of [204, 304]) {
    const { head, text } = await raw(apps, get('api.example.com', `/status/${status}`))
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status} `))
    assert.equal(text, '')
  }
  const head = await raw(apps, 'HEAD /length HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n')
  assert.deepEqual([head.status, head.text], [200, ''])
  const corrected = await raw(apps, get('api.example.com', '/length'))
  assert.equal(corrected.text, 'abc')
  assert.match(corrected.head, /^content-length: 3$/im)
  const cookies = await apps.fetch('api.example.com', '/cookies')
  assert.deepEqual(cookies.headers.getSetCookie(), ['a=1', 'b=2'])
  assert.equal(cookies.headers.get('content-security-policy'), null)
})

test('what is compressed passes as it is, both ways', async () => {
  await using apps = await startAppHost(HOSTS)
  const sent = gzipSync('squeezed')
  const bytes = `POST /gzip HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: ${sent.length}\r\nConnection: close\r\n\r\n${sent.toString('latin1')}`
  const { head, text } = await raw(apps, bytes)
  assert.match(head, /^content-encoding: gzip$/im)
  const body = Buffer.from(text, 'latin1')
  const start = body.indexOf(sent)
  assert.ok(start >= 0)
  assert.equal(gunzipSync(body.subarray(start, start + sent.length)).toString(), 'squeezed')
})

test('a body in chunks arrives whole, its trailers in peace', async () => {
  await using apps = await startAppHost(HOSTS)
  const chunked =
    'POST / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nX-Sum: 6\r\n\r\n'
  assert.equal(toldIn(await raw(apps, chunked)).body, 'abcdef')
})

test('who asks whether to go on is told, unless it would be in vain', async () => {
  await using apps = await startAppHost({
    ...HOSTS,
    small: { hostname: 'small.example.org', max_body_mb: 1, files: { 'index.js': app('small') } },
  })
  const asking = (host: string, length: number, body: string) =>
    raw(
      apps,
      `POST /size HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`,
    )
  const welcome = await asking('api.example.com', 3, 'abc')
  assert.deepEqual([welcome.status, welcome.text.split('\r\n\r\n')[1]], [100, '3'])
  const refused = await asking('small.example.org', 2 ** 21, '')
  assert.deepEqual([refused.status, refused.text], [413, '{"error":"Payload too large"}'])
  assert.match(refused.head, /^connection: close$/im)
})

test('a body over the limit is refused and its connection closed, declared or not; one of 150 MB passes', async () => {
  await using apps = await startAppHost({
    small: { max_body_mb: 1, files: { 'index.js': app('small') } },
    large: { max_body_mb: 200, wall_ms: 120_000, files: { 'index.js': app('large') } },
  })
  const declared = await raw(apps, `POST /size HTTP/1.1\r\nHost: small.localhost\r\nContent-Length: ${2 ** 21}\r\n\r\n`)
  assert.deepEqual([declared.status, declared.text], [413, '{"error":"Payload too large"}'])
  const chunk = `${(2 ** 20).toString(16)}\r\n${'x'.repeat(2 ** 20)}\r\n`
  const chunked = await raw(
    apps,
    `POST /size HTTP/1.1\r\nHost: small.localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}0\r\n\r\n`,
  )
  assert.equal(chunked.status, 413)
  assert.match(chunked.head, /^connection: close$/im)

  const before = process.memoryUsage().rss
  const piece = Buffer.alloc(2 ** 20)
  const answer = await apps.fetch('large', '/count', {
    method: 'POST',
    duplex: 'half',
    body: (async function* () {
      for (let sent = 0; sent < 150; sent++) yield piece
    })(),
  })
  assert.deepEqual([answer.status, await answer.text()], [200, String(150 * 2 ** 20)])
  const grown = (process.memoryUsage().rss - before) / 2 ** 20
  assert.ok(grown < 100, `the front grew by ${grown} MB`)
})

test('an app may refuse without reading what it is sent', async () => {
  await using apps = await startAppHost({ large: { max_body_mb: 200, files: { 'index.js': app('large') } } })
  const body = Buffer.alloc(5 * 2 ** 20)
  for (const headers of [{}, { 'content-length': String(body.length) }]) {
    const init = { method: 'POST', headers, duplex: 'half' as const, body: new Blob([body]).stream() }
    for (let round = 0; round < 3; round++) {
      const { status, text } = await apps.get('large', '/unread', { ...init, body: new Blob([body]).stream() })
      assert.deepEqual([status, text], [401, 'not read'])
    }
  }
  assert.equal(toldIn(await apps.get('large', '/')).app, 'large')
})

test('events come as they happen, and a client that leaves ends them', async () => {
  await using apps = await startAppHost(HOSTS)
  const stream = await apps.fetch('api.example.com', '/ticks')
  // It never ends: what arrives was not kept back until it did.
  let ticks = 0
  for await (const chunk of stream.body ?? []) {
    ticks += Buffer.from(chunk).toString().split('data: ').length - 1
    if (ticks >= 3) break
  }
  for (let tries = 0; (await apps.get('api.example.com', '/cancelled')).text !== '1'; tries++) {
    assert.ok(tries < 400, 'the app was never told')
    await sleep(50)
  }
})

test('a WebSocket finds its app by host and by path, with what was sent at once', async () => {
  await using apps = await startAppHost({ api: { files: { 'index.js': app('api') } } })
  const { port } = new URL(apps.url)
  for (const [path, host, seen] of [
    ['/chat?"x"', 'api.localhost', '/chat'],
    ['/_app/api/chat', 'localhost', '/chat'],
  ] as const) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers: { host } })
    const said = await new Promise((resolve, reject) => {
      socket.on('message', (data) => resolve(String(data))).on('error', reject)
      socket.on('open', () => socket.send('hello'))
    })
    assert.equal(said, `${seen}:hello`)
    socket.close()
  }
  const refused = await raw(
    apps,
    get('nobody.localhost', '/chat', 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'),
  )
  assert.ok(refused.status >= 400 && refused.status < 500)
})

test('many requests on one connection are answered in their order', async () => {
  await using apps = await startAppHost({ api: { files: { 'index.js': app('api') } } })
  const pipelined = ['/one', '/status/204', '/_app/api/two', '/health'].map(
    (path) => `GET ${path} HTTP/1.1\r\nHost: api.localhost\r\n\r\n`,
  )
  const { head, text } = await raw(apps, pipelined.join('') + get('api.localhost', '/last'))
  const seen = [
    ...`${head}\r\n\r\n${text}`.matchAll(/"url":"http:\/\/api\.localhost([^"]*)"|HTTP\/1\.1 (204)|"status":"(ok)"/g),
  ]
  assert.deepEqual(
    seen.map(([, url, status, health]) => url ?? status ?? health),
    ['/one', '204', '/_app/api/two', 'ok', '/last'],
  )
})

/** What the reference says of a host, in other words than the product's. */
function expectedApp(host: string): string | undefined {
  const name = host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase()
  if (!/^[a-z0-9.-]+$/.test(name)) return undefined
  if (name === 'api.example.com') return 'api'
  if (name.endsWith('.very.deep.example.com')) return 'deeper'
  if (name.endsWith('.example.com')) return 'wild'
  return name === 'xn--bcher-kva.example' ? 'idn' : undefined
}

test('whatever the host and the target, one app answers or none, and nothing breaks', async () => {
  await using apps = await startAppHost(HOSTS)
  const label = fc.constantFrom('a', 'API', 'www', 'deep', 'very', 'xn--bcher-kva', '-', '1')
  const domain = fc.constantFrom('example.com', 'Example.COM', 'example', 'deep.example.com', 'very.deep.example.com')
  const named = fc
    .tuple(fc.array(label, { maxLength: 3 }), domain, fc.constantFrom('', '.', ':80', '.:1', ':'))
    .map(([labels, last, end]) => `${[...labels, last].join('.')}${end}`)
  const bytes = fc.string({
    unit: fc.integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)),
    maxLength: 20,
  })
  const host = fc.oneof({ weight: 3, arbitrary: named }, bytes, fc.constantFrom('[::1]', '[::1', '::1', '..', '[x]'))
  const target = fc.oneof(
    fc
      .string({ unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)), maxLength: 30 })
      .map((text) => `/${text}`),
    fc.constantFrom(
      '/',
      '//',
      '/?',
      '/#',
      '/_app/',
      '/_app/api',
      '/_app/%zz/x',
      'http://api.example.com/',
      'http://',
      '*',
      '/%',
      '/health?',
      '/metrics/',
    ),
  )
  await fc.assert(
    fc.asyncProperty(host, target, async (host, target) => {
      const answer = await raw(apps, get(host, target))
      assert.ok(answer.status >= 200 && answer.status < 500, `${answer.status} for ${JSON.stringify([host, target])}`)
      const isPlain = /^\/[a-z]*$/i.test(target) && !/^\/(?:health|healthz|metrics)$/.test(target)
      const isHost = /^[\w.-]+(?::\d*)?$/.test(host)
      if (!isPlain || !isHost) return
      const expected = expectedApp(host)
      // Without a dot it is nobody's on the Internet, and the gateway itself answers.
      if (expected === undefined) assert.ok(!answer.text.includes('"app"'))
      else assert.equal(toldIn(answer).app, expected)
    }),
    { numRuns: 300 * Number(process.env.HYPER_TEST_SCALE ?? 1), endOnFailure: true },
  )
  assert.equal(toldIn(await raw(apps, get('api.example.com'))).app, 'api')
})
