/** The corners of worker-runtime §13 that an app's own code meets; those of its network and of Node's globals are in apps-isolation. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { WebSocketServer } from 'ws'
import { appEntry } from '../server/ports/app-entry.ts'
import { startAppHost, type TestAppHost } from './helpers/app-host.ts'
import { eventually } from './helpers/cli.ts'

async function startUpstream(listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** As it is on the wire: nothing is decoded. */
async function raw(apps: TestAppHost, app: string, path: string, method = 'GET') {
  const request = httpRequest(`${apps.url}${path}`, { method, headers: { host: `${app}.localhost` } }).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
}

test('1: request.method is what the standard says and what NANO says, in the same file', async () => {
  await using apps = await startAppHost({
    api: `export default { fetch(request) {
      return Response.json([request.method === 'POST', request.method() === 'POST'])
    } }`,
  })
  const { status, text } = await apps.get('api', '/', { method: 'POST', body: 'x' })
  assert.equal(status, 200, text)
  assert.equal(text, '[true,true]')
})

test('9: env is text; an object is refused; none is no trouble; a change is not seen by the next request', async () => {
  const code = `export default { fetch(request, env) {
    const seen = { ...env, APPS: undefined }
    env.A = 'changed'
    env.NEW = 'new'
    return Response.json(seen)
  } }`
  await using apps = await startAppHost({
    some: { env: { A: 5, B: true, C: 'text' }, files: { 'index.js': code } },
    none: code,
  })
  for (let round = 0; round < 2; round += 1) {
    assert.deepEqual(JSON.parse((await apps.get('some')).text), { A: '5', B: 'true', C: 'text' })
    assert.deepEqual(JSON.parse((await apps.get('none')).text), {})
  }
  const { error } = appEntry.safeParse({ name: 'x', path: '.', env: { A: { b: 1 } } })
  assert.deepEqual(error?.issues[0]?.path, ['env', 'A'])
})

test('22: what is left to waitUntil is done before a version is replaced, and before the host closes', async () => {
  const heard: string[] = []
  await using upstream = await startUpstream((request, response) => {
    heard.push(request.url ?? '')
    response.end()
  })
  const app = (version: number) => ({
    outbound: ['127.0.0.1'],
    env: { UPSTREAM: upstream.url },
    files: {
      'index.js': `export default { fetch(request, env, ctx) {
        ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 400)).then(() => fetch(env.UPSTREAM + '/${version}')))
        return new Response('${version}')
      } }`,
    },
  })
  {
    await using apps = await startAppHost({ app: app(1) })
    assert.equal((await apps.get('app')).text, '1')
    await apps.apply({ app: app(2) })
    assert.equal((await apps.get('app')).text, '2')
    await eventually('the first is done', () => heard.includes('/1'))
  }
  assert.deepEqual(heard, ['/1', '/2'])
})

test('26: a promise that never settles is answered after the wall limit, and costs no process', async () => {
  await using apps = await startAppHost({
    app: {
      wall_ms: 300,
      files: {
        'index.js': `export default { fetch: (request) =>
          request.url.endsWith('/never') ? new Promise(() => {}) : new Response('ok') }`,
      },
    },
  })
  const pids = () => apps.host.status().flatMap((app) => app.pids)
  const before = pids()
  const started = performance.now()
  const { status, text } = await apps.get('app', '/never')
  assert.deepEqual([status, text], [500, 'Promise did not resolve in time'])
  assert.ok(performance.now() - started >= 290, 'at once')
  assert.equal((await apps.get('app')).text, 'ok')
  assert.deepEqual(pids(), before)
})

test('27: waiting is not blocking: a handler may wait longer than timeout_ms', async () => {
  await using upstream = await startUpstream((_request, response) => void setTimeout(() => response.end('late'), 1_000))
  await using apps = await startAppHost({
    app: {
      timeout_ms: 200,
      outbound: ['127.0.0.1'],
      env: { UPSTREAM: upstream.url },
      files: { 'index.js': 'export default { fetch: (request, env) => fetch(env.UPSTREAM) }' },
    },
  })
  const { status, text } = await apps.get('app')
  assert.deepEqual([status, text], [200, 'late'])
  assert.deepEqual(apps.told.restarted, [])
})

