/** The queue port on BullMQ and a real Redis: the suite, several gateways, and servers and gateways that die, pause or are full. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type BullmqQueueOptions, createBullmqQueue } from '../adapters/queue/bullmq.ts'
import type { HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { type Guarded, guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type QueueJob, type QueuePort, queuePort } from '../server/ports/queue.ts'
import { queueSuite } from './conformance/queue.ts'
import { startTarget } from './conformance/target.ts'
import { startFreezingProxy } from './helpers/freezing-proxy.ts'
import { allUnavailable, isCode, killedUnderLoad } from './outage.ts'
import { type RealServer, startServer } from './parts/servers.ts'
import { ROOT } from './source-files.ts'

type Queue = Guarded<QueuePort>

const found = await startServer('redis')
if ('missing' in found) {
  test('the queue on BullMQ', (t) => {
    if (process.env.CI) assert.fail(found.missing)
    t.skip(found.missing)
  })
} else {
  after(() => found[Symbol.asyncDispose]())
  allOn(found)
}

function allOn(server: RealServer): void {
  const { url } = server

  queueSuite({
    test,
    create: async (tuning) => {
      const namespace = randomUUID()
      const open = () => guard(queuePort, createBullmqQueue({ url, namespace, ...tuning }))
      return { queue: open(), reopen: async () => open() }
    },
  })

  /** Gateways on one namespace, and a client that looks at the same server. */
  function fixture(t: TestContext) {
    const namespace = randomUUID()
    const client = new Redis(url).on('error', () => {})
    t.after(() => client.disconnect())
    const gateway = (options: Partial<BullmqQueueOptions> = {}): Queue => {
      const queue = guard(queuePort, createBullmqQueue({ url, namespace, backoffMs: 20, ...options }))
      t.after(() => queue.close())
      return queue
    }
    const keys = async () => (await client.keys('*')).filter((key) => key.includes(namespace))
    return { namespace, client, gateway, keys }
  }

  describe('several gateways', () => {
    test('see the same queues, and deliver each other’s jobs', async (t) => {
      const { gateway } = fixture(t)
      const [one, other] = [gateway(), gateway()]
      await using target = await startTarget()
      await other.start({})
      await one.create({ name: 'q', target: target.url })
      assert.deepEqual(await other.list({}), { names: ['q'] })
      await one.post({ name: 'q', job: { n: 1 } })
      await until(() => target.deliveries.length === 1)
      await other.delete({ name: 'q' })
      await assert.rejects(one.post({ name: 'q', job: {} }), isCode('QUEUE_NOT_FOUND'))
    })

    test('deliver each job once', async (t) => {
      const { gateway } = fixture(t)
      const gateways = [gateway(), gateway()]
      await using target = await startTarget(async (response) => {
        await sleep(1)
        response.writeHead(204).end()
      })
      await gateways[0]?.create({ name: 'q', target: target.url })
      for (const one of gateways) await one.start({})
      const posts = Array.from({ length: 400 }, (_, n) => gateways[n % 2]?.post({ name: 'q', job: { n } }))
      const ids = (await Promise.all(posts)).map((posted) => posted?.id)
      assert.equal(new Set(ids).size, 400)
      await until(async () => (await jobs(gateways[0] as Queue, 'READY')).length === 0)
      assert.equal(target.deliveries.length, 400)
      assert.equal(new Set(target.deliveries.map(({ body }) => body)).size, 400)
    })

    for (const [what, end] of [
      ['cancel', (queue: Queue, id: number) => queue.cancel({ name: 'q', id: String(id) })],
      ['empty', (queue: Queue) => queue.empty({ name: 'q' })],
      ['delete', (queue: Queue) => queue.delete({ name: 'q' })],
    ] as const) {
      test(`${what} cuts off what another gateway is sending`, async (t) => {
        const { gateway } = fixture(t)
        const [sending, other] = [gateway({ concurrency: 1 }), gateway()]
        await using target = await startTarget(() => {})
        await other.create({ name: 'q', target: target.url })
        await sending.start({})
        const { id } = await other.post({ name: 'q', job: { n: 1 } })
        if (what !== 'cancel') for (let n = 2; n < 5; n += 1) await other.post({ name: 'q', job: { n } })
        await until(() => target.deliveries.length === 1)
        await end(other, id)
        await until(() => target.deliveries[0]?.wasCutOff === true)
        if (what !== 'delete') assert.deepEqual(await jobs(sending, 'READY'), [])
        await sleep(300)
        assert.equal(target.deliveries.length, 1)
      })
    }

    test('of posts and emptyings at the same time, each acknowledged job is counted or there', async (t) => {
      const { gateway } = fixture(t)
      const [one, other] = [gateway(), gateway()]
      await one.create({ name: 'q', target: 'http://127.0.0.1:1/' })
      let counted = 0
      const posts = Array.from({ length: 300 }, async (_, n) => {
        await sleep(n / 3)
        await one.post({ name: 'q', job: { n } })
      })
      const emptyings = Array.from({ length: 30 }, async (_, n) => {
        await sleep(n * 3)
        const { count } = await other.empty({ name: 'q' })
        counted += count
      })
      await Promise.all([...posts, ...emptyings])
      // One that was counted in the moment it came may have been added anew.
      assert.ok(counted + (await jobs(one, 'READY')).length >= 300)
      assert.ok(counted > 0)
    })

    test('use the same few connections for any number of queues', async (t) => {
      const { gateway, client, namespace } = fixture(t)
      const queue = gateway()
      await using target = await startTarget()
      await queue.start({})
      const connections = async () => ((await client.client('LIST')) as string).trim().split('\n').length
      await queue.create({ name: 'first', target: target.url })
      await queue.post({ name: 'first', job: {} })
      await until(() => target.deliveries.length === 1)
      const before = await connections()
      const names = Array.from({ length: 60 }, (_, n) => `q${n}`)
      await Promise.all(names.map((name) => queue.create({ name, target: target.url })))
      await Promise.all(names.map((name) => queue.post({ name, job: { name } })))
      await until(() => target.deliveries.length === 61)
      assert.ok((await connections()) <= before, namespace)
    })

    test('send what a killed one was sending', async (t) => {
      const { gateway, namespace } = fixture(t)
      await using target = await startTarget((response) => {
        if (target.deliveries.length > 1) response.writeHead(204).end()
      })
      const queue = gateway()
      await queue.create({ name: 'q', target: target.url })
      await queue.post({ name: 'q', job: { n: 1 } })
      const script = join(ROOT, 'test/helpers/queue-gateway.ts')
      const child = spawn(process.execPath, [script, url, namespace], { stdio: 'inherit' })
      t.after(() => child.kill('SIGKILL'))
      await until(() => target.deliveries.length === 1)
      child.kill('SIGKILL')
      await once(child, 'exit')
      await queue.start({})
      await until(() => target.deliveries.length === 2)
      await until(async () => (await jobs(queue, 'READY')).length === 0)
      assert.deepEqual(await jobs(queue, 'ERROR'), [])
    })
  })

  describe('what only a server shows', () => {
    test('of jobs and queues that have gone nothing is left, in one hash slot under the namespace', async (t) => {
      const { gateway, keys, namespace } = fixture(t)
      const queue = gateway({ attempts: 1 })
      await using target = await startTarget((response) => response.writeHead(500).end())
      await queue.create({ name: 'q', target: target.url, secret: 'shh' })
      await queue.start({})
      for (let n = 0; n < 20; n += 1) await queue.post({ name: 'q', job: { n } })
      await until(async () => (await jobs(queue, 'READY')).length === 0)
      assert.ok((await keys()).length > 20)
      assert.ok((await keys()).every((key) => key.startsWith(`{${namespace}:queue}:`)))
      assert.deepEqual(await queue.empty({ name: 'q' }), { count: 20 })
      await queue.delete({ name: 'q' })
      // What BullMQ leaves behind a look for stalled jobs expires by itself.
      await until(async () => (await keys()).every((key) => /:(ids|stalled-check)$/.test(key)))
    })

    test('jobs that were emptied away are handed out by the server no more, from that moment', async (t) => {
      const { gateway, keys, client } = fixture(t)
      const queue = gateway()
      await queue.create({ name: 'q', target: 'http://127.0.0.1:1/' })
      await queue.post({ name: 'q', job: {} })
      const [old = ''] = (await keys()).filter((key) => key.endsWith(':meta'))
      for (const [end, paused] of [
        [() => queue.empty({ name: 'q' }), ['1', null]],
        [() => queue.delete({ name: 'q' }), ['1', '1']],
      ] as const) {
        await end()
        const metas = (await keys()).filter((key) => key.endsWith(':meta')).sort((one) => (one === old ? -1 : 1))
        assert.deepEqual(await Promise.all(metas.map((key) => client.hget(key, 'paused'))), paused)
      }
    })

    test('scripts that the server has forgotten are sent again', async (t) => {
      const { gateway, client } = fixture(t)
      const queue = gateway()
      await using target = await startTarget()
      await queue.create({ name: 'q', target: target.url })
      await queue.start({})
      for (let round = 0; round < 3; round += 1) {
        const { id } = await queue.post({ name: 'q', job: { round }, error: 'broken' })
        await client.script('FLUSH')
        await queue.post({ name: 'q', job: { round } })
        await client.script('FLUSH')
        await queue.retry({ name: 'q', id: String(id) })
        await until(() => target.deliveries.length === 2 * (round + 1))
      }
      await until(async () => (await jobs(queue, 'READY')).length === 0)
    })

    test('a job has as many attempts as the gateway has that sends it', async (t) => {
      const { gateway } = fixture(t)
      const [few, many] = [gateway({ attempts: 1 }), gateway({ attempts: 4 })]
      await using target = await startTarget((response) => response.writeHead(500).end())
      await few.create({ name: 'q', target: target.url })
      await few.post({ name: 'q', job: {} })
      await many.start({})
      await until(async () => (await jobs(many, 'ERROR')).length === 1)
      assert.equal(target.deliveries.length, 4)
    })

    test('a target cannot speak to BullMQ', async (t) => {
      const { gateway } = fixture(t)
      const queue = gateway({ attempts: 2 })
      const words = ['bullmq:rateLimitExceeded', 'bullmq:movedToWait', 'Connection is closed.', 'ECONNREFUSED']
      await using target = await startTarget((response, { body }) => response.writeHead(500).end(JSON.parse(body).say))
      await queue.create({ name: 'q', target: target.url })
      await queue.start({})
      for (const say of words) await queue.post({ name: 'q', job: { say } })
      await until(async () => (await jobs(queue, 'READY')).length === 0)
      for (const [index, { error }] of (await jobs(queue, 'ERROR')).entries()) {
        assert.ok(error?.startsWith(words[index] as string), error)
      }
      assert.equal(target.deliveries.length, 2 * words.length)
    })
  })

  test('connections that lead nowhere any more are left for new ones', async (t) => {
    const { gateway } = fixture(t)
    const { hostname, port } = new URL(url)
    await using proxy = await startFreezingProxy(hostname, Number(port))
    await using target = await startTarget()
    const [behind, other] = [gateway({ url: url.replace(`:${port}`, `:${proxy.tcpPort}`) }), gateway()]
    await behind.create({ name: 'q', target: target.url })
    await behind.start({})
    await behind.post({ name: 'q', job: {} })
    await until(() => target.deliveries.length === 1)
    proxy.freeze()
    await other.create({ name: 'q2', target: target.url })
    for (const name of ['q', 'q2']) await other.post({ name, job: {} })
    await until(() => target.deliveries.length === 3)
    await behind.list({})
  })

  describe('a server in trouble', { skip: !server.isOurs && 'the server is not ours to trouble' }, () => {
    test('without memory: jobs are refused with the reason, emptying and delivering go on', async (t) => {
      const { gateway, client } = fixture(t)
      const queue = gateway()
      await using target = await startTarget()
      await queue.create({ name: 'q', target: target.url })
      await queue.create({ name: 'full', target: target.url })
      for (const name of ['q', 'full']) await queue.post({ name, job: { name } })
      await client.config('SET', 'maxmemory', '1')
      try {
        const calls = [
          () => queue.post({ name: 'q', job: {} }),
          () => queue.post({ name: 'q', job: {}, error: 'broken' }),
          () => queue.create({ name: 'new', target: target.url }),
        ]
        for (const call of calls) await assert.rejects(call(), isUnavailable(/no memory/))
        assert.deepEqual(await queue.empty({ name: 'full' }), { count: 1 })
        assert.equal((await jobs(queue, 'READY')).length, 1)
        await client.config('RESETSTAT')
        await queue.start({})
        await sleep(1_500)
        const [, refusals = '0'] = /evalsha?:.*failed_calls=(\d+)/.exec(await client.info('commandstats')) ?? []
        assert.ok(Number(refusals) < 20, `a worker that is refused asks ${refusals} times`)
      } finally {
        await client.config('SET', 'maxmemory', '0')
      }
      await until(() => target.deliveries.length === 1)
    })

    test('that may evict any key is not ready', async (t) => {
      const { gateway, client } = fixture(t)
      const queue = gateway()
      try {
        await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
        await queue.check()
        await client.config('SET', 'maxmemory', '1gb')
        await assert.rejects(queue.check(), isUnavailable(/allkeys-lru/))
        await client.config('SET', 'maxmemory-policy', 'volatile-ttl')
        await queue.check()
      } finally {
        await client.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction')
      }
    })

    test('that is not there when a gateway starts is found when it is', async (t) => {
      const { gateway } = fixture(t)
      await using target = await startTarget()
      const before = gateway()
      await before.create({ name: 'q', target: target.url })
      await before.post({ name: 'q', job: { n: 1 } })
      await before.start({})
      await until(() => target.deliveries.length === 1)
      await before.stop({})
      await before.post({ name: 'q', job: { n: 2 } })
      server.kill('SIGKILL')
      const queue = gateway()
      const neverSeen = gateway()
      await queue.start({})
      await neverSeen.start({})
      await before.start({})
      await unavailable(queue)
      // Not only without a server, but also without waiting for it.
      const started = performance.now()
      await Promise.all([before.close(), neverSeen.close()])
      assert.ok(performance.now() - started < 5_000)
      await server.restart()
      await until(() => target.deliveries.length === 2)
      await queue.check()
    })

    test('that is paused fails what waits and what comes, and goes on afterwards', async (t) => {
      const { gateway } = fixture(t)
      const queue = gateway()
      await using target = await startTarget()
      await queue.create({ name: 'q', target: target.url })
      await queue.start({})
      await queue.post({ name: 'q', job: { n: 1 } })
      await until(() => target.deliveries.length === 1)
      server.kill('SIGSTOP')
      try {
        await unavailable(queue)
        await sleep(3_500)
        await unavailable(queue)
      } finally {
        server.kill('SIGCONT')
      }
      await until(async () => {
        await queue.post({ name: 'q', job: { later: true } }).catch(() => {})
        return target.deliveries.some(({ body }) => body === '{"later":true}')
      })
    })

    test('killed and restarted under load: only acknowledgements and 503s, and what was acknowledged is sent', async (t) => {
      const { gateway } = fixture(t)
      const gateways = [gateway(), gateway()]
      await using target = await startTarget()
      await gateways[0]?.create({ name: 'q', target: target.url })
      for (const one of gateways) await one.start({})
      const acknowledged = await killedUnderLoad(server, async (writer, n) => {
        await gateways[writer % 2]?.post({ name: 'q', job: { n: `${writer}-${n}` } })
        return [`${writer}-${n}`]
      })
      await until(async () => (await jobs(gateways[0] as Queue, 'READY')).length === 0)
      const sent = new Set(target.deliveries.map(({ body }) => JSON.parse(body).n))
      assert.deepEqual(
        acknowledged.filter((one) => !sent.has(one)),
        [],
      )
    })
  })
}

