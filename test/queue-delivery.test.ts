/** What targets may do to the embedded queue: answer strangely, slowly, endlessly or not at all. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHyperVerify } from 'hyper-connect'
import { createSender, signature, targetOf } from '../adapters/queue/delivery.ts'
import { jobsIn, layoutOf } from '../adapters/queue/jobs.ts'
import { createSqliteQueue, type SqliteQueueOptions } from '../adapters/queue/sqlite.ts'
import { createWorkers } from '../adapters/queue/workers.ts'
import { openSqlite } from '../adapters/shared/sqlite.ts'
import { decode } from '../server/json-text.ts'
import { type Guarded, guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type QueueJob, type QueuePort, queuePort } from '../server/ports/queue.ts'
import { type Delivery, startTarget } from './conformance/target.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-queue-delivery-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface Raw extends AsyncDisposable {
  url: string
  connections: Socket[]
}

/** A server that speaks whatever it likes. @param speak called with each connection */
async function startRaw(speak: (socket: Socket) => void): Promise<Raw> {
  const connections: Socket[] = []
  const server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => {})
    speak(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    connections,
    async [Symbol.asyncDispose]() {
      for (const socket of connections) socket.destroy()
      server.close()
    },
  }
}

interface Opened extends AsyncDisposable {
  queue: Guarded<QueuePort>
  directory: string
  errors(): Promise<QueueJob[]>
  /** The reason why one job to this target failed; undefined when it was delivered. */
  outcome(target: string): Promise<string | undefined>
}