test('28 and 29: what is thrown, and what is no Response, is told in NANO’s words', async () => {
  await using apps = await startAppHost({
    other: `export default { fetch: () => new Response('from the other') }`,
    app: `
      const CASES = {
        text: () => { throw 'x' },
        null: () => { throw null },
        rejected: () => Promise.reject(undefined),
        error: () => { throw new TypeError('message') },
        long: () => { throw 'y'.repeat(5000) },
        undefined: () => undefined,
        string: () => 'text',
        object: () => ({ status: 200 }),
        subclass: () => new (class extends Response {})('sub'),
        other: (env) => env.APPS.other.fetch('http://other/'),
      }
      export default { fetch: (request, env) => CASES[new URL(request.url).pathname.slice(1)](env) }`,
    bland: { expose_errors: false, files: { 'index.js': `export default { fetch() { throw new Error('secret') } }` } },
  })
  const is = async (name: string) => {
    const { status, text } = await apps.get('app', `/${name}`)
    return [status, text]
  }
  assert.deepEqual(await is('text'), [500, 'x'])
  assert.deepEqual(await is('null'), [500, 'null'])
  assert.deepEqual(await is('rejected'), [500, 'undefined'])
  assert.deepEqual(await is('error'), [500, 'TypeError: message'])
  assert.deepEqual(await is('long'), [500, 'y'.repeat(1024)])
  for (const name of ['undefined', 'string', 'object']) {
    assert.deepEqual(await is(name), [500, 'fetch handler must return a Response'], name)
  }
  assert.deepEqual(await is('subclass'), [200, 'sub'])
  assert.deepEqual(await is('other'), [200, 'from the other'])

  const { status, text } = await apps.get('bland')
  assert.deepEqual([status, text], [500, 'Internal Server Error'])
  assert.ok(apps.told.console.some(({ app, message }) => app === 'bland' && message.includes('Error: secret')))
})

test('30: url.pathname() works where { pathname } is text', async () => {
  await using apps = await startAppHost({
    app: `export default { fetch(request) {
      const url = new URL(request.url())
      const { pathname } = url
      return Response.json([url.pathname(), pathname, typeof pathname])
    } }`,
  })
  assert.equal((await apps.get('app', '/a/b')).text, '["/a/b","/a/b","string"]')
})

test('31: console: JSON, no placeholders, circles, and line breaks stay one event', async () => {
  await using apps = await startAppHost({
    app: `export default { fetch() {
      const circle = {}
      circle.self = circle
      console.log({ a: 1 })
      console.log('%d', 5)
      console.log(circle)
      console.error('two\\nlines', new Error('with a stack').message)
      console.log('control \\u0001 quote " emoji 😀')
      return new Response()
    } }`,
  })
  await apps.get('app')
  await eventually('all is said', () => apps.told.console.length === 5)
  assert.deepEqual(
    apps.told.console.map(({ level, message }) => [level, message]),
    [
      ['info', '{"a":1}'],
      ['info', '%d 5'],
      ['info', '[object Object]'],
      ['error', 'two\nlines with a stack'],
      ['info', 'control \u0001 quote " emoji 😀'],
    ],
  )
})

test('34: cookies, answers without a body, and lengths', async () => {
  await using apps = await startAppHost({
    app: `export default { fetch(request) {
      const { pathname } = new URL(request.url)
      if (pathname === '/204' || pathname === '/304') return new Response(null, { status: Number(pathname.slice(1)) })
      const headers = new Headers({ 'content-length': '10' })
      headers.append('set-cookie', 'a=1')
      headers.append('set-cookie', 'b=2')
      return new Response('abc', { headers })
    } }`,
  })
  const { headers, body } = await raw(apps, 'app', '/')
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2'])
  assert.deepEqual([headers['content-length'], String(body)], ['3', 'abc'])
  for (const status of [204, 304]) {
    const answer = await raw(apps, 'app', `/${status}`)
    assert.deepEqual([answer.status, answer.body.length, answer.headers['transfer-encoding']], [status, 0, undefined])
  }
  const head = await raw(apps, 'app', '/', 'HEAD')
  assert.deepEqual([head.status, head.body.length, head.headers['set-cookie']?.length], [200, 0, 2])
})

