/** What code that was written for NANO, or for other hosts, may expect of an app (worker-runtime §§4.1, 12.8, 12.9). */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startAppHost } from './helpers/app-host.ts'
import { eventually } from './helpers/cli.ts'

test('sync-body: what is read without awaiting is the value, and can be awaited', async (t) => {
  await using apps = await startAppHost({
    app: {
      compat: ['sync-body'],
      files: {
        'index.js': `
          const CASES = {
            '/object': (request) => {
              const body = request.json()
              return { name: body.name, list: body.list.map((item) => item * 2), keys: Object.keys(body), whole: body }
            },
            '/array': (request) => {
              const body = request.json()
              return [Array.isArray(body), body.length, ...body]
            },
            '/text': (request) => {
              const body = request.text()
              return ['<' + body + '>', body.length, body.split('&'), \`\${body}\`, body]
            },
            '/awaited': async (request) => [await request.json(), await request.text(), (await request.json()).then],
            '/then': (request) => request.json().then((body) => [body.name]),
            '/chained': (request) => request.json().catch((error) => ['caught', error.name]),
            '/number': (request) => request.json() + 1,
            '/null': async (request) => [await request.json()],
            '/standard': async (request) => {
              const { headers, method } = request
              const bytes = await request.clone().arrayBuffer()
              return [bytes.byteLength, method, headers.get('x-a'), new TextDecoder().decode(await request.arrayBuffer())]
            },
            '/large': async (request) => {
              const digest = await crypto.subtle.digest('SHA-256', await request.arrayBuffer())
              return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('')
            },
          }
          export default { async fetch(request) {
            return Response.json(await CASES[new URL(request.url()).pathname()](request))
          } }`,
      },
    },
  })
  const ask = async (path: string, body: string | ReadableStream<Uint8Array>) => {
    const streamed = typeof body === 'string' ? {} : { duplex: 'half' as const }
    const { status, text } = await apps.get('app', path, {
      method: 'POST',
      body,
      headers: { 'x-a': 'sent' },
      ...streamed,
    })
    assert.equal(status, 200, text)
    return JSON.parse(text)
  }
  const thing = { name: 'n', list: [1, 2] }
  await t.test('an object', async () => {
    assert.deepEqual(await ask('/object', JSON.stringify(thing)), {
      name: 'n',
      list: [2, 4],
      keys: ['name', 'list'],
      whole: thing,
    })
  })
  await t.test('a list', async () => assert.deepEqual(await ask('/array', '[1,"x"]'), [true, 2, 1, 'x']))
  await t.test('text', async () => {
    assert.deepEqual(await ask('/text', 'a=é&b'), ['<a=é&b>', 5, ['a=é', 'b'], 'a=é&b', 'a=é&b'])
  })
  await t.test('a number and null', async () => {
    assert.equal(await ask('/number', '41'), 42)
    assert.deepEqual(await ask('/null', 'null'), [null])
  })
  await t.test('awaited, more than once', async () => {
    assert.deepEqual(await ask('/awaited', '{"a":1}'), [{ a: 1 }, '{"a":1}', null])
    assert.equal((await ask('/awaited', '{"then":"later"}'))[2], 'later')
    assert.deepEqual(await ask('/then', JSON.stringify(thing)), ['n'])
  })
  await t.test('what is no JSON rejects, and throws nothing before it is asked', async () => {
    assert.deepEqual(await ask('/chained', '{'), ['caught', 'SyntaxError'])
    assert.deepEqual(await ask('/chained', ''), ['caught', 'SyntaxError'])
  })
  await t.test('the standard’s ways stay', async () => {
    assert.deepEqual(await ask('/standard', 'abc'), [3, 'POST', 'sent', 'abc'])
  })
  await t.test('in chunks of unknown length, short and long', async () => {
    const chunks = (count: number, size: number) =>
      ReadableStream.from(Array.from({ length: count }, () => new Uint8Array(size).fill(97)))
    assert.deepEqual((await ask('/text', chunks(3, 10)))[1], 30)
    const digest = createHash('sha256').update('a'.repeat(3_000_000)).digest('hex')
    assert.equal(await ask('/large', chunks(30, 100_000)), digest)
    assert.equal(await ask('/large', 'a'.repeat(3_000_000)), digest)
  })
})

