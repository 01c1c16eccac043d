/** Bad input to storage, search and queue changes nothing, crashes nothing and leaves nothing outside its place (design §12). */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { MAPPINGS, NOBODY } from './acceptance/case.ts'
import { file, form, formBytes } from './acceptance/form.ts'
import { answers, hangUp, leaveAfter, type Reply, refuses, type Sending, send, sendRaw } from './acceptance/http.ts'
import { until } from './acceptance/target.ts'
import { growthUnread, isOneOf, judge, lingering } from './hostile-judge.ts'
import { hostileServiceRequest } from './hostile-service-requests.ts'
import { type Server, startServer } from './server-process.ts'

const REQUESTS = 2_000 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const AT_ONCE = 8
const SMALL_HEAP = ['--max-old-space-size=100', '--max-semi-space-size=4']
/** What stands before the part of a signed URL's path that is signed. */
const PREFIX = '/_signed/'.length
const TEXT = { 'content-type': 'text/plain' }
const JOB = { canary: 'ü☃😀' }

/** Where a sandbox may have files, relative to the directory that all of it lies in. */
const KNOWN_FILES = [
  /^a\/b\/c\/project\/\.hyper-sandbox\/(lock|state|secrets)\.json$/,
  /^a\/b\/c\/project\/\.hyper-sandbox\/(\.gitignore|running\.lock(-journal)?|logs\/sandbox\.log)$/,
  /^a\/b\/c\/project\/\.hyper-sandbox\/data\/(cache|data|storage|search|queue)\.db(-wal|-shm)?$/,
  /^a\/b\/c\/project\/\.hyper-sandbox\/data\/objects\/([0-9a-f]{2}|tmp)\/[0-9a-f-]{32,36}$/,
  /^home\/(sandboxes|cache)\//,
]

let server: Server
let target: HttpServer
let targetUrl: string

