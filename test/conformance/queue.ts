/**
 * What every queue adapter must do (server/ports/queue.ts, hyper-api §8): hand it your runner's `test` and a factory.
 * Each case is named `<rule>: <behaviour>` and runs on an adapter of its own, with targets that listen on this machine.
 */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, HyperError } from '../../server/error.ts'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { QueueJob, QueuePort } from '../../server/ports/queue.ts'
import { type Delivery, startTarget, type Target } from './target.ts'

/** How the adapter is to be set up, so that a case takes milliseconds where users wait for seconds. */
export interface QueueTuning {
  /** Requests on their way at once, for each queue. */
  concurrency: number
  /** How often a job is tried. */
  attempts: number
  /** How long a target may take to answer. */
  timeoutMs: number
  /** The first wait between attempts. */
  backoffMs: number
}

export interface QueueUnderTest {
  /** `guard(queuePort, adapter)` over storage that nobody else uses. */
  queue: Guarded<QueuePort>
  /** A second guarded adapter over the same storage, not started, asked for after `queue` is closed. Absent: nothing outlives a close. */
  reopen?: () => Promise<Guarded<QueuePort>>
}

export interface QueueSuiteOptions {
  /** Registers a case with the runner: `node:test`'s `test`, or any function of this shape. */
  test: (name: string, run: () => Promise<void>) => unknown
  create: (tuning: QueueTuning) => Promise<QueueUnderTest>
  /** How long a case waits for what must happen, in milliseconds. @default 10 000, enough for a busy machine */
  patienceMs?: number
}

const TUNING: QueueTuning = { concurrency: 3, attempts: 3, timeoutMs: 10_000, backoffMs: 20 }

/** So long something is watched that must not happen. */
const WATCH_MS = 150

interface Fixture extends QueueUnderTest {
  target: Target
  post(job: unknown, name?: string): Promise<number>
  jobs(status: 'READY' | 'ERROR', name?: string): Promise<QueueJob[]>
  /** Resolves when the queue holds no job that waits or is being sent. */
  settled(name?: string): Promise<void>
}

interface Setting extends Partial<QueueTuning> {
  /** What the queue's target answers. @default 204 */
  answer?: Parameters<typeof startTarget>[0]
  secret?: string
}