test('stateful: timers, ids and responses outlive a request, as on NANO', async () => {
  const code = (version: number) => `
    let ticks = 0
    setInterval(() => { ticks += 1 }, 10)
    const id = crypto.randomUUID()
    const greeting = new Response('greeting')
    const config = await new Promise((resolve) => setTimeout(() => resolve('configured'), 5))
    let requests = 0
    export default {
      async fetch(request, env, ctx) {
        requests += 1
        const { pathname } = new URL(request.url)
        if (pathname === '/greeting') return greeting.clone()
        if (pathname === '/throw') throw new Error('thrown')
        if (pathname === '/later') ctx.waitUntil(new Promise((resolve) => setTimeout(() => resolve(console.log('later')), 20)))
        return Response.json({ ticks, id, config, requests, level: env.LEVEL, names: Object.keys(env), version: ${version} })
      },
      scheduled({ cron }) { console.log('scheduled ' + cron) },
    }`
  const app = (version: number) => ({
    compat: ['stateful' as const],
    env: { LEVEL: 'debug' },
    files: { 'index.js': code(version) },
  })
  await using apps = await startAppHost({ app: app(1) }, { drainMs: 60_000 })
  const ask = async () => JSON.parse((await apps.get('app')).text)
  const first = await ask()
  assert.deepEqual([first.config, first.level, first.names], ['configured', 'debug', ['LEVEL', 'APPS']])
  await eventually('timers tick between requests', async () => (await ask()).ticks > first.ticks + 5)
  const later = await ask()
  assert.equal(later.id, first.id)
  assert.ok(later.requests > first.requests)
  for (let round = 0; round < 2; round += 1) assert.equal((await apps.get('app', '/greeting')).text, 'greeting')
  assert.deepEqual([(await apps.get('app', '/throw')).status, (await ask()).id], [500, first.id])
  await apps.get('app', '/later')
  await eventually('waitUntil is done', () => apps.told.console.some(({ message }) => message === 'later'))
  assert.deepEqual(await apps.host.schedule('app', '* * * * *', 0), { outcome: 'ok' })

  // Its timers do not keep it running for as long as it may drain.
  const [pid] = apps.host.status().flatMap(({ pids }) => pids)
  await apps.apply({ app: app(2) })
  assert.equal((await ask()).version, 2)
  await eventually('the first has ended', () => !isRunning(pid ?? 0))
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test('stateful: WebSockets of different requests know each other', async () => {
  await using apps = await startAppHost({
    chat: {
      compat: ['stateful'],
      files: {
        'index.js': `
          const sockets = new Set()
          export default { fetch() {
            const [client, server] = Object.values(new WebSocketPair())
            server.accept()
            sockets.add(server)
            server.addEventListener('message', ({ data }) => { for (const socket of sockets) socket.send('to all: ' + data) })
            return new Response(null, { status: 101, webSocket: client })
          } }`,
      },
    },
  })
  const sockets = [1, 2].map(() => new WebSocket(apps.url, { headers: { host: 'chat.localhost' } }))
  await Promise.all(sockets.map((socket) => once(socket, 'open')))
  const heard = Promise.all(sockets.map((socket) => once(socket, 'message')))
  sockets[0]?.send('hello')
  assert.deepEqual(
    (await heard).map(([message]) => String(message)),
    ['to all: hello', 'to all: hello'],
  )
  for (const socket of sockets) socket.terminate()
})

test('an entry by any of its names, __setDefault, and a class', async () => {
  const says = (text: string) => `export default { fetch: () => new Response('${text}') }`
  await using apps = await startAppHost({
    mjs: { files: { 'index.mjs': says('mjs') } },
    ts: { files: { 'index.ts': `const text: string = 'ts'\n${says('ts')}` } },
    worker: { files: { '_worker.js': says('_worker') } },
    plain: { files: { 'worker.js': says('worker') } },
    file: { path: './file/main.js', files: { 'main.js': says('file') } },
    set: `__setDefault({ fetch: () => new Response('set') })`,
    class: {
      env: { NAME: 'class' },
      files: {
        'index.js': `import { WorkerEntrypoint as Entrypoint } from 'cloudflare:workers'
          export default class extends Entrypoint {
            fetch(request) { return new Response(this.env.NAME + typeof this.ctx.waitUntil) }
          }`,
      },
    },
    self: `export default { name: 'self', fetch() { return new Response(this.name) } }`,
  })
  const texts: Record<string, string> = {}
  for (const { name } of apps.host.status()) texts[name] = (await apps.get(name)).text
  assert.deepEqual(texts, {
    mjs: 'mjs',
    ts: 'ts',
    worker: '_worker',
    plain: 'worker',
    file: 'file',
    set: 'set',
    class: 'classfunction',
    self: 'self',
  })
})

test('packages, CommonJS, modules of Node, and files that are text, data or JSON', async () => {
  await using apps = await startAppHost({
    app: {
      compatibility_flags: ['nodejs_compat'],
      files: {
        'node_modules/esm/package.json':
          '{"name":"esm","type":"module","exports":{"worker":"./worker.js","default":"./no.js"}}',
        'node_modules/esm/worker.js': `export const from = 'worker condition'`,
        'node_modules/cjs/package.json': '{"name":"cjs","main":"main.cjs"}',
        'node_modules/cjs/main.cjs': `const { EventEmitter } = require('events')
          module.exports = { isClass: typeof EventEmitter, same: require('node:events') === EventEmitter, mode: process.env.NODE_ENV }`,
        'data.json': '{"json":true}',
        'page.html': '<p>',
        'note.txt': 'text',
        'raw.bin': new Uint8Array([1, 2, 3]),
        'index.js': `
          import { from } from 'esm'
          import cjs from 'cjs'
          import { Buffer } from 'node:buffer'
          import path from 'path'
          import data from './data.json'
          import page from './page.html'
          import note from './note.txt'
          import raw from './raw.bin'
          export default { fetch: () => Response.json({
            from, cjs, data, page, note, raw: [...new Uint8Array(raw)],
            hex: Buffer.from('a').toString('hex'), joined: path.join('a', '..', 'b'),
          }) }`,
      },
    },
  })
  const { status, text } = await apps.get('app')
  assert.equal(status, 200, text)
  assert.deepEqual(JSON.parse(text), {
    from: 'worker condition',
    cjs: { isClass: 'function', same: true, mode: 'development' },
    data: { json: true },
    page: '<p>',
    note: 'text',
    raw: [1, 2, 3],
    hex: '61',
    joined: 'b',
  })
})