before(async () => {
  target = createServer((request, reply) => {
    request.resume()
    request.on('end', () => {
      const dice = randomInt(6)
      if (dice === 0) reply.destroy()
      else if (dice === 1) reply.writeHead(302, { location: '/' }).end()
      else if (dice === 2) setTimeout(() => reply.writeHead(500).end('no'), 50)
      else reply.writeHead(200).end('x'.repeat(10_000))
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  targetUrl = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`
  server = await startServer()
  await furnish()
})
beforeEach(makeTest)
after(async () => {
  hangUp()
  target.closeAllConnections()
  target.close()
  await server.stop()
})

function call(method: string, path: string, sending?: Sending): Promise<Reply> {
  return send(method, `${server.url}${path}`, sending)
}

/** What is hostile may well remove what it is aimed at. */
async function makeTest(): Promise<void> {
  await Promise.all([
    call('PUT', '/storage/test'),
    call('PUT', '/search/test', { json: MAPPINGS }),
    call('PUT', '/queue/test', { json: { target: targetUrl } }),
  ])
  await call('POST', '/storage/test/o', { headers: TEXT, body: '0123456789' })
}

async function furnish(): Promise<void> {
  assert.equal((await call('PUT', '/storage/canary')).status, 201)
  assert.equal((await call('PUT', '/search/canary', { json: MAPPINGS })).status, 201)
  assert.equal((await call('PUT', '/queue/canary', { json: { target: NOBODY } })).status, 201)
  const large = Buffer.alloc(200_000, 'canary')
  for (const [name, body] of [
    ['c', 'unchanged'],
    ['large', large],
  ] as const) {
    assert.equal((await call('POST', `/storage/canary/${name}`, { headers: TEXT, body })).status, 201)
  }
  const doc = { title: 'canary', text: 'unchanged' }
  assert.equal((await call('POST', '/search/canary', { json: { key: 'c', doc } })).status, 201)
  assert.equal((await call('POST', '/queue/canary', { json: JOB })).status, 201)
  await until('the canary job fails', async () => (await failedJobs()).length === 1)
}

async function failedJobs(): Promise<{ job: unknown }[]> {
  return ((await call('GET', '/queue/canary?status=ERROR')).json() as { jobs: { job: unknown }[] }).jobs
}

async function unharmed(): Promise<void> {
  assert.equal(server.ended, false)
  answers(await call('GET', '/storage/canary'), 200, { ok: true, objects: ['c', 'large'] })
  assert.equal((await call('GET', '/storage/canary/c')).text, 'unchanged')
  assert.ok((await call('GET', '/storage/canary/large')).bytes.equals(Buffer.alloc(200_000, 'canary')))
  const found = await call('POST', '/search/canary/_query', { json: { query: 'unchanged' } })
  assert.deepEqual(
    (found.json() as { matches: { id: string }[] }).matches.map(({ id }) => id),
    ['c'],
  )
  assert.deepEqual(
    (await failedJobs()).map(({ job }) => job),
    [JOB],
  )
}

function isContained(): void {
  assert.deepEqual(
    server.files().filter((path) => !KNOWN_FILES.some((known) => known.test(path))),
    [],
  )
  for (const path of ['/escaped', '/etc/escaped', '/tmp/escaped', 'escaped'])
    assert.equal(existsSync(path), false, path)
}

/** A single sample may have been taken just before the collector ran. */
function median(samples: number[]): number {
  return samples.toSorted((one, other) => one - other)[samples.length >> 1] ?? Number.NaN
}

/** Files of objects larger than what a database row holds. */
function objectFiles(): string[] {
  return server.files().filter((path) => path.includes('/objects/'))
}

test(`${REQUESTS} generated hostile requests to storage, search and queue`, async (t) => {
  const shared = server
  server = await startServer([], SMALL_HEAP)
  try {
    await furnish()
    const counts = new Map<number, number>()
    const memory: number[] = []
    let sent = 0
    const batch = fc.array(hostileServiceRequest, { minLength: AT_ONCE, maxLength: AT_ONCE })
    const property = fc.asyncProperty(batch, async (requests) => {
      if (sent % 40 === 0) await makeTest()
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
    isContained()
    const statuses = [...counts].sort().map(([status, count]) => `${status} × ${count}`)
    t.diagnostic(`statuses: ${statuses.join(', ')}; memory, MB: ${memory.join(' ')}`)
    for (const status of [200, 201, 206, 400, 403, 404, 412, 416, 422]) {
      assert.ok(counts.has(status), `no request got ${status}`)
    }
    const [third, last] = [median(memory.slice(-10, -5)), median(memory.slice(-5))]
    assert.ok(last <= third * 1.05 + 8, `memory grows: ${memory.join(' ')} MB`)
  } finally {
    await server.stop()
    server = shared
  }
})

test('a signed url mutilated in any way opens nothing', async () => {
  const { url } = (await call('GET', '/storage/canary/c?useSignedUrl=true')).json() as { url: string }
  const upload = await call('POST', '/storage/canary/c?useSignedUrl=true')
  const { url: uploadUrl } = upload.json() as { url: string }
  const mutation = fc.tuple(fc.nat(), fc.nat({ max: 3 }), fc.constantFrom(...'aZ09-_./%~?&=+'), fc.boolean())
  const property = fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
    for (const whole of [url, uploadUrl]) {
      let path = whole.slice(server.url.length)
      const original = path
      for (const [where, removed, added, isAdded] of mutations) {
        const at = PREFIX + (where % (path.length - PREFIX))
        path = path.slice(0, at) + (isAdded ? added : '') + path.slice(at + removed)
      }
      if (path === original) continue
      const reply =
        whole === url
          ? await call('GET', path)
          : await call('PUT', path, { headers: TEXT, body: 'changed by a forged url' })
      isOneOf(server, reply, [400, 403, 404])
    }
  })
  await fc.assert(property, { numRuns: 200, endOnFailure: true })
  await unharmed()
})

test('clients that leave half-way leave no object, no file and no open file', async () => {
  await sleep(100)
  const files = objectFiles().length
  const openBefore = server.openFiles()
  const part = 'x'.repeat(90_000)
  const formHead = formBytes([file('left', part)]).subarray(0, 60_000)
  const begun: (string | Buffer)[] = [
    `POST /storage/test/left HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\nContent-Length: 200000\r\n\r\n${part}`,
    `POST /storage/test/left HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\nContent-Length: 50\r\n\r\nleft`,
    `POST /storage/test/left HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n15f90\r\n${part}\r\n`,
    Buffer.concat([
      Buffer.from(
        'POST /storage/test HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=----proof7d1a\r\nContent-Length: 90300\r\n\r\n',
      ),
      formHead,
    ]),
    'GET /storage/canary/large HTTP/1.1\r\nHost: localhost\r\n\r\n',
    'POST /search/test HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"key":"left","doc":{}',
    'POST /queue/test HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"left":1',
  ]
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(Array.from({ length: 35 }, (_, at) => leaveAfter(server.url, begun[at % begun.length] ?? '')))
  }
  hangUp()
  await until('every file is closed and gone', () => {
    return objectFiles().length === files && server.openFiles() <= openBefore + 2
  })
  answers(await call('GET', '/storage/test'), 200, { ok: true, objects: ['o'] })
  refuses(await call('GET', '/search/test/left'), 404)
  await unharmed()
  isContained()
})

test('300 slow uploads keep nobody waiting and hold no file', async () => {
  const openBefore = server.openFiles()
  const before = server.memoryMb()
  const head =
    'POST /storage/test/slow HTTP/1.1\r\nHost: localhost\r\nContent-Type: a/b\r\nContent-Length: 1000000\r\n\r\n'
  const sockets = await Promise.all(Array.from({ length: 300 }, () => lingering(server, head + 'x'.repeat(30_000))))
  for (let n = 0; n < 20; n += 1) await unharmed()
  assert.ok(server.openFiles() < openBefore + 300 + 50, 'a socket each and no more')
  const grown = server.memoryMb() - before
  assert.ok(grown < 120, `${Math.round(grown)} MB for 300 slow uploads`)
  for (const socket of sockets) socket.destroy()
  refuses(await call('GET', '/storage/test/slow'), 404, 'object does not exist')
})

test('clients that download and read nothing cost no memory', async () => {
  const body = Buffer.alloc(40_000_000, 'unread')
  assert.equal((await call('POST', '/storage/test/unread', { headers: TEXT, body })).status, 201)
  const grown = await growthUnread(server, '/storage/test/unread', 40, unharmed)
  assert.ok(grown < 120, `${grown} MB for 40 unread downloads of 40 MB`)
  assert.equal((await call('DELETE', '/storage/test/unread')).status, 201)
})

test('an object replaced and removed while it is read is read whole, as it was or not at all', async () => {
  const version = (n: number) => Buffer.alloc(300_000, `${n},`)
  const put = (n: number) => call('POST', '/storage/test/busy', { headers: TEXT, body: version(n) })
  await put(0)
  let n = 0
  let isOver = false
  const writer = (async () => {
    while (!isOver) {
      n = (n + 1) % 8
      isOneOf(server, n === 7 ? await call('DELETE', '/storage/test/busy') : await put(n), [201, 404])
    }
  })()
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      for (let turn = 0; turn < 40; turn += 1) {
        const reply = await call('GET', '/storage/test/busy')
        isOneOf(server, reply, [200, 404])
        if (reply.status === 200) {
          assert.ok(reply.bytes.equals(version(Number.parseInt(reply.text, 10))), 'bytes of two versions')
        }
      }
    }),
  )
  isOver = true
  await writer
  await unharmed()
})

test('targets that answer without end, never, or nonsense cost no memory and no other queue', async () => {
  const endless = createServer((request, reply) => {
    request.resume()
    reply.on('error', () => {})
    reply.writeHead(request.url === '/fails' ? 500 : 200, { 'content-length': '10000000000' })
    const chunk = Buffer.alloc(1_000_000, 'x')
    const more = () => {
      while (!reply.destroyed && reply.write(chunk));
    }
    reply.on('drain', more)
    more()
  })
  const silent = createServer(() => {})
  for (const each of [endless, silent]) await new Promise<void>((resolve) => each.listen(0, '127.0.0.1', resolve))
  const at = (each: HttpServer) => `http://127.0.0.1:${(each.address() as AddressInfo).port}`
  const targets = { endless: at(endless), fails: `${at(endless)}/fails`, silent: at(silent) }
  try {
    const before = server.memoryMb()
    for (const [name, url] of Object.entries(targets)) {
      assert.equal((await call('PUT', `/queue/rude-${name}`, { json: { target: url } })).status, 201)
      for (let n = 0; n < 20; n += 1) await call('POST', `/queue/rude-${name}`, { json: { n } })
    }
    let delivered = 0
    const counting = createServer((request, reply) => {
      delivered += 1
      request.resume()
      reply.end()
    })
    await new Promise<void>((resolve) => counting.listen(0, '127.0.0.1', resolve))
    await call('PUT', '/queue/polite', { json: { target: at(counting) } })
    for (let n = 0; n < 50; n += 1) await call('POST', '/queue/polite', { json: { n } })
    await until('the polite queue is served', () => delivered >= 50)
    counting.close()
    const waiting = async (name: string) =>
      ((await call('GET', `/queue/rude-${name}?status=READY`)).json() as { jobs: unknown[] }).jobs.length
    await until(
      'the endless answers are done with',
      async () => (await waiting('endless')) + (await waiting('fails')) === 0,
    )
    assert.equal(await waiting('silent'), 20)
    const grown = server.memoryMb() - before
    assert.ok(grown < 150, `${Math.round(grown)} MB`)
    await unharmed()
  } finally {
    for (const name of [...Object.keys(targets).map((rude) => `rude-${rude}`), 'polite'])
      await call('DELETE', `/queue/${name}`)
    for (const each of [endless, silent]) {
      each.closeAllConnections()
      each.close()
    }
  }
})

test('search takes what is large, long and odd', async () => {
  const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`f${n}`, `w${n}`]))
  isOneOf(server, await call('POST', '/search/test', { json: { key: 'many', doc: many } }), [201, 422])
  const text = Array.from({ length: 20_000 }, (_, n) => `w${n}`).join(' ')
  isOneOf(server, await call('POST', '/search/test', { json: { key: 'long', doc: { text } } }), [201, 422])
  isOneOf(
    server,
    await call('POST', '/search/test', { json: { key: 'word', doc: { text: 'x'.repeat(3_000_000) } } }),
    [201],
  )
  isOneOf(server, await call('POST', '/search/test/_query', { json: { query: text } }), [200, 422])
  isOneOf(server, await call('POST', '/search/test/_query', { json: { query: 'x'.repeat(3_000_000) } }), [200, 422])
  const fields = Array.from({ length: 5_000 }, (_, n) => `f${n}`)
  isOneOf(server, await call('PUT', '/search/wide', { json: { fields, storeFields: fields } }), [201, 422])
  isOneOf(server, await call('POST', '/search/wide', { json: { key: 'many', doc: many } }), [201, 404, 422])
  isOneOf(server, await call('POST', '/search/wide/_query', { json: { query: 'w1 w2', fields } }), [200, 404, 422])
  isOneOf(server, await call('DELETE', '/search/wide'), [200, 404])
  await unharmed()
})

test('buckets, indexes and queues made and removed under traffic answer as if each call were alone', async () => {
  const large = Buffer.alloc(150_000, 'churn')
  const calls: (() => Promise<Reply>)[] = [
    () => call('PUT', '/storage/churn'),
    () => call('PUT', '/search/churn', { json: MAPPINGS }),
    () => call('PUT', '/queue/churn', { json: { target: targetUrl } }),
    () => call('PUT', '/storage/churn'),
    () => call('PUT', '/search/churn', { json: MAPPINGS }),
    () => call('PUT', '/queue/churn', { json: { target: targetUrl } }),
    () => call('DELETE', '/storage/churn'),
    () => call('DELETE', '/search/churn'),
    () => call('DELETE', '/queue/churn'),
    () => call('POST', '/storage/churn/small', { headers: TEXT, body: 'x' }),
    () => call('POST', '/storage/churn/large', { headers: TEXT, body: large }),
    () => call('POST', '/storage/churn', form(file('form', large))),
    () => call('GET', '/storage/churn/large'),
    () => call('GET', '/storage/churn/form', { headers: { range: 'bytes=5-9' } }),
    () => call('DELETE', '/storage/churn/large'),
    () => call('GET', '/storage/churn'),
    () => call('POST', '/search/churn', { json: { key: 'k', doc: { title: 'word' } } }),
    () => call('PUT', '/search/churn/k', { json: { title: 'word again' } }),
    () => call('POST', '/search/churn/_query', { json: { query: 'word' } }),
    () => call('DELETE', '/search/churn/k'),
    () => call('POST', '/queue/churn', { json: { n: 1 } }),
    () => call('GET', '/queue/churn?status=READY'),
    () => call('GET', '/readyz'),
  ]
  await Promise.all(
    Array.from({ length: 12 }, async (_, worker) => {
      for (let turn = 0; turn < 60; turn += 1) {
        const next = calls[(worker * 7 + turn * 11 + ((turn * turn) % 5)) % calls.length]
        if (next) isOneOf(server, await next(), [200, 201, 206, 404, 409])
      }
    }),
  )
  await Promise.all([call('DELETE', '/storage/churn'), call('DELETE', '/search/churn'), call('DELETE', '/queue/churn')])
  await unharmed()
  isContained()
})
