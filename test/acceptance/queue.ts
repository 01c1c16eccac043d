/** hyper-api §§1.8, 1.13, 2, 8.1, 8.4, 8.5 with §12.1 B8, §12.2 B22, B29, B30: queues, their jobs and what can be done to them. */
import assert from 'node:assert/strict'
import { inEmptyDomain, inQueue, NOBODY, onSite } from './case.ts'
import { answers, refuses } from './http.ts'
import { create, jobs, post } from './queue-jobs.ts'
import { replying, until, withTarget } from './target.ts'

const NO_QUEUE = 'queue not found'

/** A target that leaves every request waiting. */
const silent = () => {}

export const queueCases = [
  // Queues

  ...onSite('hyper-api 1.8, 12.2 B22: GET /queue lists the names in the order of creation', async ({ send, fresh }) => {
    const names = [`z${fresh()}`, `a${fresh()}`, `m${fresh()}`]
    for (const name of names) await send('PUT', `/queue/${name}`, { json: { target: NOBODY } })
    const reply = await send('GET', '/queue')
    const { queues } = reply.json() as { queues: string[] }
    answers(reply, 200, { name: 'queue', version: '0.0.4', queues })
    assert.deepEqual(
      queues.filter((name) => names.includes(name)),
      names,
    )
    for (const name of names) await send('DELETE', `/queue/${name}`)
    const left = ((await send('GET', '/queue')).json() as { queues: string[] }).queues
    assert.deepEqual(
      left.filter((name) => names.includes(name)),
      [],
    )
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) refuses(await send(method, '/queue'), 404, 'not found!')
  }),
  ...inEmptyDomain('hyper-api 1.13 Q1, 8.1: PUT makes a queue', async (domain) => {
    await create(domain, NOBODY)
    assert.deepEqual(await jobs(domain, 'READY'), [])
    assert.deepEqual(await jobs(domain, 'ERROR'), [])
  }),
  ...inQueue('hyper-api 1.13 Q1: making a queue twice is 409', async ({ onQueue }) => {
    refuses(await onQueue('PUT', '', { json: { target: NOBODY } }), 409, 'queue already exists')
  }),
  ...inEmptyDomain('hyper-api 1.13 Q1, 2.1, 12.1 B8: a target is an http(s) URL', async ({ onQueue }) => {
    const problem = (reason: string) => `Invalid Arguments 'target': ${reason}.`
    refuses(await onQueue('PUT'), 422, problem('Required'))
    refuses(await onQueue('PUT', '', { json: {} }), 422, problem('Required'))
    refuses(await onQueue('PUT', '', { json: { target: 5 } }), 422, problem('Expected string, received number'))
    for (const target of ['', 'nope', '/jobs', '127.0.0.1/jobs', 'http://', 'ftp://x/y', 'file:///etc/passwd']) {
      refuses(await onQueue('PUT', '', { json: { target } }), 422, problem('Invalid url'))
    }
    for (const target of ['javascript:alert(1)', 'data:,x', 'unix:/var/run/docker.sock', 'ws://127.0.0.1/']) {
      refuses(await onQueue('PUT', '', { json: { target } }), 422, problem('Invalid url'))
    }
    refuses(await onQueue('DELETE'), 404, NO_QUEUE)
    for (const target of ['https://127.0.0.1:9/x', 'HTTP://LOCALHOST:9', 'http://api.localhost:9/jobs?a=b']) {
      answers(await onQueue('PUT', '', { json: { target } }), 201, { ok: true })
      answers(await onQueue('DELETE'), 201, { ok: true })
    }
  }),
  ...inEmptyDomain('hyper-api 1.13 Q1, 2.1: a secret is text of at most 100 characters', async ({ onQueue }) => {
    for (const [secret, reason] of [
      [5, 'Expected string, received number'],
      [null, 'Expected string, received null'],
      ['s'.repeat(101), 'String must contain at most 100 character(s)'],
    ] as const) {
      const reply = await onQueue('PUT', '', { json: { target: NOBODY, secret } })
      refuses(reply, 422, `Invalid Arguments 'secret': ${reason}.`)
    }
    refuses(await onQueue('DELETE'), 404, NO_QUEUE)
    answers(await onQueue('PUT', '', { json: { target: NOBODY, secret: 's'.repeat(100) } }), 201, { ok: true })
  }),
  ...onSite('hyper-api 1.13 Q1, 2.4: a bad queue name is 422', async ({ send }) => {
    for (const name of ['a%20b', 'a.b', 'a%2Fb', '%C3%A4', 'a"b', 'a%27b', 'a+b', 'a$b', 'a%00b', '*']) {
      refuses(await send('PUT', `/queue/${name}`, { json: { target: NOBODY } }), 422, 'queue name is not valid!')
    }
  }),
  ...onSite('hyper-api 2.4, corner 46: a queue name is made in lower case', async ({ send, fresh }) => {
    const name = fresh()
    answers(await send('PUT', `/queue/${name.toUpperCase()}`, { json: { target: NOBODY } }), 201, { ok: true })
    refuses(await send('PUT', `/queue/${name}`, { json: { target: NOBODY } }), 409, 'queue already exists')
    assert.equal((await send('GET', `/queue/${name}?status=READY`)).status, 200)
    answers(await send('DELETE', `/queue/${name}`), 201, { ok: true })
  }),
  ...onSite('hyper-api 2.4: a queue name may begin with any of its characters', async ({ send, fresh }) => {
    for (const first of ['-', '~', '_', '0']) {
      const at = `/queue/${first}${fresh()}`
      answers(await send('PUT', at, { json: { target: NOBODY } }), 201, { ok: true })
      answers(await send('DELETE', at), 201, { ok: true })
    }
  }),
  ...inEmptyDomain('hyper-api 1.13, 8.5: every call on a missing queue is 404', async ({ onQueue }) => {
    refuses(await onQueue('DELETE'), 404, NO_QUEUE)
    refuses(await onQueue('POST', '', { json: {} }), 404, NO_QUEUE)
    refuses(await onQueue('GET', '?status=READY'), 404, NO_QUEUE)
    refuses(await onQueue('POST', '/1/_cancel'), 404, NO_QUEUE)
    refuses(await onQueue('POST', '/1/_retry'), 404, NO_QUEUE)
  }),
  ...inQueue('hyper-api 1.13, 1.6: parsing and validation come before existence', async (domain) => {
    await domain.onQueue('DELETE')
    const bad = { headers: { 'content-type': 'application/json' }, body: '{bad' }
    refuses(await domain.onQueue('POST', '', bad), 400)
    refuses(await domain.onQueue('PUT', '', bad), 400)
    refuses(await domain.onQueue('POST', '', { json: [] }), 422)
    refuses(await domain.onQueue('GET'), 422)
  }),
  ...inQueue('hyper-api 1.5, corners 13 and 14: DELETE removes the queue, 201, with a slash too', async (domain) => {
    answers(await domain.onQueue('DELETE', '/'), 201, { ok: true })
    refuses(await domain.onQueue('DELETE'), 404, NO_QUEUE)
    await create(domain, NOBODY)
    answers(await domain.onQueue('DELETE'), 201, { ok: true })
    refuses(await domain.onQueue('DELETE'), 404, NO_QUEUE)
  }),
  ...inEmptyDomain('hyper-api 8.1, 8.5: a queue made again has none of its old jobs', async (domain) => {
    await withTarget(silent, async (target) => {
      await create(domain, target.url)
      for (let n = 0; n < 30; n += 1) await post(domain, { n })
      await target.received(1)
      answers(await domain.onQueue('DELETE'), 201, { ok: true })
      await until('what was being sent is cut off', () => target.deliveries.every(({ cutOff }) => cutOff))
      const sent = target.deliveries.length
      await create(domain, target.url)
      assert.deepEqual(await jobs(domain, 'READY'), [])
      await post(domain, { n: 'new' })
      await target.received(sent + 1)
      assert.equal(target.deliveries.length, sent + 1)
      assert.equal(target.deliveries.at(-1)?.body, '{"n":"new"}')
    })
  }),
  ...onSite('design 8.4: queues in both structures are the same ones', async ({ send, fresh }) => {
    const app = fresh()
    for (const [cloud, oss] of [
      [`/${app}/queue/default`, `/queue/${app}`],
      [`/${app}/queue/shelf`, `/queue/${app}~shelf`],
    ] as const) {
      answers(await send('PUT', cloud, { json: { target: NOBODY } }), 201, { ok: true })
      refuses(await send('PUT', oss, { json: { target: NOBODY } }), 409, 'queue already exists')
      const { id } = (await send('POST', oss, { json: {} })).json() as { id: number }
      answers(await send('POST', `${cloud}/${id}/_cancel`), 201, { ok: true })
      answers(await send('DELETE', cloud), 201, { ok: true })
    }
  }),

  // Jobs

  ...inQueue('hyper-api 1.13 Q3, corner 38: a job gets an integer id, a later one a greater one', async (domain) => {
    const ids = [await post(domain, { n: 1 }), await post(domain, { n: 2 }), await post(domain, {})]
    assert.deepEqual(
      ids,
      ids.toSorted((one, other) => one - other),
    )
    assert.equal(new Set(ids).size, 3)
  }),
  ...inEmptyDomain('hyper-api 1.13 Q3: no body is the job {}', async (domain) => {
    await withTarget(replying(200), async (target) => {
      await create(domain, target.url)
      assert.equal((await domain.onQueue('POST')).status, 201)
      assert.equal((await domain.onQueue('POST', '', { json: {} })).status, 201)
      assert.deepEqual(
        (await target.received(2)).map(({ body }) => body),
        ['{}', '{}'],
      )
    })
  }),
  ...inQueue('hyper-api 1.13 Q3, 2.2: a job is an object', async (domain) => {
    const message = "Invalid Arguments 'job': Expected object, received array."
    refuses(await domain.onQueue('POST', '', { json: [] }), 422, message)
    refuses(await domain.onQueue('POST', '', { json: [{}] }), 422, message)
    assert.deepEqual(await jobs(domain, 'READY'), [])
  }),
  ...inQueue('hyper-api 1.13 Q4, 8.4, corner 38: status must be READY or ERROR', async ({ onQueue }) => {
    const problem = (received: string) =>
      `Invalid Arguments 'status': Invalid enum value. Expected 'READY' | 'ERROR', received '${received}'.`
    refuses(await onQueue('GET'), 422, "Invalid Arguments 'status': Required.")
    refuses(await onQueue('GET', '/'), 422, "Invalid Arguments 'status': Required.")
    for (const status of ['ready', 'DONE', ' READY']) {
      refuses(await onQueue('GET', `?status=${encodeURIComponent(status)}`), 422, problem(status))
    }
    refuses(await onQueue('GET', '?status='), 422)
    refuses(await onQueue('GET', '?status=READY&status=ERROR'), 422)
  }),
  ...inEmptyDomain('hyper-api 8.4: waiting jobs are listed in their order, as they were posted', async (domain) => {
    await withTarget(silent, async (target) => {
      await create(domain, target.url, 'hidden')
      const start = Date.now()
      const sent = [{ n: 1, deep: { a: [null, 1.5, 'ü'] } }, {}, { ok: false, status: 'ERROR', id: 'mine' }]
      const ids: number[] = []
      for (const job of sent) ids.push(await post(domain, job))
      await target.received(3)
      const listed = await jobs(domain, 'READY')
      const name = domain.structure === 'oss' ? domain.queue.split('/').at(-1) : `${domain.queue.split('/')[3]}~shelf`
      for (const [at, job] of listed.entries()) {
        const { timestmp, ...rest } = job
        assert.deepEqual(rest, { id: ids[at], job: sent[at], status: 'READY', queue: name })
        assert.match(timestmp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
        assert.ok(Math.abs(Date.parse(timestmp) - start) < 60_000, timestmp)
      }
      assert.equal(listed.length, 3)
      assert.deepEqual(await jobs(domain, 'ERROR'), [])
    })
  }),
  ...inEmptyDomain('hyper-api 8.4: thousands of waiting jobs are one answer', async (domain) => {
    await withTarget(silent, async (target) => {
      await create(domain, target.url)
      for (let part = 0; part < 30; part += 1) {
        await Promise.all(Array.from({ length: 50 }, (_, n) => post(domain, { n: part * 50 + n })))
      }
      const listed = await jobs(domain, 'READY')
      assert.equal(listed.length, 1_500)
      assert.deepEqual(
        listed.map(({ id }) => id),
        listed.map(({ id }) => id).toSorted((one, other) => one - other),
      )
    })
  }),
  ...inQueue('hyper-api 1.13: a single job has no route', async (domain) => {
    const id = await post(domain, {})
    refuses(await domain.onQueue('GET', `/${id}`), 404, 'not found!')
    refuses(await domain.onQueue('DELETE', `/${id}`), 404, 'not found!')
    refuses(await domain.onQueue('GET', `/${id}/_cancel`), 404, 'not found!')
    refuses(await domain.onQueue('POST', `/${id}/_nope`), 404, 'not found!')
  }),

  // Cancel and retry

  ...inEmptyDomain('hyper-api 12.2 B29, 1.13 Q5, corners 14 and 39: cancel takes a job out', async (domain) => {
    await withTarget(silent, async (target) => {
      await create(domain, target.url)
      const ids: number[] = []
      for (let n = 0; n < 30; n += 1) ids.push(await post(domain, { n }))
      await target.received(1)
      for (const id of ids.toReversed()) answers(await domain.onQueue('POST', `/${id}/_cancel`), 201, { ok: true })
      assert.deepEqual(await jobs(domain, 'READY'), [])
      await until('what was being sent is cut off', () => target.deliveries.every(({ cutOff }) => cutOff))
      const sent = target.deliveries.length
      assert.ok(sent < ids.length, 'some were cancelled before they were sent')
      await post(domain, { n: 'after' })
      await target.received(sent + 1)
      assert.equal(target.deliveries.at(-1)?.body, '{"n":"after"}')
      refuses(await domain.onQueue('POST', `/${ids[0]}/_cancel`), 404, 'job not found')
    })
  }),
  ...inEmptyDomain('hyper-api 12.2 B29, 8.5: cancel takes a failed job out', async (domain) => {
    await withTarget(replying(500), async (target) => {
      await create(domain, target.url)
      const id = await post(domain, {})
      await until('it fails', async () => (await jobs(domain, 'ERROR')).length === 1)
      answers(await domain.onQueue('POST', `/${id}/_cancel`), 201, { ok: true })
      assert.deepEqual(await jobs(domain, 'ERROR'), [])
    })
  }),
  ...onSite('hyper-api 1.13 Q5: a job that the queue does not have is 404', async ({ send, fresh }) => {
    const [one, two] = [fresh(), fresh()]
    for (const name of [one, two]) await send('PUT', `/queue/${name}`, { json: { target: NOBODY } })
    const { id } = (await send('POST', `/queue/${one}`, { json: {} })).json() as { id: number }
    for (const job of [String(id), '999999999', 'abc', '1.5', '-1', '%27', '1e3', '9'.repeat(40)]) {
      refuses(await send('POST', `/queue/${two}/${job}/_cancel`), 404, 'job not found')
      refuses(await send('POST', `/queue/${two}/${job}/_retry`), 404, 'job not found')
    }
    answers(await send('POST', `/queue/${one}/${id}/_cancel`), 201, { ok: true })
  }),
  ...inEmptyDomain('hyper-api 12.2 B30: a failed job is sent again by _retry', async (domain) => {
    let isMended = false
    const answering = (reply: Parameters<ReturnType<typeof replying>>[0]) => {
      reply.writeHead(isMended ? 200 : 503).end()
    }
    await withTarget(answering, async (target) => {
      await create(domain, target.url)
      const id = await post(domain, { n: 1 })
      await until('it fails', async () => (await jobs(domain, 'ERROR')).length === 1)
      const before = target.deliveries.length
      answers(await domain.onQueue('POST', `/${id}/_retry`), 201, { ok: true })
      await until('it fails again', async () => {
        const [failed] = await jobs(domain, 'ERROR')
        return target.deliveries.length > before && failed?.id === id
      })
      isMended = true
      const again = target.deliveries.length
      answers(await domain.onQueue('POST', `/${id}/_retry`), 201, { ok: true })
      await target.received(again + 1)
      assert.equal(target.deliveries.at(-1)?.body, '{"n":1}')
      await until(
        'it is done',
        async () => (await jobs(domain, 'ERROR')).length + (await jobs(domain, 'READY')).length === 0,
      )
      refuses(await domain.onQueue('POST', `/${id}/_retry`), 404, 'job not found')
    })
  }),
  ...inEmptyDomain('hyper-api 12.2 B30: _retry of a job that waits is fine', async (domain) => {
    await withTarget(silent, async (target) => {
      await create(domain, target.url)
      const id = await post(domain, {})
      await target.received(1)
      answers(await domain.onQueue('POST', `/${id}/_retry`), 201, { ok: true })
      assert.equal((await jobs(domain, 'READY')).length, 1)
    })
  }),
]
