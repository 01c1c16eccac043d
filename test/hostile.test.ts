/** Bad input changes nothing, crashes nothing and says nothing of our insides (design §12). */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { answers, hangUp, type Reply, refuses, type Sending, send, sendRaw } from './acceptance/http.ts'
import { growthUnread, isOneOf, judge, lingering, parse } from './hostile-judge.ts'
import { hostileRequest, malformed } from './hostile-requests.ts'
import { type Server, startServer } from './server-process.ts'

const REQUESTS = 2_000 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const AT_ONCE = 8

/** A small heap: memory that only waits for the collector would look like a leak. */
const SMALL_HEAP = ['--max-old-space-size=100', '--max-semi-space-size=4']

const CANARY = { deep: [{ n: 0.1 }, 'ü☃😀', null], text: 'unchanged' }

let server: Server

before(async () => {
  server = await startServer()
  await furnish()
})
// What is hostile may well remove what it is aimed at.
beforeEach(async () => {
  await Promise.all([call('PUT', '/data/test'), call('PUT', '/cache/test')])
})
after(async () => {
  hangUp()
  await server.stop()
})

async function furnish(): Promise<void> {
  for (const path of ['/data/canary', '/cache/canary']) assert.equal((await call('PUT', path)).status, 201)
  for (const path of ['/data/canary/c', '/cache/canary/c'])
    assert.equal((await call('PUT', path, { json: CANARY })).status, 200)
}

function call(method: string, path: string, sending?: Sending): Promise<Reply> {
  return send(method, `${server.url}${path}`, sending)
}

async function unharmed(): Promise<void> {
  assert.equal(server.ended, false)
  answers(await call('GET', '/data/canary'), 200, { ok: true, docs: [{ _id: 'c', ...CANARY }] })
  answers(await call('GET', '/cache/canary/_query'), 200, { ok: true, docs: [{ key: 'c', value: CANARY }] })
}

test(`${REQUESTS} generated hostile requests`, async (t) => {
  const shared = server
  server = await startServer([], SMALL_HEAP)
  try {
    await furnish()
    const counts = new Map<number, number>()
    const memory: number[] = []
    let sent = 0
    const batch = fc.array(hostileRequest, { minLength: AT_ONCE, maxLength: AT_ONCE })
    const property = fc.asyncProperty(batch, async (requests) => {
      if (sent % 40 === 0) await Promise.all([call('PUT', '/data/test'), call('PUT', '/cache/test')])
      const raw = await Promise.all(requests.map(({ wire }) => sendRaw(server.url, wire, 20_000)))
      for (const [at, request] of requests.entries()) {
        const status = judge(server, request, raw[at] ?? '')
        counts.set(status, (counts.get(status) ?? 0) + 1)
      }
      sent += requests.length
      if (sent % (REQUESTS / 20) === 0) memory.push(Math.round(server.memoryMb()))
    })
    await fc.assert(property, { numRuns: Math.ceil(REQUESTS / AT_ONCE), endOnFailure: true })
    await unharmed()
    const statuses = [...counts].sort().map(([status, count]) => `${status} × ${count}`)
    t.diagnostic(`statuses: ${statuses.join(', ')}; memory, MB: ${memory.join(' ')}`)
    for (const status of [200, 201, 400, 404, 415, 422]) assert.ok(counts.has(status), `no request got ${status}`)
    const [third, last] = [memory.slice(-10, -5), memory.slice(-5)]
    assert.ok(Math.max(...last) <= Math.max(...third) * 1.05 + 8, `memory grows: ${memory.join(' ')} MB`)
  } finally {
    await server.stop()
    server = shared
  }
})

for (const [name, bytes] of malformed) {
  test(`not a request: ${name}`, async () => {
    const raw = await sendRaw(server.url, bytes)
    judge(server, { method: 'POST', target: '', wire: Buffer.from(bytes) }, raw)
    assert.ok(parse(raw).status >= 400, raw.slice(0, 300))
    refuses(await call('GET', '/data/smuggled'), 404, 'database does not exist')
    answers(await call('POST', '/data/test/_query', { json: { selector: { smuggled: 1 } } }), 200, {
      ok: true,
      docs: [],
    })
    await unharmed()
  })
}

