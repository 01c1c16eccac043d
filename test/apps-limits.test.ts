/** What an app may take, and what becomes of it and of the others when it takes more (worker-runtime §9, §12.5). */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startAppHost, type TestAppHost } from './helpers/app-host.ts'
import { eventually } from './helpers/cli.ts'

const PLAIN = `export default { fetch: () => new Response('well') }`

const CULPRIT = `
let requests = 0
export default {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url)
    requests += 1
    if (pathname === '/loop') for (;;) {}
    if (pathname === '/busy') for (const until = Date.now() + Number(searchParams.get('ms')); Date.now() < until;);
    if (pathname === '/wait') await new Promise((resolve) => setTimeout(resolve, Number(searchParams.get('ms'))))
    if (pathname === '/wait-then-loop') {
      await new Promise((resolve) => setTimeout(resolve, Number(searchParams.get('ms'))))
      for (;;) {}
    }
    if (pathname === '/never') await new Promise((resolve) => setTimeout(resolve, 3_600_000))
    if (pathname === '/heap') for (const all = []; ; ) all.push(new Array(100_000).fill(requests))
    if (pathname === '/buffers') {
      for (const all = []; ; ) {
        all.push(new Uint8Array(8 * 1024 * 1024).fill(1))
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
    if (pathname === '/stream-then-loop') {
      let isFirst = true
      return new Response(new ReadableStream({
        async pull(controller) {
          if (!isFirst) {
            await new Promise((resolve) => setTimeout(resolve, 300))
            for (;;) {}
          }
          isFirst = false
          controller.enqueue(new TextEncoder().encode('begun'))
        },
      }))
    }
    if (pathname === '/large') return new Response('x'.repeat(Number(searchParams.get('bytes'))))
    if (pathname === '/large-stream') {
      let chunks = Number(searchParams.get('bytes')) / 1024
      return new Response(new ReadableStream({
        async pull(controller) {
          chunks -= 1
          if (chunks < 0) controller.close()
          else controller.enqueue(new Uint8Array(1024))
        },
      }))
    }
    if (request.method === 'POST') return new Response(await request.text())
    return new Response(String(requests))
  },
}`

function restartsOf({ told }: TestAppHost, app: string): string[] {
  return told.restarted.filter((one) => one.app === app).map(({ reason }) => reason)
}

test('a loop is ended after its time: 408 to who asked for it, the others are asked again or told, and the app is back', async () => {
  await using apps = await startAppHost({ culprit: { files: { 'index.js': CULPRIT }, timeout_ms: 600 }, other: PLAIN })
  const looping = apps.get('culprit', '/loop')
  // The loop holds the thread by now, so that these cannot have been begun.
  await sleep(350)
  const [repeated, posted, other] = [
    apps.get('culprit'),
    apps.get('culprit', '/', { method: 'POST', body: 'once' }),
    apps.get('other'),
  ]
  assert.equal((await other).text, 'well')
  const { status, text } = await looping
  assert.deepEqual({ status, text }, { status: 408, text: 'Script execution timed out' })
  // Of a new process: the first request it counts.
  assert.deepEqual(await repeated.then(({ status, text }) => ({ status, text })), { status: 200, text: '1' })
  assert.equal((await posted).status, 503)
  assert.equal((await apps.get('culprit')).status, 200)

  const [{ app, reason, detail } = assert.fail()] = apps.told.restarted
  assert.deepEqual({ app, reason }, { app: 'culprit', reason: 'timeout' })
  assert.match(detail, /^its thread was held for \d+ ms, over 600 ms$/)
  const [culprit, well] = apps.host.status()
  assert.deepEqual(culprit?.restarts, { timeout: 1, memory: 0, crash: 0 })
  assert.deepEqual(well?.restarts, { timeout: 0, memory: 0, crash: 0 })
})

