/**
 * A server behind a service is killed, paused or restarted while eight clients write (design §12): they get 503 within two seconds and
 * nothing else, what was acknowledged is there, and five seconds after the server is back everything is as before.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MAPPINGS } from './acceptance/case.ts'
import { hangUp, type Reply, type Sending, send } from './acceptance/http.ts'
import { startTarget } from './conformance/target.ts'
import { Ledger } from './ledger.ts'
import type { ServerKind } from './parts/server-kinds.ts'
import { type RealServer, startServer as startRealServer } from './parts/servers.ts'
import { type Server, startServer } from './server-process.ts'

const WRITERS = 8
const NAMES_EACH = 5
/** Two seconds are promised; a loaded machine may be late to say so. */
const ANSWER_MS = 3_000
const RECOVERY_MS = 5_000
const OUTAGE_MS = 2_500
const AGAIN_MS = 20
/** Characters of a write that takes a while, and how long after the next one it might still come. */
const LONG = 2_000_000
const LATE_MS = 1_000
/** Until a paused server does nothing more. */
const STANDSTILL_MS = 100
const TEXT = { 'content-type': 'text/plain' }

type Call = (method: string, path: string, sending?: Sending) => Promise<Reply>

interface Service {
  kind: 'data' | 'cache' | 'storage' | 'search'
  server: ServerKind
  create: Sending
  /** @param padding characters that make it longer to do */
  write(call: Call, name: string, n: number, padding?: number): Promise<Reply>
  remove(call: Call, name: string): Promise<Reply>
  read(call: Call, name: string): Promise<Reply>
  versionIn(reply: Reply): number
}

const SERVICES: Service[] = [
  {
    kind: 'data',
    server: 'mongo',
    create: {},
    write: (call, name, n, padding = randomInt(5_000)) =>
      call('PUT', `/data/test/${name}`, { json: { n, pad: 'x'.repeat(padding) } }),
    remove: (call, name) => call('DELETE', `/data/test/${name}`),
    read: (call, name) => call('GET', `/data/test/${name}`),
    versionIn: (reply) => (reply.json() as { n: number }).n,
  },
  {
    kind: 'cache',
    server: 'redis',
    create: {},
    write: (call, name, n, padding = 0) =>
      call('PUT', `/cache/test/${name}?ttl=1%20day`, { json: { n, pad: 'x'.repeat(padding) } }),
    remove: (call, name) => call('DELETE', `/cache/test/${name}`),
    read: (call, name) => call('GET', `/cache/test/${name}`),
    versionIn: (reply) => (reply.json() as { n: number }).n,
  },
  {
    kind: 'storage',
    server: 'minio',
    create: {},
    write: (call, name, n, padding = randomInt(100_000)) =>
      call('POST', `/storage/test/${name}`, { headers: TEXT, body: `${n} ${'x'.repeat(padding)}` }),
    remove: (call, name) => call('DELETE', `/storage/test/${name}`),
    read: (call, name) => call('GET', `/storage/test/${name}`),
    versionIn: (reply) => Number.parseInt(reply.text, 10),
  },
  {
    kind: 'search',
    server: 'meilisearch',
    create: { json: MAPPINGS },
    async write(call, name, n, padding = 0) {
      const doc = { title: `version ${n}`, n, pad: 'x'.repeat(padding) }
      const replace = () => call('PUT', `/search/test/${name}`, { json: doc })
      const replaced = await replace()
      if (replaced.status !== 404) return replaced
      const added = await call('POST', '/search/test', { json: { key: name, doc } })
      // An addition that was answered 503 may have been on its way between the two.
      return added.status === 409 ? await replace() : added
    },
    remove: (call, name) => call('DELETE', `/search/test/${name}`),
    read: (call, name) => call('GET', `/search/test/${name}`),
    versionIn: (reply) => (reply.json() as { doc: { n: number } }).doc.n,
  },
]

const FAULTS: Record<string, (server: RealServer) => Promise<void>> = {
  'killed and started again': async (server) => {
    server.kill('SIGKILL')
    await sleep(OUTAGE_MS)
    await server.restart()
  },
  'paused three times': async (server) => {
    for (let times = 0; times < 3; times += 1) {
      if (times > 0) await sleep(RECOVERY_MS / 2)
      server.kill('SIGSTOP')
      await sleep(OUTAGE_MS)
      server.kill('SIGCONT')
    }
  },
  'restarted at once': (server) => server.restart(),
}

