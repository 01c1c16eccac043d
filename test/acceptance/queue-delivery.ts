/** hyper-api §§8.2, 8.3 with §12.1 B8 and §12.2 B30: what a target receives, when, and what counts as done. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { type AddressInfo, createServer } from 'node:net'
import { type Domain, inEmptyDomain } from './case.ts'
import { answers } from './http.ts'
import { create, type Job, jobs, neighbour, post } from './queue-jobs.ts'
import { type Answering, replying, TARGET_HOST, until, withTarget } from './target.ts'

async function done(domain: Domain): Promise<void> {
  await until('no job is left', async () => (await jobs(domain, 'READY')).length === 0)
  assert.deepEqual(await jobs(domain, 'ERROR'), [])
}

/** What failed, once so many jobs did and none waits. */
async function failures(domain: Domain, count: number): Promise<Job[]> {
  await until(`${count} jobs fail`, async () => (await jobs(domain, 'ERROR')).length === count)
  assert.deepEqual(await jobs(domain, 'READY'), [])
  const failed = await jobs(domain, 'ERROR')
  for (const { error, status } of failed) {
    assert.equal(status, 'ERROR')
    assert.ok(typeof error === 'string' && error !== '')
    assert.doesNotMatch(error, /\n {4}at |node_modules|\.ts:\d/)
  }
  return failed
}

/** Answers each job with the status that it names. */
const asTold: Answering = (reply, { body }) => {
  const { status, text = '' } = JSON.parse(body) as { status: number; text?: string }
  reply.writeHead(status, { location: '/elsewhere' }).end(text)
}

/** hyper-api §8.3. */
function signature(secret: string, time: string | number, body: string): string {
  return `t=${time},sig=${createHmac('sha256', secret).update(`${time}.${body}`).digest('hex')}`
}

const VECTORS = [
  ['shh', '{"hello":"world"}', 'd014f851330fe2b415b6e5ec34030f372c9e22d785044817cf8907d148810448'],
  ['s'.repeat(100), '{"u":"é"}', 'a4325be3a91143c3453f9ffde1e22a72bb617c82cd22039e2a98e47cb4278075'],
] as const