function openQueue(options: Partial<SqliteQueueOptions> = {}): Opened {
  const directory = options.directory ?? mkdtempSync(join(root, 'case-'))
  const queue = guard(queuePort, createSqliteQueue({ attempts: 1, backoffMs: 10, ...options, directory }))
  const errors = async () => (await collect(await queue.get({ name: 'q', status: 'ERROR' }))).map((job) => decode(job))
  return {
    queue,
    directory,
    errors,
    async outcome(target) {
      await queue.start({})
      await queue.create({ name: 'q', target })
      await queue.post({ name: 'q', job: { n: 1 } })
      await until(async () => (await queue.get({ name: 'q', status: 'READY' })).items.length === 0)
      const [failed] = await errors()
      return failed && String(failed.error)
    },
    [Symbol.asyncDispose]: () => queue.close(),
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `not within 10 s: ${condition}`)
    await sleep(5)
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'

test('the signature is the one that hyper’s clients verify', async () => {
  const vectors: [string, string, string][] = [
    ['shh', '{"hello":"world"}', 'd014f851330fe2b415b6e5ec34030f372c9e22d785044817cf8907d148810448'],
    ['s'.repeat(100), '{"u":"é"}', 'a4325be3a91143c3453f9ffde1e22a72bb617c82cd22039e2a98e47cb4278075'],
  ]
  for (const [secret, body, sig] of vectors) {
    const header = signature(secret, body, 1_700_000_000_000)
    assert.equal(header, `t=1700000000000,sig=${sig}`)
    assert.deepEqual(createHyperVerify(secret, '1m')(header, JSON.parse(body)), { ok: true })
    assert.equal(createHyperVerify(`${secret}x`, '1m')(header, JSON.parse(body)).ok, false)
  }
})

test('what is delivered passes hyper-connect’s own check', async () => {
  await using target = await startTarget()
  await using opened = openQueue()
  const { queue } = opened
  await queue.start({})
  await queue.create({ name: 'q', target: target.url, secret: 'shh' })
  await queue.post({ name: 'q', job: { b: 1, a: { n: 1.0, u: 'é😀' }, '2': [] } })
  await until(() => target.deliveries.length === 1)
  const [{ headers, body }] = target.deliveries as [Delivery]
  assert.equal(body, '{"2":[],"b":1,"a":{"n":1,"u":"é😀"}}')
  const verify = createHyperVerify('shh', '1m')
  assert.deepEqual(verify(String(headers['x-hyper-signature']), JSON.parse(body)), { ok: true })
})

test('on a new store the first queue has id 1 and its first job 2, and a restart leaves no gap', async () => {
  await using target = await startTarget()
  const first = openQueue()
  await first.queue.create({ name: 'q', target: target.url })
  assert.deepEqual(await first.queue.post({ name: 'q', job: {} }), { id: 2 })
  await first.queue.close()
  await using second = openQueue({ directory: first.directory })
  assert.deepEqual(await second.queue.post({ name: 'q', job: {} }), { id: 3 })
})

test('an endless answer is cut off: a 2xx is success all the same, another status fails with its beginning', async () => {
  for (const status of ['200 OK', '500 Oops']) {
    let written = 0
    await using target = await startRaw((socket) => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 10000000000\r\n\r\n`)
        const part = Buffer.alloc(65_536, 'x')
        const more = () => {
          while (socket.writable && written < 10_000_000_000) {
            written += part.length
            if (!socket.write(part)) return void socket.once('drain', more)
          }
        }
        more()
      })
    })
    await using opened = openQueue()
    const reason = await opened.outcome(target.url)
    assert.equal(reason, status === '200 OK' ? undefined : 'x'.repeat(2_048))
    assert.ok(written < 50_000_000, `${written} bytes`)
    await until(() => target.connections.every(({ destroyed }) => destroyed))
  }
})

test('an answer that trickles for ever does not hold a worker', async () => {
  await using target = await startRaw((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      const trickle = setInterval(() => socket.write('1\r\nx\r\n'), 20)
      socket.on('close', () => clearInterval(trickle))
    })
  })
  await using opened = openQueue({ concurrency: 1 })
  assert.equal(await opened.outcome(target.url), undefined)
  await until(() => target.connections.every(({ destroyed }) => destroyed))
})

test('an answer that is no HTTP, none at all, or a change of protocol fails and says so', async () => {
  const table: [string, RegExp][] = [
    ['SSH-2.0-OpenSSH_9.2\r\n', /did not answer in HTTP/],
    ['HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n', /did not answer in HTTP/],
    [`HTTP/1.1 200 OK\r\n${'a'.repeat(100_000)}: b\r\n\r\n`, /did not answer in HTTP/],
    ['', /closed the connection without an answer/],
    ['HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n', /answered 101/],
    ['HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n', /answered 302 Found: a redirect/],
    ['HTTP/1.1 600 \r\nContent-Length: 0\r\n\r\n', /answered 600/],
    ['HTTP/1.1 500 \r\nContent-Length: 3\r\n\r\n\xff\x00a', /^\ufffd\0a$/],
  ]
  for (const [answer, expected] of table) {
    await using target = await startRaw((socket) => {
      socket.once('data', () => socket.end(answer, 'latin1'))
    })
    await using opened = openQueue({ timeoutMs: 5_000 })
    assert.match((await opened.outcome(target.url)) ?? 'delivered', expected)
  }
})

test('a 2xx whose body breaks off is success', async () => {
  await using target = await startRaw((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf'))
  })
  await using opened = openQueue()
  assert.equal(await opened.outcome(target.url), undefined)
})

test('a connection that the target closed when it was to be used again costs no attempt', async () => {
  for (const bye of ['destroy', 'resetAndDestroy'] as const) {
    let served = 0
    await using target = await startRaw((socket) => {
      let requests = 0
      socket.on('data', () => {
        requests += 1
        if (requests > 1) socket[bye]()
        else if (++served) socket.write(OK)
      })
    })
    await using opened = openQueue({ concurrency: 1 })
    const { queue } = opened
    await queue.start({})
    await queue.create({ name: 'q', target: target.url })
    for (let n = 0; n < 4; n += 1) {
      await queue.post({ name: 'q', job: { n } })
      await until(async () => (await queue.get({ name: 'q', status: 'READY' })).items.length === 0)
    }
    assert.deepEqual(await opened.errors(), [])
    assert.equal(served, 4)
    assert.equal(target.connections.length, 4)
  }
})

test('connections are used again, one for each worker', async () => {
  await using target = await startRaw((socket) => {
    socket.on('data', () => socket.write(OK))
  })
  await using opened = openQueue({ concurrency: 2 })
  const { queue } = opened
  await queue.start({})
  await queue.create({ name: 'q', target: target.url })
  await Promise.all(Array.from({ length: 100 }, (_, n) => queue.post({ name: 'q', job: { n } })))
  await until(async () => (await queue.get({ name: 'q', status: 'READY' })).items.length === 0)
  assert.equal(target.connections.length, 2)
})

test('a target that answers before it has heard a large job has answered', async () => {
  await using target = await startRaw((socket) => {
    socket.once('data', () => {
      socket.pause()
      socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large')
    })
  })
  await using opened = openQueue()
  const { queue } = opened
  await queue.start({})
  await queue.create({ name: 'q', target: target.url })
  await queue.post({ name: 'q', job: { large: 'x'.repeat(10_000_000) } })
  await until(async () => (await opened.errors()).length === 1)
  assert.equal((await opened.errors())[0]?.error, 'too large')
})

test('an https target that speaks no TLS is not delivered to', async () => {
  await using target = await startTarget()
  await using opened = openQueue()
  const reason = await opened.outcome(target.url.replace('http:', 'https:'))
  assert.match(reason ?? 'delivered', /cannot be reached: .*(SSL|wrong version|EPROTO)/i)
  assert.deepEqual(target.deliveries, [])
})

test('a target’s path, query, user and address of either family are kept', async () => {
  await using target = await startTarget()
  for (const host of ['127.0.0.1', '[::ffff:127.0.0.1]', 'localhost']) {
    await using opened = openQueue()
    const url = target.url.replace('127.0.0.1', `ada:p%40ss@${host}`)
    assert.equal(await opened.outcome(`${url}%20/x?y=1&y=2#part`), undefined)
    const { path, headers } = target.deliveries.at(-1) as Delivery
    assert.equal(path, '/work%20/x?y=1&y=2')
    assert.equal(headers.authorization, `Basic ${Buffer.from('ada:p@ss').toString('base64')}`)
  }
})

test('a failed job is forgotten after seven days', async () => {
  await using target = await startTarget((response) => response.writeHead(500).end())
  const first = openQueue()
  await first.outcome(target.url)
  await first.queue.close()
  for (const [days, left] of [
    [6.9, 1],
    [7.1, 0],
  ] as const) {
    await using later = openQueue({ directory: first.directory, now: () => Date.now() + days * 24 * 3_600_000 })
    await later.queue.open()
    await until(async () => (await later.errors()).length === left)
  }
})

test('jobs that wait are not held in memory', async () => {
  const release = Promise.withResolvers<void>()
  await using target = await startTarget(async (response, delivery) => {
    delivery.body = String(delivery.body.length)
    await release.promise
    response.writeHead(204).end()
  })
  await using opened = openQueue({ concurrency: 2 })
  const { queue } = opened
  await queue.start({})
  await queue.create({ name: 'q', target: target.url })
  const before = process.memoryUsage()
  const pad = 'x'.repeat(1_000_000)
  for (let n = 0; n < 200; n += 1) await queue.post({ name: 'q', job: { n, pad } })
  const { heapUsed, external } = process.memoryUsage()
  const grown = (heapUsed + external - before.heapUsed - before.external) / 1_000_000
  assert.ok(grown < 100, `${grown} MB for 200 MB of jobs`)
  release.resolve()
  await until(() => target.deliveries.length === 200)
})

test('when an outcome cannot be stored, the store is asked again, not the target', async () => {
  await using target = await startTarget()
  const file = openSqlite(join(mkdtempSync(join(root, 'case-')), 'queue.db'), 1, layoutOf('jobs'))
  const sender = createSender({ timeoutMs: 1_000, now: Date.now })
  const jobs = jobsIn(file, 'jobs')
  let refusals = 1
  const workers = createWorkers(
    {
      jobs,
      now: Date.now,
      send: (text, signal) => sender.send({ target: targetOf(target.url), secret: undefined, text, signal }),
      write: async (job) => {
        if (refusals-- > 0) throw new Error('the disk is full')
        return file.write(job)
      },
    },
    { concurrency: 1, attempts: 3, backoffMs: 1 },
  )
  jobs.insert(1, 0, '{}')
  jobs.insert(2, 0, '{}')
  workers.start()
  await until(() => jobs.untried(0, 10).length === 0)
  assert.equal(target.deliveries.length, 2)
  await workers.close(1_000)
  sender.close()
  await file.close()
})