export function queueSuite({ test, create, patienceMs = 10_000 }: QueueSuiteOptions): void {
  /** The case's adapter has one queue, `q`, whose target is `target`. */
  function rule(name: string, setting: Setting, run: (fixture: Fixture) => Promise<void>): void {
    test(name, async () => {
      const { answer, secret, ...tuning } = setting
      await using target = await startTarget(answer)
      const made = await create({ ...TUNING, ...tuning })
      const { queue } = made
      const jobs: Fixture['jobs'] = async (status, of = 'q') =>
        (await collect(await queue.get({ name: of, status }))).map((item) => {
          const job = decode(item)
          return { ...job, job: decode(job.job) }
        })
      try {
        await queue.create({ name: 'q', target: target.url, secret })
        await queue.start({})
        await run({
          ...made,
          target,
          jobs,
          post: async (job, to = 'q') => (await queue.post({ name: to, job })).id,
          settled: (of) => until(async () => (await jobs('READY', of)).length === 0),
        })
      } finally {
        await queue.close()
      }
    })
  }

  async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!(await condition())) {
      assert.ok(performance.now() < deadline, `not within ${patienceMs} ms: ${condition}`)
      await sleep(5)
    }
  }

  // Queues

  rule('queues: making one twice is QUEUE_EXISTS and changes nothing', {}, async ({ queue, target, post, settled }) => {
    await refused(queue.create({ name: 'q', target: 'http://127.0.0.1:1/' }), 'QUEUE_EXISTS')
    await post({ n: 1 })
    await settled()
    assert.deepEqual(bodies(target), ['{"n":1}'])
  })

  rule('queues: of many at once of one name exactly one is made', {}, async ({ queue, target }) => {
    const tries = await Promise.allSettled(
      Array.from({ length: 20 }, () => queue.create({ name: 'one', target: target.url })),
    )
    assert.equal(tries.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const lost of tries) if (lost.status === 'rejected') assert.equal(lost.reason.code, 'QUEUE_EXISTS')
  })

  rule('queues: names come in the order of creation', {}, async ({ queue, target }) => {
    for (const name of ['c', 'a', 'b']) await queue.create({ name, target: target.url })
    await queue.delete({ name: 'a' })
    await queue.create({ name: 'a', target: target.url })
    assert.deepEqual(await queue.list({}), { names: ['q', 'c', 'b', 'a'] })
  })

  rule('queues: a deleted one is gone, and made anew it is empty', { answer: never }, async (fixture) => {
    const { queue, target, post, jobs } = fixture
    for (let n = 0; n < 10; n += 1) await post({ n })
    await queue.delete({ name: 'q' })
    assert.deepEqual(await queue.list({}), { names: [] })
    await refused(jobs('READY'), 'QUEUE_NOT_FOUND')
    await queue.create({ name: 'q', target: target.url })
    assert.deepEqual(await jobs('READY'), [])
  })

  rule('queues: each has its own jobs and its own target', { answer: never }, async ({ queue, target, post, jobs }) => {
    await using other = await startTarget(never)
    await queue.create({ name: 'q2', target: other.url })
    const [first, second] = [await post({ of: 'q' }), await post({ of: 'q2' }, 'q2')]
    await until(() => target.deliveries.length === 1 && other.deliveries.length === 1)
    assert.deepEqual([...bodies(target), ...bodies(other)], ['{"of":"q"}', '{"of":"q2"}'])
    assert.deepEqual(
      (await jobs('READY')).map(({ id, queue: of }) => [id, of]),
      [[first, 'q']],
    )
    assert.deepEqual(
      (await jobs('READY', 'q2')).map(({ id, queue: of }) => [id, of]),
      [[second, 'q2']],
    )
    await queue.delete({ name: 'q' })
    assert.equal((await jobs('READY', 'q2')).length, 1)
  })

  rule('names: one that breaks the rule cannot be made, and is otherwise that of no queue', {}, async ({ queue }) => {
    for (const name of ['', 'Foo', 'a b', 'a.b', 'a/b', 'ä', 'a"b', '..', 'a\0', 'a\n']) {
      await refused(queue.create({ name, target: 'http://127.0.0.1:1/' }), 'NAME_INVALID')
      for (const call of queueCalls(queue, name)) await refused(call(), 'QUEUE_NOT_FOUND')
    }
  })

  rule('names: every allowed character may come first', {}, async ({ queue, target, post, settled }) => {
    const names = ['a', '0', '-', '~', '_', 'sqlite_master', 'constructor', '__proto__', 'a'.repeat(300)]
    for (const name of names) await queue.create({ name, target: `${target.url}/${name}` })
    for (const name of names) await post({ name }, name)
    for (const name of names) await settled(name)
    assert.deepEqual(bodies(target).sort(), names.map((name) => JSON.stringify({ name })).sort())
    assert.deepEqual(await queue.list({}), { names: ['q', ...names] })
  })

  rule('missing queue: every method is QUEUE_NOT_FOUND', {}, async ({ queue }) => {
    for (const call of queueCalls(queue, 'nope')) await refused(call(), 'QUEUE_NOT_FOUND')
    assert.deepEqual(await queue.list({}), { names: ['q'] })
  })

  rule('target: only an http or https URL is one', {}, async ({ queue }) => {
    for (const target of [undefined, null, 5, '', 'nope', '/path', 'ftp://a/b', 'file:///etc/passwd', 'data:,x']) {
      await refused(queue.create({ name: 'x', target }), 'INVALID_ARGUMENTS')
    }
    for (const target of ['http://a.example/b?c=d', 'https://a.example', 'HTTP://[::1]:8080/']) {
      await queue.create({ name: `t${target.length}`, target })
    }
  })

  rule('secret: at most 100 characters of text', {}, async ({ queue, target }) => {
    for (const secret of [5, null, 's'.repeat(101)]) {
      await refused(queue.create({ name: 'x', target: target.url, secret }), 'INVALID_ARGUMENTS')
    }
    await queue.create({ name: 'x', target: target.url, secret: 's'.repeat(100) })
  })

  // Jobs

  rule('ids: whole numbers, always greater, and one sequence for queues and jobs', {}, async (fixture) => {
    const { queue, target, post, settled } = fixture
    const first = await post({})
    await settled()
    await queue.create({ name: 'q2', target: target.url })
    const ids = [first, await post({}), await post({}, 'q2'), ...(await Promise.all([post({}), post({}, 'q2')]))]
    assert.ok(ids.every(Number.isInteger))
    assert.equal(new Set(ids).size, ids.length)
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    )
    assert.ok((ids[1] ?? 0) > first + 1, 'the queue took an id between')
  })

  rule('job: only an object is one', {}, async ({ post, target }) => {
    for (const job of [undefined, null, 5, 'text', true, [], [{}]]) await refused(post(job), 'INVALID_ARGUMENTS')
    await sleep(WATCH_MS)
    assert.deepEqual(target.deliveries, [])
  })

  rule('job: comes back, and is sent, exactly as it went in', { answer: status(500), attempts: 1 }, async (fixture) => {
    const { target, post, jobs, settled } = fixture
    const texts = [
      '{}',
      '{"ok":false,"status":404,"msg":"m"}',
      '{"b":1,"a":{"c":[1,"two",null,true,{"d":[]}]},"1":"first"}',
      '{"__proto__":{"x":1},"constructor":"c","toString":0}',
      '{"n":[0.1,1e308,5e-324,-1,9007199254740991,1.0]}',
      '{"text":"quote\\" slash\\\\ nul\\u0000 line\\u2028 snow☃ pair😀"}',
      '{"id":1,"status":"READY","queue":"other","timestmp":"x","error":"mine","job":{}}',
      JSON.stringify({ large: 'x'.repeat(500_000) }),
    ]
    for (const text of texts) await post(JSON.parse(text))
    await settled()
    const expected = texts.map((text) => JSON.stringify(JSON.parse(text)))
    assert.deepEqual(bodies(target).sort(), expected.toSorted())
    assert.deepEqual(
      (await jobs('ERROR')).map(({ job }) => JSON.stringify(job)),
      expected,
    )
  })

  rule('job: one that comes with an error is kept as failed, and not sent', {}, async (fixture) => {
    const { queue, target, jobs } = fixture
    const { id } = await queue.post({ name: 'q', job: { n: 1 }, error: 'it was\nbroken' })
    const [failed] = await jobs('ERROR')
    assert.deepEqual([failed?.id, failed?.job, failed?.error], [id, { n: 1 }, 'it was\nbroken'])
    assert.deepEqual(await jobs('READY'), [])
    await sleep(WATCH_MS)
    assert.deepEqual(target.deliveries, [])
  })

  rule('listing: shows what hyper shows of a job', { answer: never }, async ({ post, jobs }) => {
    const before = Date.now()
    const id = await post({ n: 1 })
    const after = Date.now()
    const [item, ...others] = await jobs('READY')
    assert.deepEqual(others, [])
    const { timestmp, ...shown } = item as QueueJob
    assert.deepEqual(shown, { id, job: { n: 1 }, status: 'READY', queue: 'q' })
    assert.equal(new Date(timestmp).toISOString(), timestmp)
    assert.ok(before <= Date.parse(timestmp) && Date.parse(timestmp) <= after, timestmp)
  })

  rule('listing: only READY and ERROR are statuses', {}, async ({ queue }) => {
    for (const wrong of [undefined, 'ready', 'DONE', '', 5]) {
      await refused(queue.get({ name: 'q', status: wrong }), 'INVALID_ARGUMENTS')
    }
  })

  rule('listing: a job is READY while it waits and while it is sent', { answer: never }, async (fixture) => {
    const { target, post, jobs } = fixture
    const ids = []
    for (let n = 0; n < TUNING.concurrency + 3; n += 1) ids.push(await post({ n }))
    await until(() => target.deliveries.length === TUNING.concurrency)
    assert.deepEqual(
      (await jobs('READY')).map(({ id }) => id),
      ids,
    )
    assert.deepEqual(await jobs('ERROR'), [])
  })

  rule('acknowledged: a job is seen by the listing that follows it', { answer: never }, async ({ post, jobs }) => {
    for (let n = 0; n < 30; n += 1) {
      const id = await post({ n })
      assert.equal((await jobs('READY')).at(-1)?.id, id)
    }
  })

  // Delivery

  rule('delivery: one POST of the JSON text, with nothing of ours but the type', {}, async (fixture) => {
    const { target, post, settled } = fixture
    await post({ hello: 'wörld' })
    await settled()
    const [delivery, ...others] = target.deliveries as [Delivery]
    assert.deepEqual(others, [])
    assert.deepEqual([delivery.method, delivery.path, delivery.body], ['POST', '/work', '{"hello":"wörld"}'])
    assert.equal(delivery.headers['content-type'], 'application/json')
    assert.equal(delivery.headers['content-length'], '18')
    assert.deepEqual(
      Object.keys(delivery.headers).filter((name) => name.startsWith('x-')),
      [],
    )
  })

  rule('delivery: every 2xx is success, and the job is gone', {}, async ({ queue, jobs, post, settled }) => {
    await using target = await startTarget((response, { body }) => {
      response.writeHead(JSON.parse(body).code).end('{"ignored":true}')
    })
    await queue.create({ name: 'codes', target: target.url })
    for (const code of [200, 201, 202, 203, 204, 206, 226, 299]) await post({ code }, 'codes')
    await settled('codes')
    assert.deepEqual(await jobs('ERROR', 'codes'), [])
    assert.equal(target.deliveries.length, 8)
  })

  rule('delivery: names below localhost are this machine', {}, async ({ queue, post, settled, target }) => {
    await queue.create({ name: 'app', target: target.url.replace('127.0.0.1', 'api.localhost') })
    await post({ n: 1 }, 'app')
    await settled('app')
    assert.match(String(target.deliveries[0]?.headers.host), /^api\.localhost:\d+$/)
  })

  rule('signature: covers the time of sending and the body', { secret: 'shh' }, async ({ target, post, settled }) => {
    const before = Date.now()
    await post({ u: 'é', '2': 1 })
    await settled()
    const time = signedAt(target.deliveries[0] as Delivery, 'shh')
    assert.ok(before <= time && time <= Date.now())
  })

  rule('signature: is made anew for each attempt', { secret: 'shh', answer: status(500) }, async (fixture) => {
    const { target, post, settled } = fixture
    await post({ n: 1 })
    await settled()
    const times = target.deliveries.map((delivery) => signedAt(delivery, 'shh'))
    assert.equal(new Set(times).size, 3)
  })

  rule('signature: an empty secret is none', { secret: '' }, async ({ target, post, settled }) => {
    await post({})
    await settled()
    assert.equal(target.deliveries[0]?.headers['x-hyper-signature'], undefined)
  })

  rule('order: jobs start in the order of their coming', { concurrency: 1 }, async ({ target, post, settled }) => {
    const sent = Array.from({ length: 100 }, (_, n) => `{"n":${n}}`)
    await Promise.all(sent.map((text) => post(JSON.parse(text))))
    await settled()
    assert.deepEqual(bodies(target), sent)
  })

  rule('concurrency: so many at once and no more', { concurrency: 4 }, async (fixture) => {
    const { queue, post, settled } = fixture
    const { answer, release } = holding()
    await using target = await startTarget(answer)
    await queue.create({ name: 'held', target: target.url })
    await Promise.all(Array.from({ length: 24 }, (_, n) => post({ n }, 'held')))
    await until(() => target.deliveries.length === 4)
    await sleep(WATCH_MS)
    release()
    await settled('held')
    assert.equal(target.mostAtOnce(), 4)
    assert.equal(target.deliveries.length, 24)
  })

  rule(
    'concurrency: a target that hangs holds up no other queue',
    { answer: never, concurrency: 2 },
    async (fixture) => {
      const { queue, target, post, settled } = fixture
      await using other = await startTarget()
      await queue.create({ name: 'q2', target: other.url })
      for (let n = 0; n < 20; n += 1) await post({ n })
      await until(() => target.deliveries.length === 2)
      for (let n = 0; n < 20; n += 1) await post({ n }, 'q2')
      await settled('q2')
      assert.equal(other.deliveries.length, 20)
      assert.equal(target.deliveries.length, 2)
    },
  )

  rule('many: more than a thousand jobs are listed and delivered once each', { concurrency: 10 }, async (fixture) => {
    const { queue, target, jobs, settled } = fixture
    await using held = await startTarget(never)
    await queue.create({ name: 'held', target: held.url })
    const numbers = Array.from({ length: 1_200 }, (_, n) => n)
    await Promise.all(numbers.flatMap((n) => ['q', 'held'].map((name) => queue.post({ name, job: { n } }))))
    const listed = (await jobs('READY', 'held')).map(({ job }) => (job as { n: number }).n)
    assert.deepEqual(listed, numbers)
    await until(() => target.deliveries.length >= numbers.length)
    await settled()
    const sent = bodies(target).map((text) => JSON.parse(text).n as number)
    assert.deepEqual(
      sent.toSorted((a, b) => a - b),
      numbers,
    )
  })

  // Failure

  rule('failure: a job is tried so often, then kept with what the target said', { attempts: 4 }, async (fixture) => {
    const { queue, post, jobs, settled } = fixture
    await using target = await startTarget((response) => response.writeHead(422).end('no such user: ä'))
    await queue.create({ name: 'bad', target: target.url })
    const id = await post({ n: 1 }, 'bad')
    await settled('bad')
    const [failed, ...others] = await jobs('ERROR', 'bad')
    assert.deepEqual(others, [])
    const { timestmp: _, ...shown } = failed as QueueJob
    assert.deepEqual(shown, { id, job: { n: 1 }, status: 'ERROR', queue: 'bad', error: 'no such user: ä' })
    assert.deepEqual(bodies(target), Array(4).fill('{"n":1}'))
    await sleep(WATCH_MS)
    assert.equal(target.deliveries.length, 4)
  })

  rule('failure: without a word from the target its status is the reason', { attempts: 1 }, async (fixture) => {
    const { queue, post, jobs, settled } = fixture
    await using target = await startTarget((response, { body }) => response.writeHead(JSON.parse(body).code).end())
    await queue.create({ name: 'codes', target: target.url })
    const codes = [304, 400, 401, 404, 410, 500, 502, 503]
    for (const code of codes) await post({ code }, 'codes')
    await settled('codes')
    const failed = await jobs('ERROR', 'codes')
    assert.deepEqual(
      failed.map(({ error }) => codes.find((code) => error?.includes(String(code)))),
      codes,
    )
  })

  rule(
    'failure: an attempt that succeeds after others failed is success',
    {},
    async ({ queue, post, jobs, settled }) => {
      let tries = 0
      await using target = await startTarget((response) => response.writeHead(++tries < 3 ? 500 : 200).end())
      await queue.create({ name: 'third', target: target.url })
      await post({}, 'third')
      await settled('third')
      assert.equal(target.deliveries.length, 3)
      assert.deepEqual(await jobs('ERROR', 'third'), [])
    },
  )

  rule('failure: between attempts a job is READY, and each wait is longer', { backoffMs: 200 }, async (fixture) => {
    const { queue, post, jobs, settled } = fixture
    await using target = await startTarget(status(500))
    await queue.create({ name: 'slow', target: target.url })
    await post({}, 'slow')
    await until(() => target.deliveries.length === 1)
    await sleep(10)
    assert.equal((await jobs('READY', 'slow')).length, 1)
    assert.deepEqual(await jobs('ERROR', 'slow'), [])
    await settled('slow')
    const [first = 0, second = 0, third = 0] = target.deliveries.map(({ time }) => time)
    assert.ok(second - first >= 140, `${second - first} ms`)
    assert.ok(third - second >= 560, `${second - first} ms, then ${third - second} ms`)
  })

  rule(
    'failure: what waits for its next attempt holds up no other job',
    { concurrency: 1, backoffMs: 60_000 },
    async (fixture) => {
      const { queue, post } = fixture
      await using target = await startTarget((response, { body }) =>
        response.writeHead(body === '{"n":0}' ? 500 : 200).end(),
      )
      await queue.create({ name: 'mixed', target: target.url })
      for (let n = 0; n < 4; n += 1) await post({ n }, 'mixed')
      await until(() => target.deliveries.length >= 4)
      assert.deepEqual(bodies(target), ['{"n":0}', '{"n":1}', '{"n":2}', '{"n":3}'])
    },
  )

  rule('failure: a redirect is one, and is not followed', { attempts: 1 }, async ({ queue, post, jobs, settled }) => {
    await using target = await startTarget((response, { path }) => {
      if (path === '/work') response.writeHead(307, { location: '/elsewhere' }).end('moved')
      else response.writeHead(200).end()
    })
    await queue.create({ name: 'moved', target: target.url })
    await post({}, 'moved')
    await settled('moved')
    assert.equal(target.deliveries.length, 1)
    const [failed] = await jobs('ERROR', 'moved')
    assert.match(failed?.error ?? '', /307.*\/elsewhere/)
  })

  rule(
    'failure: a target that takes too long is one',
    { timeoutMs: 300, attempts: 2, answer: never },
    async (fixture) => {
      const { target, post, jobs, settled } = fixture
      await post({})
      await settled()
      assert.match((await jobs('ERROR'))[0]?.error ?? '', /not answer within 0\.3 s/)
      // On a busy machine the first may be given up before it arrives.
      await until(() => target.deliveries.length > 0 && target.deliveries.every(({ wasCutOff }) => wasCutOff))
    },
  )

  rule('failure: a target that is not there is one', {}, async ({ queue, post, jobs, settled }) => {
    await queue.create({ name: 'gone', target: 'http://127.0.0.1:1/' })
    await post({}, 'gone')
    await settled('gone')
    const reason = (await jobs('ERROR', 'gone'))[0]?.error ?? ''
    assert.match(reason, /ECONNREFUSED/)
    assert.doesNotMatch(reason, /\n|node:/)
  })

  // Cancel, retry, empty, delete

  rule('cancel: a job that waits is gone and never sent', { concurrency: 1 }, async (fixture) => {
    const { queue, post, jobs, settled } = fixture
    const { answer, release } = holding()
    await using target = await startTarget(answer)
    await queue.create({ name: 'held', target: target.url })
    const ids = [await post({ n: 0 }, 'held'), await post({ n: 1 }, 'held'), await post({ n: 2 }, 'held')]
    await queue.cancel({ name: 'held', id: String(ids[1]) })
    assert.deepEqual(
      (await jobs('READY', 'held')).map(({ id }) => id),
      [ids[0], ids[2]],
    )
    release()
    await settled('held')
    assert.deepEqual(bodies(target), ['{"n":0}', '{"n":2}'])
  })

  rule(
    'cancel: a job that is being sent is cut off, and its worker takes the next',
    { answer: never, concurrency: 1 },
    async (fixture) => {
      const { queue, target, post, jobs } = fixture
      const first = await post({ n: 0 })
      const second = await post({ n: 1 })
      await until(() => target.deliveries.length === 1)
      await queue.cancel({ name: 'q', id: String(first) })
      assert.deepEqual(
        (await jobs('READY')).map(({ id }) => id),
        [second],
      )
      await until(() => target.deliveries.length === 2)
      assert.equal(target.deliveries[0]?.wasCutOff, true)
      assert.deepEqual(await jobs('ERROR'), [])
    },
  )

  rule(
    'cancel: a job between attempts, and one that failed, is gone',
    { answer: status(500), backoffMs: 60_000 },
    async (fixture) => {
      const { queue, target, post, jobs } = fixture
      const waits = await post({ n: 1 })
      await until(() => target.deliveries.length === 1)
      await sleep(20)
      await queue.cancel({ name: 'q', id: String(waits) })
      assert.deepEqual(await jobs('READY'), [])
      const { id: failed } = await queue.post({ name: 'q', job: {}, error: 'broken' })
      await queue.cancel({ name: 'q', id: String(failed) })
      assert.deepEqual(await jobs('ERROR'), [])
      assert.deepEqual(bodies(target), ['{"n":1}'])
    },
  )

  rule(
    'cancel: what is no job of the queue is JOB_NOT_FOUND',
    { answer: never },
    async ({ queue, target, post, jobs }) => {
      await queue.create({ name: 'q2', target: target.url })
      const id = await post({})
      await refused(queue.cancel({ name: 'q2', id: String(id) }), 'JOB_NOT_FOUND')
      for (const odd of [
        '',
        '0',
        '-1',
        `${id}.0`,
        `0${id}`,
        `${id} `,
        '1e0',
        'x',
        '9'.repeat(40),
        `${id + 1}`,
        `${id}\0`,
      ]) {
        await refused(queue.cancel({ name: 'q', id: odd }), 'JOB_NOT_FOUND')
        await refused(queue.retry({ name: 'q', id: odd }), 'JOB_NOT_FOUND')
      }
      assert.equal((await jobs('READY')).length, 1)
      await queue.cancel({ name: 'q', id: String(id) })
      await refused(queue.cancel({ name: 'q', id: String(id) }), 'JOB_NOT_FOUND')
    },
  )

  rule('retry: a failed job is sent again, with all its attempts', { attempts: 2 }, async (fixture) => {
    const { queue, post, jobs, settled } = fixture
    let works = false
    await using target = await startTarget((response) => response.writeHead(works ? 200 : 500).end('broken'))
    await queue.create({ name: 'again', target: target.url })
    const id = await post({ n: 1 }, 'again')
    await settled('again')
    await queue.retry({ name: 'again', id: String(id) })
    await settled('again')
    assert.equal(target.deliveries.length, 4)
    assert.equal((await jobs('ERROR', 'again'))[0]?.id, id)
    works = true
    await queue.retry({ name: 'again', id: String(id) })
    await settled('again')
    assert.equal(target.deliveries.length, 5)
    assert.deepEqual(await jobs('ERROR', 'again'), [])
    await refused(queue.retry({ name: 'again', id: String(id) }), 'JOB_NOT_FOUND')
  })

  rule('retry: a job that came with an error is sent', {}, async ({ queue, target, jobs, settled }) => {
    const { id } = await queue.post({ name: 'q', job: { n: 1 }, error: 'broken' })
    await queue.retry({ name: 'q', id: String(id) })
    await settled()
    assert.deepEqual(bodies(target), ['{"n":1}'])
    assert.deepEqual(await jobs('ERROR'), [])
  })

  rule('retry: a job that is READY again shows no error', { attempts: 1 }, async ({ queue, post, jobs, settled }) => {
    let works = true
    await using target = await startTarget((response) => {
      if (works) response.writeHead(500).end('broken')
    })
    await queue.create({ name: 'again', target: target.url })
    const id = await post({}, 'again')
    await settled('again')
    works = false
    await queue.retry({ name: 'again', id: String(id) })
    const [job] = await jobs('READY', 'again')
    assert.deepEqual([job?.id, job?.status, job && 'error' in job], [id, 'READY', false])
    assert.deepEqual(await jobs('ERROR', 'again'), [])
  })

  rule('retry: a job that waits or is being sent stays one job', { concurrency: 1 }, async (fixture) => {
    const { queue, post, settled } = fixture
    const { answer, release } = holding()
    await using target = await startTarget(answer)
    await queue.create({ name: 'held', target: target.url })
    const ids = [await post({ n: 0 }, 'held'), await post({ n: 1 }, 'held')]
    await until(() => target.deliveries.length === 1)
    for (const id of ids) await queue.retry({ name: 'held', id: String(id) })
    release()
    await settled('held')
    await sleep(WATCH_MS)
    assert.deepEqual(bodies(target), ['{"n":0}', '{"n":1}'])
  })

  rule(
    'empty: removes and counts every job, keeps the queue and its target',
    { attempts: 1, concurrency: 2 },
    async (fixture) => {
      const { queue, post, jobs, settled } = fixture
      await using target = await startTarget((response, { body }) => {
        if (body === '{"fails":true}') response.writeHead(500).end()
        else if (body === '{"works":true}') response.writeHead(200).end()
      })
      await queue.create({ name: 'full', target: target.url })
      await post({ fails: true }, 'full')
      await settled('full')
      for (let n = 0; n < 5; n += 1) await post({ n }, 'full')
      await until(() => target.deliveries.length === 3)
      assert.deepEqual(await queue.empty({ name: 'full' }), { count: 6 })
      assert.deepEqual([...(await jobs('READY', 'full')), ...(await jobs('ERROR', 'full'))], [])
      await until(() => target.deliveries.filter(({ wasCutOff }) => wasCutOff).length === 2)
      await post({ works: true }, 'full')
      await settled('full')
      assert.equal(bodies(target).at(-1), '{"works":true}')
      assert.equal(target.deliveries.length, 4)
      assert.deepEqual(await queue.empty({ name: 'full' }), { count: 0 })
    },
  )

  rule(
    'delete: what is being sent is cut off, what waits is never sent',
    { answer: never, concurrency: 2 },
    async (fixture) => {
      const { queue, target, post } = fixture
      for (let n = 0; n < 5; n += 1) await post({ n })
      await until(() => target.deliveries.length === 2)
      await queue.delete({ name: 'q' })
      await until(() => target.deliveries.every(({ wasCutOff }) => wasCutOff))
      await sleep(WATCH_MS)
      assert.equal(target.deliveries.length, 2)
    },
  )

  // Lifecycle

  rule('close: may be repeated, and what comes after is CLOSED', {}, async ({ queue, post }) => {
    await queue.check()
    await queue.close()
    await queue.close()
    await refused(post({}), 'CLOSED')
    await refused(queue.check(), 'CLOSED')
  })

  rule(
    'reopen: queues, failed and unsent jobs outlive a close, and the latter are sent',
    { concurrency: 1, attempts: 1, secret: 'shh' },
    async (fixture) => {
      const { queue, target, post, settled, jobs, reopen } = fixture
      if (!reopen) return
      let works = false
      await using later = await startTarget((response, { body }) => {
        if (body === '{"fails":true}') response.writeHead(500).end('broken')
        else if (works) response.writeHead(200).end()
      })
      await queue.create({ name: 'q2', target: later.url, secret: 'shh' })
      const failed = await post({ fails: true }, 'q2')
      await settled('q2')
      const unsent = [await post({ n: 0 }, 'q2'), await post({ n: 1 }, 'q2'), await post({ n: 2 }, 'q2')]
      await until(() => later.deliveries.length === 2)
      assert.equal((await jobs('READY', 'q2')).length, 3)
      await queue.close()
      works = true
      const again = await reopen()
      try {
        await again.start({})
        assert.deepEqual(await again.list({}), { names: ['q', 'q2'] })
        await until(async () => (await again.get({ name: 'q2', status: 'READY' })).items.length === 0)
        assert.deepEqual(bodies(later).slice(2), ['{"n":0}', '{"n":1}', '{"n":2}'])
        signedAt(later.deliveries.at(-1) as Delivery, 'shh')
        const [kept] = (await collect(await again.get({ name: 'q2', status: 'ERROR' }))).map((item) => decode(item))
        assert.deepEqual([kept?.id, kept?.error], [failed, 'broken'])
        const { id } = await again.post({ name: 'q', job: {} })
        assert.ok(id > Math.max(...unsent), 'no id is given twice')
        await until(() => target.deliveries.length === 1)
      } finally {
        await again.close()
      }
    },
  )

  rule('start: before it nothing is sent, not even what waits from before', { answer: never }, async (fixture) => {
    const { queue, target, post, reopen } = fixture
    if (!reopen) return
    await post({ n: 1 })
    await until(() => target.deliveries.length === 1)
    await queue.close()
    const again = await reopen()
    try {
      await again.create({ name: 'q2', target: target.url })
      const { id } = await again.post({ name: 'q2', job: { n: 2 } })
      await again.retry({ name: 'q2', id: String(id) })
      assert.equal((await again.get({ name: 'q', status: 'READY' })).items.length, 1)
      await sleep(WATCH_MS)
      assert.equal(target.deliveries.length, 1)
      await again.empty({ name: 'q' })
      await again.start({})
      await again.start({})
      await until(() => target.deliveries.length === 2)
      assert.equal(bodies(target).at(-1), '{"n":2}')
    } finally {
      await again.close()
    }
  })

  rule(
    'stop: begins no further delivery until start, and lets those on their way end',
    { concurrency: 1 },
    async (fixture) => {
      const { queue, post, jobs, settled } = fixture
      const { answer, release } = holding()
      await using target = await startTarget(answer)
      await queue.create({ name: 'held', target: target.url })
      for (let n = 0; n < 3; n += 1) await post({ n }, 'held')
      await until(() => target.deliveries.length === 1)
      await queue.stop({})
      await queue.stop({})
      release()
      await until(async () => (await jobs('READY', 'held')).length === 2)
      await post({ n: 3 }, 'held')
      await sleep(WATCH_MS)
      assert.deepEqual(bodies(target), ['{"n":0}'])
      await queue.start({})
      await settled('held')
      assert.deepEqual(bodies(target), ['{"n":0}', '{"n":1}', '{"n":2}', '{"n":3}'])
    },
  )

  rule(
    'reopen: a job between attempts goes on where it was',
    { answer: status(500), attempts: 2, backoffMs: 400 },
    async (fixture) => {
      const { queue, target, post, reopen } = fixture
      if (!reopen) return
      await post({ n: 1 })
      await until(() => target.deliveries.length === 1)
      await sleep(20)
      await queue.close()
      const again = await reopen()
      try {
        await again.start({})
        await until(async () => (await again.get({ name: 'q', status: 'ERROR' })).items.length === 1)
        assert.equal(target.deliveries.length, 2)
      } finally {
        await again.close()
      }
    },
  )
}