test('garbage behind a good request is refused', async () => {
  const raw = await sendRaw(server.url, 'GET /data HTTP/1.1\r\nHost: localhost\r\n\r\n\x01\x02garbage\r\n\r\n')
  assert.match(raw, /HTTP\/1\.1 400 .*\{"ok":false,"status":400,"msg":"[^"]+"\}$/s)
  await unharmed()
})

test('200 stalled clients keep nobody waiting, and what they began is not stored', async () => {
  const begun = [
    'POST /data/test HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"stalled":1',
    'POST /data/test HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{"stalled":1}\r\n',
    'PUT /data/stalled HTTP/1.1\r\nHost: localhost\r\nX-A',
    'P',
  ]
  const sockets = await Promise.all(
    Array.from({ length: 200 }, (_, at) => lingering(server, begun[at % begun.length] ?? '')),
  )
  for (let n = 0; n < 20; n += 1) await unharmed()
  for (const socket of sockets) socket.destroy()
  await sleep(100)
  answers(await call('POST', '/data/test/_query', { json: { selector: { stalled: 1 } } }), 200, { ok: true, docs: [] })
  refuses(await call('GET', '/data/stalled'), 404)
})

test('a client that ends its side after asking is answered', async () => {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk
  })
  socket.end('GET /data HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await new Promise((resolve) => socket.once('end', resolve))
  assert.match(answer, /^HTTP\/1\.1 200 /)
})

test('clients that ask for much and read nothing cost no one else', async () => {
  assert.equal((await call('PUT', '/data/unread')).status, 201)
  for (let part = 0; part < 5; part += 1) {
    const docs = Array.from({ length: 4_000 }, (_, n) => ({ _id: `unread${part}-${n}`, pad: 'x'.repeat(2_000) }))
    assert.equal((await call('POST', '/data/unread/_bulk', { json: docs })).status, 201)
  }
  const grown = await growthUnread(server, '/data/unread', 30, unharmed)
  assert.ok(grown < 400, `${grown} MB for 30 unread lists of 40 MB`)
  assert.equal((await call('DELETE', '/data/unread')).status, 200)
})

test('gzip bombs are 413 and cost no memory', async () => {
  const bomb = gzipSync(Buffer.alloc(500_000_000))
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  const before = server.memoryMb()
  const replies = await Promise.all(
    Array.from({ length: 8 }, () => call('POST', '/cache/test', { headers, body: bomb })),
  )
  for (const reply of replies) refuses(reply, 413)
  const nested = gzipSync(gzipSync(Buffer.alloc(50_000_000)))
  refuses(await call('POST', '/data/test', { headers, body: nested }), 400)
  assert.ok(server.memoryMb() - before < 250, `${Math.round(server.memoryMb() - before)} MB`)
  await unharmed()
})

test('prototype members are data, and nobody inherits them', async () => {
  const text =
    '{"_id":"p","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":{"polluted":1}}}'
  const headers = { 'content-type': 'application/json' }
  assert.equal((await call('PUT', '/data/p')).status, 201)
  assert.equal((await call('POST', '/data/p', { headers, body: text })).status, 201)
  assert.equal((await call('GET', '/data/p/p')).text, text)
  assert.equal((await call('PUT', '/cache/test/p', { headers, body: text })).status, 200)
  assert.equal((await call('GET', '/cache/test/p')).text, text)
  await call('PUT', '/data/p/plain', { json: {} })
  for (const selector of [
    '{"__proto__":{"polluted":1}}',
    '{"__proto__.polluted":1}',
    '{"constructor.prototype":{"$exists":true}}',
    '{"a.__proto__.polluted":1}',
    '{"polluted":1}',
    '{"toString":{"$exists":true}}',
  ]) {
    const reply = await call('POST', '/data/p/_query', { headers, body: `{"selector":${selector}}` })
    isOneOf(server, reply, [200, 422])
    if (reply.status === 200) assert.doesNotMatch(reply.text, /"plain"/, selector)
  }
  answers(await call('GET', '/data/p/plain'), 200, { _id: 'plain' })
  await call('DELETE', '/data/p')
  await unharmed()
})

test('selectors of any depth are answered', async () => {
  const headers = { 'content-type': 'application/json' }
  for (const depth of [50, 90, 500, 5_000, 100_000]) {
    for (const [open, close] of [
      ['{"$and":[', ']}'],
      ['{"a":{"$not":', '}}'],
      ['{"a":{"$elemMatch":', '}}'],
      ['{"$nor":[', ']}'],
    ] as const) {
      const reply = await call('POST', '/data/test/_query', {
        headers,
        body: `{"selector":${open.repeat(depth)}{}${close.repeat(depth)}}`,
      })
      assert.ok([200, 400, 422].includes(reply.status), `${depth} ${open} ${reply.status} ${reply.text.slice(0, 200)}`)
      if (depth >= 500) refuses(reply, 400)
    }
  }
  const wide = { $or: Array.from({ length: 20_000 }, (_, n) => ({ n })) }
  isOneOf(server, await call('POST', '/data/test/_query', { json: { selector: wide } }), [200, 422])
  const many = { n: { $in: Array.from({ length: 100_000 }, (_, n) => n) } }
  isOneOf(server, await call('POST', '/data/test/_query', { json: { selector: many } }), [200, 422])
  const long = { ['a'.repeat(100_000)]: 1, [Array.from({ length: 2_000 }, () => 'a').join('.')]: 1 }
  isOneOf(server, await call('POST', '/data/test/_query', { json: { selector: long } }), [200, 422])
  const fields = Array.from({ length: 20_000 }, (_, n) => `f${n}`)
  isOneOf(server, await call('POST', '/data/test/_query', { json: { fields } }), [200, 422])
  isOneOf(server, await call('POST', '/data/test/_query', { json: { sort: fields } }), [200, 422])
  isOneOf(server, await call('POST', '/data/test/_index', { json: { name: 'wide', fields } }), [201, 422])
  await unharmed()
})