after(hangUp)

/** What a gateway is told of a server. */
function environment(kind: string, { url, key }: RealServer): NodeJS.ProcessEnv {
  const name = `HYPER_SANDBOX_${kind.toUpperCase()}`
  return { [`${name}_URL`]: url, ...(key === undefined ? {} : { [`${name}_KEY`]: key }) }
}

/** Sends until it is answered with something else than 503. */
async function persistently(request: () => Promise<Reply>, deadlineMs = 60_000): Promise<Reply> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const reply = await inTime(request)
    if (reply.status !== 503) return reply
    assert.ok(performance.now() < deadline, `still 503 after ${deadlineMs} ms: ${reply.text}`)
    await sleep(100)
  }
}

async function inTime(request: () => Promise<Reply>): Promise<Reply> {
  const started = performance.now()
  const reply = await request()
  const took = performance.now() - started
  // Slow is not dead: while the server does its work, an answer may take longer.
  if (reply.status !== 503) return reply
  assert.ok(took < ANSWER_MS, `503 after ${Math.round(took)} ms: ${reply.text}`)
  assert.match(reply.text, /^\{"ok":false,"status":503,"msg":"[^"]+"\}$/)
  return reply
}

for (const { kind, server: serverKind, create, ...service } of SERVICES) {
  test(`${kind} on ${serverKind}: outages under load lose nothing and answer 503`, async (t) => {
    const started = await startRealServer(serverKind)
    if ('missing' in started) return t.skip(started.missing)
    if (!started.isOurs) return t.skip('the server is not ours to kill')
    await using backend = started
    const gateway: Server = await startServer([`--only=${kind}`], [], environment(kind, backend))
    const call: Call = (method, path, sending) => send(method, `${gateway.url}${path}`, sending)
    try {
      assert.equal((await call('PUT', `/${kind}/test`, create)).status, 201)
      for (const [fault, cause] of Object.entries(FAULTS)) {
        const ledger = new Ledger()
        let version = 0
        let unavailable = 0
        let isOver = false
        const writers = Array.from({ length: WRITERS }, async (_, writer) => {
          while (!isOver) {
            const name = `w${writer}-${randomInt(NAMES_EACH)}`
            version += 1
            const n = version
            const isRemoval = ledger.acknowledged(name) !== undefined && randomInt(5) === 0
            const answered = await ledger.attempt(name, isRemoval ? undefined : n, () =>
              inTime(() => (isRemoval ? service.remove(call, name) : service.write(call, name, n))),
            )
            if (answered) continue
            unavailable += 1
            // Sent again at once: what a paused server has in hand still must not come after what is acknowledged next.
            await sleep(AGAIN_MS)
          }
        })
        const work = Promise.all(writers)
        const underWay = async (count: number) => {
          while (ledger.acknowledgedWrites < count) await sleep(50)
        }
        await Promise.race([underWay(2 * WRITERS), work])
        await cause(backend)
        const back = performance.now()
        await persistently(() => service.write(call, 'recovered', 0), RECOVERY_MS)
        const recovered = performance.now() - back
        await Promise.race([underWay(ledger.acknowledgedWrites + 2 * WRITERS), work])
        isOver = true
        await work
        assert.equal(gateway.ended, false)
        assert.equal((await call('GET', '/readyz')).status, 200)

        const found = new Map<string, number>()
        for (const name of ledger.names()) {
          const reply = await service.read(call, name)
          assert.ok([200, 404].includes(reply.status), `${reply.status} ${reply.text}`)
          if (reply.status === 200) found.set(name, service.versionIn(reply))
        }
        ledger.compare(found)
        for (const name of found.keys()) await service.remove(call, name)
        t.diagnostic(
          `${kind}, ${fault}: ${ledger.acknowledgedWrites} acknowledged, ${unavailable} × 503, back after ${Math.round(recovered)} ms`,
        )
        if (fault !== 'restarted at once') assert.ok(unavailable > 0, 'the outage was not noticed')
      }
    } finally {
      await gateway.stop()
    }
  })
}

for (const { kind, server: serverKind, create, ...service } of SERVICES) {
  test(`${kind} on ${serverKind}: what a paused server has in hand does not come after what is written later`, async (t) => {
    const started = await startRealServer(serverKind)
    if ('missing' in started) return t.skip(started.missing)
    if (!started.isOurs) return t.skip('the server is not ours to pause')
    await using backend = started
    const gateway: Server = await startServer([`--only=${kind}`], [], environment(kind, backend))
    const call: Call = (method, path, sending) => send(method, `${gateway.url}${path}`, sending)
    const names = Array.from({ length: WRITERS }, (_, at) => `paused-${at}`)
    const writeAll = (n: number, padding: number) =>
      Promise.all(names.map((name) => inTime(() => service.write(call, name, n, padding))))
    const persist = (name: string, request: () => Promise<Reply>) =>
      persistently(request, RECOVERY_MS).then(({ status }) =>
        assert.ok([200, 201].includes(status), `${name}: ${status}`),
      )
    try {
      assert.equal((await call('PUT', `/${kind}/test`, create)).status, 201)
      for (const [round, isRemoval] of [false, true].entries()) {
        const [first, late, last] = [10 * round, 10 * round + 1, 10 * round + 2]
        for (const name of names) await persist(name, () => service.write(call, name, first))
        backend.kill('SIGSTOP')
        await sleep(STANDSTILL_MS)
        // Longer to do than what follows, so it would come after it, were it let.
        const replies = isRemoval
          ? await Promise.all(names.map((name) => inTime(() => service.remove(call, name))))
          : await writeAll(late, LONG)
        // One may have come before the last of the server's threads stood still.
        assert.ok(
          replies.some(({ status }) => status === 503),
          'the pause was not noticed',
        )
        backend.kill('SIGCONT')
        await Promise.all(names.map((name) => persist(name, () => service.write(call, name, last, 0))))
        await sleep(LATE_MS)
        for (const name of names) {
          const reply = await service.read(call, name)
          assert.equal(reply.status, 200, `${name} is gone: ${reply.text}`)
          assert.equal(service.versionIn(reply), last, name)
        }
      }
    } finally {
      backend.kill('SIGCONT')
      await gateway.stop()
    }
  })
}

test('queue on redis: outages lose no job that was acknowledged', async (t) => {
  const started = await startRealServer('redis')
  if ('missing' in started) return t.skip(started.missing)
  if (!started.isOurs) return t.skip('the server is not ours to kill')
  await using backend = started
  await using target = await startTarget()
  const gateway = await startServer(['--only=queue'], [], environment('queue', backend))
  const call: Call = (method, path, sending) => send(method, `${gateway.url}${path}`, sending)
  try {
    assert.equal((await call('PUT', '/queue/test', { json: { target: target.url } })).status, 201)
    const acknowledged = new Set<number>()
    let n = 0
    for (const [fault, cause] of Object.entries(FAULTS)) {
      let isOver = false
      const writers = Array.from({ length: WRITERS }, async () => {
        while (!isOver) {
          n += 1
          const job = n
          const reply = await inTime(() => call('POST', '/queue/test', { json: { n: job } }))
          assert.ok([201, 503].includes(reply.status), `${reply.status} ${reply.text}`)
          if (reply.status === 201) acknowledged.add(job)
          else await sleep(200)
        }
      })
      const work = Promise.all(writers)
      await sleep(300)
      await cause(backend)
      const back = performance.now()
      await persistently(() => call('POST', '/queue/test', { json: { n: 0 } }), RECOVERY_MS)
      const recovered = performance.now() - back
      isOver = true
      await work
      const deadline = performance.now() + 60_000
      const missing = () => {
        const delivered = new Set(target.deliveries.map(({ body }) => (JSON.parse(body || '{}') as { n: number }).n))
        return [...acknowledged].filter((job) => !delivered.has(job))
      }
      while (missing().length > 0) {
        assert.ok(performance.now() < deadline, `${fault}: ${missing().length} of ${acknowledged.size} not delivered`)
        await sleep(200)
      }
      t.diagnostic(`queue, ${fault}: ${acknowledged.size} jobs so far, back after ${Math.round(recovered)} ms`)
    }
    assert.equal(gateway.ended, false)
  } finally {
    await gateway.stop()
  }
})