/** One call of each method that needs an existing queue. */
function queueCalls(queue: Guarded<QueuePort>, name: string): (() => Promise<unknown>)[] {
  return [
    () => queue.empty({ name }),
    () => queue.post({ name, job: {} }),
    () => queue.get({ name, status: 'READY' }),
    () => queue.retry({ name, id: '1' }),
    () => queue.cancel({ name, id: '1' }),
    () => queue.delete({ name }),
  ]
}

function bodies({ deliveries }: Target): string[] {
  return deliveries.map(({ body }) => body)
}

/** Answers nothing, as long as the sender stays. */
function never(): void {}

function status(code: number): NonNullable<Setting['answer']> {
  return (response) => response.writeHead(code).end()
}

/** Answers nothing until `release`, then 204. */
function holding() {
  const { promise, resolve } = Promise.withResolvers<void>()
  const answer: NonNullable<Setting['answer']> = async (response) => {
    await promise
    response.writeHead(204).end()
  }
  return { answer, release: resolve }
}

/** Checks a delivery's signature (hyper-api §8.3) and answers the time it names. */
function signedAt({ headers, body }: Delivery, secret: string): number {
  const [, time = '', sent] = /^t=(\d+),sig=([0-9a-f]{64})$/.exec(String(headers['x-hyper-signature'])) ?? []
  assert.equal(sent, createHmac('sha256', secret).update(`${time}.${body}`).digest('hex'))
  return Number(time)
}

async function refused(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof HyperError, `not a HyperError: ${String(error)}`)
    assert.equal(error.code, code)
    return true
  })
}