test('35: what comes compressed goes on as it is', async () => {
  const packed = gzipSync('text '.repeat(100))
  await using upstream = await startUpstream((_request, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(packed),
  )
  await using apps = await startAppHost({
    app: {
      outbound: ['127.0.0.1'],
      env: { UPSTREAM: upstream.url },
      files: {
        'index.js': `export default { async fetch(request, env) {
          const response = await fetch(env.UPSTREAM)
          return request.url.endsWith('/read') ? new Response(await response.text()) : response
        } }`,
      },
    },
  })
  const { headers, body } = await raw(apps, 'app', '/')
  assert.equal(headers['content-encoding'], 'gzip')
  assert.deepEqual(body, packed)
  assert.equal(String((await raw(apps, 'app', '/read')).body), 'text '.repeat(100))
})

test('36: events pass one by one, and a client that leaves cancels the stream', async () => {
  await using apps = await startAppHost({
    app: `export default { fetch() {
      let timer
      const body = new ReadableStream({
        start(controller) {
          let count = 0
          timer = setInterval(() => controller.enqueue(new TextEncoder().encode('data: ' + ++count + '\\n\\n')), 100)
        },
        cancel() {
          clearInterval(timer)
          console.log('cancelled')
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    } }`,
  })
  const leaving = new AbortController()
  const response = await apps.fetch('app', '/', { signal: leaving.signal })
  const reader = response.body?.getReader()
  const events: string[] = []
  while (events.length < 3) events.push(Buffer.from((await reader?.read())?.value).toString())
  assert.deepEqual(events, ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n'])
  leaving.abort()
  await eventually('the app hears of it', () => apps.told.console.some(({ message }) => message === 'cancelled'))
})

test('40: text bindings of any name and content; what is no text is refused', async () => {
  const env = {
    PLAIN: 'x',
    ZERO: 'a\u0000b\u0001\u001f\u007f',
    QUOTES: `'"\\ \n\r\t \${x} \`; // #`,
    UNICODE: 'é€😀\u2028\ufeff',
    'not-an identifier': 'y',
    '': 'nameless',
    toString: 'z',
    HYPER: 'its own',
  }
  await using apps = await startAppHost(
    {
      app: {
        env,
        files: {
          'index.js': 'export default { fetch: (request, env) => Response.json({ ...env, APPS: 0, hyper: 0 }) }',
        },
      },
    },
    { domain: 'test' },
  )
  assert.deepEqual(JSON.parse((await apps.get('app')).text), { ...env, APPS: 0, hyper: 0 })
  const { error } = appEntry.safeParse({ name: 'x', path: '.', env: { A: '\ud800' } })
  assert.deepEqual(error?.issues[0]?.path, ['env', 'A'])
})

test('41: two apps of one directory have their own state and env', async () => {
  const files = {
    'index.js': `let count = 0
      export default { fetch: (request, env) => new Response(env.WHO + ++count) }`,
  }
  await using apps = await startAppHost({
    one: { path: './shared', env: { WHO: 'one ' } },
    two: { path: './shared', env: { WHO: 'two ' } },
    shared: { files, env: { WHO: 'shared ' } },
  })
  await apps.apply({
    one: { path: './shared', env: { WHO: 'one ' } },
    two: { path: './shared', env: { WHO: 'two ' } },
  })
  const said = []
  for (const app of ['one', 'one', 'two', 'one']) said.push((await apps.get(app)).text)
  assert.deepEqual(said, ['one 1', 'one 2', 'two 1', 'one 3'])
})

test('43: a Response kept over requests fails, and works in a stateful app', async () => {
  const files = {
    'index.js': `let kept
      export default { async fetch() {
        kept ??= new Response('kept')
        return kept.clone()
      } }`,
  }
  await using apps = await startAppHost({ plain: { files }, stateful: { files, compat: ['stateful'] } })
  assert.equal((await apps.get('plain')).status, 200)
  assert.match((await apps.get('plain')).text, /different request/)
  for (let round = 0; round < 3; round += 1) {
    const { status, text } = await apps.get('stateful')
    assert.deepEqual([status, text], [200, 'kept'])
  }
})

test('an app’s own WebSocket reaches a server that the app may call', async () => {
  await using upstream = await startUpstream((_request, response) => response.end())
  const sockets = new WebSocketServer({ server: upstream.server })
  sockets.on('connection', (socket) => socket.on('message', (message) => socket.send(`echo ${message}`)))
  await using apps = await startAppHost({
    app: {
      outbound: ['127.0.0.1'],
      env: { UPSTREAM: upstream.url.replace('http', 'ws') },
      files: {
        'index.js': `export default { async fetch(request, env) {
          const socket = new WebSocket(env.UPSTREAM)
          socket.addEventListener('open', () => socket.send('hello'))
          const { data } = await new Promise((resolve, reject) => {
            socket.addEventListener('message', resolve)
            socket.addEventListener('error', reject)
          })
          socket.close()
          return new Response(data)
        } }`,
      },
    },
  })
  assert.equal((await apps.get('app')).text, 'echo hello')
  for (const socket of sockets.clients) socket.terminate()
  await sleep(0)
})