test('waiting is not holding: a handler may wait for longer than it may compute', async () => {
  await using apps = await startAppHost({
    patient: { files: { 'index.js': CULPRIT }, timeout_ms: 300, wall_ms: 60_000 },
  })
  assert.equal((await apps.get('patient', '/wait?ms=1500')).text, '1')
  // The time counts from when it begins to compute, not from when it was asked.
  const waiting = apps.get('patient', '/wait?ms=900')
  await sleep(500)
  assert.equal((await apps.get('patient', '/busy?ms=100')).status, 200)
  assert.equal((await waiting).status, 200)
  assert.deepEqual(apps.told.restarted, [])
  assert.equal((await apps.get('patient', '/wait-then-loop?ms=700')).status, 408)
})

test('an answer that stops half way because its code loops is cut, and the app is back', async () => {
  await using apps = await startAppHost({ culprit: { files: { 'index.js': CULPRIT }, timeout_ms: 400 } })
  await assert.rejects(apps.get('culprit', '/stream-then-loop'))
  assert.equal((await apps.get('culprit')).text, '1')
  assert.deepEqual(restartsOf(apps, 'culprit'), ['timeout'])
})

test('an answer that never begins is given up, and the process goes on', async () => {
  await using apps = await startAppHost({ pending: { files: { 'index.js': CULPRIT }, wall_ms: 400, timeout_ms: 300 } })
  const { status, text } = await apps.get('pending', '/never')
  assert.deepEqual({ status, text }, { status: 500, text: 'Promise did not resolve in time' })
  assert.equal((await apps.get('pending')).text, '2')
})

for (const [path, what, detail] of [
  ['/heap', 'objects', /^its heap was full at 32 MB$/],
  ['/buffers', 'buffers, which the heap does not count', /^it had \d+ MB, over 416 MB$/],
] as const) {
  test(`an app that fills the memory with ${what} is ended alone`, async () => {
    await using apps = await startAppHost({
      culprit: { files: { 'index.js': CULPRIT }, memory_mb: 32, timeout_ms: 60_000 },
      other: PLAIN,
    })
    const [, before] = apps.host.status()
    const { status, text } = await apps.get('culprit', path)
    assert.deepEqual({ status, text }, { status: 503, text: 'Memory limit exceeded - request rejected' })
    assert.equal((await apps.get('culprit')).text, '1')
    assert.equal((await apps.get('other')).text, 'well')
    assert.deepEqual(restartsOf(apps, 'culprit'), ['memory'])
    assert.match(apps.told.restarted[0]?.detail ?? '', detail)
    const [, after] = apps.host.status()
    assert.deepEqual(after?.pids, before?.pids)
  })
}

test('a response over its limit is refused, or cut where it has begun', async () => {
  await using apps = await startAppHost({ large: { files: { 'index.js': CULPRIT }, max_response_mb: 1 } })
  const most = 1024 * 1024
  assert.equal((await apps.get('large', `/large?bytes=${most}`)).text.length, most)
  const { status, text } = await apps.get('large', `/large?bytes=${most + 1}`)
  assert.deepEqual({ status, text }, { status: 500, text: '{"error":"Response too large"}' })
  assert.equal((await apps.get('large', `/large-stream?bytes=${most}`)).text.length, most)
  await assert.rejects(apps.get('large', `/large-stream?bytes=${most + 1024}`))
  assert.equal((await apps.get('large')).status, 200)
})

test('requests beyond those answered at once wait, and beyond those that wait are refused', async () => {
  await using apps = await startAppHost({ narrow: { files: { 'index.js': CULPRIT }, max_concurrent: 2 } })
  const asked = Array.from({ length: 13 }, () => apps.get('narrow', '/wait?ms=400'))
  const answers = await Promise.all(asked)
  const refused = answers.filter(({ status }) => status === 503)
  assert.equal(refused.length, 3)
  assert.deepEqual([refused[0]?.text, refused[0]?.headers.get('retry-after')], ['{"error":"Too many requests"}', '1'])
  assert.equal(answers.filter(({ status }) => status === 200).length, 10)
})