test('services made and removed under traffic answer as if each call were alone', async () => {
  const docs = Array.from({ length: 1_500 }, (_, n) => ({ _id: `d${n}`, n, pad: 'x'.repeat(500) }))
  const calls: (() => Promise<Reply>)[] = [
    () => call('PUT', '/data/churn'),
    () => call('PUT', '/cache/churn'),
    () => call('PUT', '/data/churn'),
    () => call('PUT', '/cache/churn'),
    () => call('DELETE', '/data/churn'),
    () => call('DELETE', '/cache/churn'),
    () => call('POST', '/data/churn/_bulk', { json: docs }),
    () => call('POST', '/data/churn/_bulk', { json: docs }),
    () => call('GET', '/data/churn?limit=900'),
    () => call('POST', '/data/churn/_query', { json: { selector: { n: { $gt: 5 } }, sort: ['n'], limit: 900 } }),
    () => call('POST', '/data/churn/_query', { json: { selector: { pad: { $regex: 'x$' } }, limit: 900 } }),
    () => call('POST', '/data/churn/_index', { json: { name: 'n', fields: ['n'] } }),
    () => call('PUT', '/data/churn/d1', { json: { n: 'x' } }),
    () => call('DELETE', '/data/churn/d2'),
    () => call('GET', '/data/churn/d3'),
    () => call('PUT', '/cache/churn/k', { json: {} }),
    () => call('POST', '/cache/churn', { json: { key: 'k2', value: {}, ttl: 5 } }),
    () => call('GET', '/cache/churn/_query'),
    () => call('DELETE', '/cache/churn/k'),
    () => call('GET', '/readyz'),
  ]
  await Promise.all(
    Array.from({ length: 12 }, async (_, worker) => {
      for (let turn = 0; turn < 60; turn += 1) {
        const next = calls[(worker * 7 + turn * 11 + ((turn * turn) % 5)) % calls.length]
        if (next) isOneOf(server, await next(), [200, 201, 404, 409])
      }
    }),
  )
  await Promise.all([call('DELETE', '/data/churn'), call('DELETE', '/cache/churn')])
  await unharmed()
})

test('an admin call that says not clearly what to empty empties nothing', async () => {
  const headers = { 'content-type': 'application/json' }
  for (const body of ['{bad', '5', '["data"]', '', '{}']) {
    const reply = await call('POST', '/_sandbox/purge', { headers, body })
    refuses(reply, body === '{bad' || body === '5' ? 400 : 422)
  }
  for (const json of [
    { kinds: ['data'] },
    { kinds: 'data', domain: 'canary' },
    { kinds: ['database'], domain: 'canary' },
    { kinds: [5], domain: 'canary' },
    { domain: 5 },
    { domain: 'canary', all: true },
    { all: 'yes' },
    { all: false },
  ]) {
    refuses(await call('POST', '/_sandbox/purge', { json }), 422)
  }
  refuses(await call('GET', '/_sandbox/purge'), 404)
  refuses(await call('POST', '/_sandbox/nope', { json: {} }), 404)
  await unharmed()
})

test('a pattern made to backtrack holds nobody up', async () => {
  const key = 'a'.repeat(5_000)
  assert.equal((await call('POST', '/cache/test', { json: { key, value: {} } })).status, 201)
  const reply = await call('GET', `/cache/test/_query?pattern=${'*a'.repeat(40)}*b`)
  answers(reply, 200, { ok: true, docs: [] })
  await unharmed()
})

test('a regular expression made to backtrack holds up no other request', async () => {
  await call('PUT', '/data/redos')
  await call('PUT', '/data/redos/x', { json: { t: `${'a'.repeat(60)}!` } })
  const query = JSON.stringify({ selector: { t: { $regex: '^(a+)+$' } } })
  const socket = await lingering(
    server,
    `POST /data/redos/_query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${query.length}\r\n\r\n${query}`,
  )
  await sleep(200)
  for (let n = 0; n < 10; n += 1) await unharmed()
  answers(await call('PUT', '/data/redos/y', { json: {} }), 200, { ok: true, id: 'y' })
  socket.destroy()
})