export const queueDeliveryCases = [
  ...inEmptyDomain('hyper-api 8.2, 8.3: a job is posted to the target as JSON, once it is there', async (domain) => {
    await withTarget(replying(200), async (target) => {
      await create(domain, `${target.url}?key=a%20b`)
      await post(domain, { n: 1 })
      const [delivery] = await target.received(1)
      assert.deepEqual([delivery?.method, delivery?.path, delivery?.body], ['POST', '/jobs?key=a%20b', '{"n":1}'])
      assert.equal(delivery?.headers['content-type'], 'application/json')
      assert.equal(delivery?.headers.host, new URL(target.url).host)
      const added = Object.keys(delivery?.headers ?? {}).filter((name) => name.startsWith('x-'))
      assert.deepEqual(added, [])
      await done(domain)
      assert.equal(target.deliveries.length, 1)
    })
  }),
  ...inEmptyDomain('hyper-api 8.3, corner 40: the body is the job as JSON.stringify writes it', async (domain) => {
    const texts = [
      '{ "n" : 1.0 }',
      '{"b":1,"a":2,"10":3,"9":4}',
      '{"u":"\\u00e9\\ud83d\\ude00\\n\\/"}',
      '{"deep":{"list":[null,true,1e3,{}]},"__proto__":{"x":1}}',
    ]
    await withTarget(replying(200), async (target) => {
      await create(domain, target.url, 'secret')
      for (const [at, body] of texts.entries()) {
        await domain.onQueue('POST', '', { headers: { 'content-type': 'application/json' }, body })
        const deliveries = await target.received(at + 1)
        assert.equal(deliveries[at]?.body, JSON.stringify(JSON.parse(body)))
      }
    })
  }),
  ...inEmptyDomain('hyper-api 8.3, corner 40: a secret signs the time of sending and the body', async (domain) => {
    for (const [secret, body, hex] of VECTORS) {
      assert.equal(signature(secret, 1700000000000, body), `t=1700000000000,sig=${hex}`)
      await withTarget(replying(200), async (target) => {
        await create(domain, target.url, secret)
        const start = Date.now()
        await domain.onQueue('POST', '', { json: JSON.parse(body) })
        const [delivery] = await target.received(1)
        const header = String(delivery?.headers['x-hyper-signature'])
        const [, time = ''] = /^t=(\d{13}),sig=[0-9a-f]{64}$/.exec(header) ?? []
        assert.equal(delivery?.body, body)
        assert.equal(header, signature(secret, time, body))
        assert.ok(Number(time) >= start - 60_000 && Number(time) <= Date.now() + 60_000, time)
        answers(await domain.onQueue('DELETE'), 201, { ok: true })
      })
    }
  }),
  ...inEmptyDomain('hyper-api 8.1, 8.3: without a secret, or with "", nothing is signed', async (domain) => {
    for (const secret of [undefined, '']) {
      await withTarget(replying(200), async (target) => {
        await create(domain, target.url, secret)
        await post(domain, {})
        const [delivery] = await target.received(1)
        assert.equal(delivery?.headers['x-hyper-signature'], undefined)
        await done(domain)
        answers(await domain.onQueue('DELETE'), 201, { ok: true })
      })
    }
  }),
  ...inEmptyDomain('hyper-api 12.2 B30: each attempt is signed when it is sent', async (domain) => {
    await withTarget(replying(500), async (target) => {
      await create(domain, target.url, 'secret')
      await post(domain, {})
      const [first, second] = await target.received(2)
      const times = [first, second].map(
        (delivery) => /t=(\d+)/.exec(String(delivery?.headers['x-hyper-signature']))?.[1],
      )
      assert.ok(Number(times[1]) > Number(times[0]), String(times))
      assert.equal(second?.headers['x-hyper-signature'], signature('secret', times[1] ?? '', '{}'))
    })
  }),
  ...inEmptyDomain('hyper-api 8.2: any 2xx is done, and the job gone', async (domain) => {
    await withTarget(
      (reply, _delivery, count) => reply.writeHead([200, 201, 202, 204, 299][count - 1] ?? 200).end(),
      async (target) => {
        await create(domain, target.url)
        for (let n = 1; n <= 5; n += 1) {
          await post(domain, { n })
          await target.received(n)
        }
        await done(domain)
        assert.equal(target.deliveries.length, 5)
      },
    )
  }),
  ...inEmptyDomain(
    'hyper-api 8.2, 12.2 B30: what fails is tried again, then kept as ERROR with why',
    async (domain) => {
      await withTarget(asTold, async (target) => {
        await create(domain, target.url)
        const sent = [
          { status: 500, text: 'the disk is full of eels' },
          { status: 404, text: 'no such job' },
          { status: 429 },
        ]
        const ids: number[] = []
        for (const job of sent) ids.push(await post(domain, job))
        for (const [at, { id, job, error }] of (await failures(domain, sent.length)).entries()) {
          const { status, text } = sent[at] as { status: number; text?: string }
          assert.deepEqual([id, job], [ids[at], sent[at]])
          assert.ok(error?.includes(text ?? String(status)), `${status}: ${error}`)
        }
        assert.equal(target.deliveries.length, 3 * sent.length)
      })
    },
  ),
  ...inEmptyDomain('hyper-api 12.2 B30: a job that succeeds at a later attempt is done', async (domain) => {
    await withTarget(
      (reply, _delivery, count) => reply.writeHead(count < 3 ? 503 : 200).end(),
      async (target) => {
        await create(domain, target.url)
        await post(domain, { n: 1 })
        const deliveries = await target.received(3)
        assert.deepEqual(new Set(deliveries.map(({ body }) => body)), new Set(['{"n":1}']))
        await done(domain)
        assert.equal(target.deliveries.length, 3)
      },
    )
  }),
  ...inEmptyDomain('hyper-api 12.1 B8: a redirect is a failure and is not followed', async (domain) => {
    await withTarget(asTold, async (target) => {
      await create(domain, target.url)
      const statuses = [301, 302, 303, 307, 308]
      for (const status of statuses) await post(domain, { status })
      for (const [at, { error }] of (await failures(domain, statuses.length)).entries()) {
        assert.match(error ?? '', new RegExp(`${statuses[at]}|redirect`, 'i'))
      }
      assert.ok(target.deliveries.every(({ method, path }) => method === 'POST' && path === '/jobs'))
    })
  }),
  ...inEmptyDomain('hyper-api 8.2: a target that cannot be reached, or breaks off, is a failure', async (domain) => {
    const greetings = [undefined, '', 'garbage\r\n\r\n', 'HTTP/1.1 2']
    const breakOff = async (greeting: string | undefined, at: number) => {
      const rude = createServer((socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.end(greeting ?? ''))
      })
      await new Promise<void>((resolve) => rude.listen(0, TARGET_HOST, resolve))
      const { port } = rude.address() as AddressInfo
      if (greeting === undefined) await new Promise((resolve) => rude.close(resolve))
      const queue = neighbour(domain, String(at))
      try {
        await create(queue, `http://${TARGET_HOST}:${port}/`)
        await post(queue, {})
        await failures(queue, 1)
      } finally {
        await queue.onQueue('DELETE')
        rude.close()
      }
    }
    await Promise.all(greetings.map(breakOff))
  }),
  ...inEmptyDomain('hyper-api 8.2, corner 39: a target that hangs holds up no other queue', async (domain) => {
    const other = neighbour(domain, 'n')
    await withTarget(
      () => {},
      async (hanging) => {
        await withTarget(replying(200), async (target) => {
          await create(domain, hanging.url)
          for (let n = 0; n < 50; n += 1) await post(domain, { n })
          await hanging.received(1)
          await create(other, target.url)
          for (let n = 0; n < 20; n += 1) await post(other, { n })
          await target.received(20)
          await done(other)
          assert.equal((await jobs(domain, 'READY')).length, 50)
          answers(await other.onQueue('DELETE'), 201, { ok: true })
        })
      },
    )
  }),
  ...inEmptyDomain('hyper-api 8.2: every job of many arrives', async (domain) => {
    await withTarget(replying(200), async (target) => {
      await create(domain, target.url)
      const ns = Array.from({ length: 300 }, (_, n) => n)
      for (let at = 0; at < 300; at += 50) await Promise.all(ns.slice(at, at + 50).map((n) => post(domain, { n })))
      await target.received(300)
      await done(domain)
      const bodies = target.deliveries.map(({ body }) => body)
      assert.deepEqual(new Set(bodies), new Set(ns.map((n) => `{"n":${n}}`)))
    })
  }),
  ...inEmptyDomain('hyper-api 1.6: a job of megabytes arrives whole', async (domain) => {
    await withTarget(replying(200), async (target) => {
      await create(domain, target.url)
      const job = { text: 'ü'.repeat(4_000_000) }
      await post(domain, job)
      const [delivery] = await target.received(1)
      assert.equal(delivery?.body, JSON.stringify(job))
      await done(domain)
    })
  }),
]