/** A paused server does what it was asked once it goes on. */
async function unavailable(queue: Queue): Promise<void> {
  await allUnavailable(
    queue.create({ name: 'new', target: 'http://127.0.0.1:1/' }),
    queue.delete({ name: 'nope' }),
    queue.list({}),
    queue.empty({ name: 'nope' }),
    queue.post({ name: 'q', job: { n: 'unknown' } }),
    queue.post({ name: 'nope', job: {}, error: 'broken' }),
    queue.get({ name: 'q', status: 'READY' }),
    queue.retry({ name: 'q', id: '1' }),
    queue.cancel({ name: 'q', id: '1' }),
    queue.check(),
  )
}

async function jobs(queue: Queue, status: 'READY' | 'ERROR'): Promise<QueueJob[]> {
  return (await collect(await queue.get({ name: 'q', status }))).map((job) => decode(job))
}

function isUnavailable(words: RegExp): (error: unknown) => boolean {
  return (error) => isCode('BACKEND_UNAVAILABLE')(error) && words.test((error as HyperError).message)
}

/** A condition that throws is one that does not hold yet. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000
  const holds = async () => await condition()
  while (!(await holds().catch(() => false))) {
    assert.ok(performance.now() < deadline, `not within 30 s: ${condition}`)
    await sleep(10)
  }
}