test('an app whose process ends again and again is given ever more time; meanwhile it is refused at once', async () => {
  await using apps = await startAppHost({ ending: { files: { 'index.js': CULPRIT }, memory_mb: 16 }, other: PLAIN })
  let answer = await apps.get('ending', '/heap')
  for (let round = 0; round < 8 && answer.text !== '{"error":"App unavailable"}'; round += 1) {
    answer = await apps.get('ending', '/heap')
  }
  assert.deepEqual([answer.status, answer.text], [503, '{"error":"App unavailable"}'])
  assert.equal(apps.host.status()[0]?.state, 'failed')
  assert.ok(restartsOf(apps, 'ending').length < 8)
  assert.equal((await apps.get('other')).text, 'well')
  await eventually('it is back', async () => (await apps.get('ending')).status === 200)
})

test('a module that loops while it is loaded is given up, and leaves no process', async () => {
  await using apps = await startAppHost({ looping: 'for (;;) {}\nexport default { fetch() {} }', other: PLAIN })
  assert.equal((await apps.get('looping')).status, 503)
  const [looping] = apps.host.status()
  assert.equal(looping?.state, 'failed')
  assert.deepEqual(looping?.pids, [])
  assert.match(looping?.error?.message ?? '', /does it loop while it is loaded/)
  assert.equal((await apps.get('other')).text, 'well')
})

test('replicas share the requests, and one goes on while another is ended', async () => {
  await using apps = await startAppHost({ twin: { files: { 'index.js': CULPRIT }, replicas: 2, timeout_ms: 500 } })
  const [before] = apps.host.status()
  assert.equal(new Set(before?.pids).size, 2)
  const looping = apps.get('twin', '/loop')
  await sleep(100)
  for (let n = 1; n <= 5; n += 1) assert.equal((await apps.get('twin')).text, String(n))
  assert.equal((await looping).status, 408)
  await eventually('both run again', () => apps.host.status()[0]?.pids.length === 2)
})

test('a lazy app is started by its first request, and stopped when nothing is asked of it', async () => {
  await using apps = await startAppHost({
    lazy: { files: { 'index.js': CULPRIT }, lazy: true, idle_ms: 400 },
    broken: { files: { 'index.js': `throw new Error('not today')\nexport default { fetch() {} }` }, lazy: true },
  })
  const of = () => apps.host.status()[0]
  assert.deepEqual([of()?.state, of()?.pids], ['idle', []])
  // All that come while it starts wait for the same start.
  const answers = await Promise.all(Array.from({ length: 5 }, () => apps.get('lazy')))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200],
  )
  const [pid] = of()?.pids ?? []
  // A request that is open keeps it awake, however long it takes.
  assert.equal((await apps.get('lazy', '/wait?ms=1200')).text, '6')
  assert.deepEqual(of()?.pids, [pid])
  await eventually('it is stopped', () => of()?.state === 'idle' && !isRunning(pid ?? 0))
  assert.equal((await apps.get('lazy')).text, '1')
  assert.deepEqual(apps.told.restarted, [])

  assert.equal((await apps.get('broken')).status, 503)
  assert.match(apps.host.status()[1]?.error?.message ?? '', /not today/)
  assert.equal(apps.host.status()[1]?.state, 'failed')
})

test('fifty apps are started a few at a time and all answer', async () => {
  await using apps = await startAppHost()
  const names = Array.from({ length: 50 }, (_, n) => `app-${n}`)
  await apps.apply(
    Object.fromEntries(names.map((name) => [name, `export default { fetch: () => new Response('${name}') }`])),
  )
  const answers = await Promise.all(names.map((name) => apps.get(name)))
  assert.deepEqual(
    answers.map(({ text }) => text),
    names,
  )
})

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
