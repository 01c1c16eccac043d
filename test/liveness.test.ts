import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLiveness } from '../adapters/shared/liveness.ts'
import { HyperError } from '../server/error.ts'

const never = () => new Promise<never>(() => {})
const isUnavailable = (error: unknown) =>
  error instanceof HyperError &&
  error.code === 'BACKEND_UNAVAILABLE' &&
  error.message === 'Redis at a:1 does not answer'

/** A promise that waits for nothing keeps no process alive. */
async function awake<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 100)
  return await work.finally(() => clearInterval(timer))
}

test('what a silent server leaves waiting fails within two seconds, and so does what comes next', async () => {
  const { watch } = createLiveness({ server: 'Redis at a:1', ping: never })
  for (let round = 0; round < 2; round += 1) {
    const started = performance.now()
    await awake(assert.rejects(watch(never), isUnavailable))
    assert.ok(performance.now() - started < 2_000)
  }
})

test('a server that refuses the ping fails what waits', async () => {
  const ping = () => Promise.reject(new Error('connection closed'))
  const { watch } = createLiveness({ server: 'Redis at a:1', ping })
  await awake(assert.rejects(watch(never), isUnavailable))
})

test('an operation may take its time while the server answers', async () => {
  let pings = 0
  const { watch } = createLiveness({ server: 'Redis at a:1', ping: async () => (pings += 1) })
  assert.equal(await watch(() => sleep(1_500, 'done')), 'done')
  assert.ok(pings > 0)
})

test('an operation that began after the ping was sent is not failed by it', async () => {
  let answer = never as () => Promise<unknown>
  const { watch } = createLiveness({ server: 'Redis at a:1', ping: () => answer() })
  const old = assert.rejects(watch(never), isUnavailable)
  await sleep(1_300)
  answer = async () => {}
  const young = watch(() => sleep(1_000, 'done'))
  await old
  assert.equal(await young, 'done')
})

test('quick operations ask for no ping, and what they throw passes', async () => {
  let pings = 0
  const { watch } = createLiveness({ server: 'Redis at a:1', ping: async () => (pings += 1) })
  for (let count = 0; count < 100; count += 1) assert.equal(await watch(async () => count), count)
  await assert.rejects(
    watch(() => Promise.reject(new TypeError('mine'))),
    TypeError,
  )
  await sleep(700)
  assert.equal(pings, 0)
})

/** A server that answers pings only while it is awake, and one operation that it leaves without an answer. */
async function silenced(abandon?: () => void) {
  let isAwake = false
  const { promise: answer, resolve, reject } = Promise.withResolvers<string>()
  const ping = () => (isAwake ? Promise.resolve() : never())
  const { watch, doubt, close } = createLiveness({ server: 'Redis at a:1', ping })
  await awake(
    assert.rejects(
      watch(() => answer, abandon),
      isUnavailable,
    ),
  )
  const wake = () => {
    isAwake = true
  }
  return { watch, doubt, close, wake, resolve, reject }
}

test('nothing is sent to a silent server, and it is told at once', async () => {
  const { watch, close } = await silenced()
  const started = performance.now()
  await assert.rejects(
    watch(() => assert.fail('it was sent')),
    isUnavailable,
  )
  assert.ok(performance.now() - started < 200)
  close()
})

test('when the server is back, what it had in hand ends before anything new is sent', async () => {
  const { watch, wake, resolve } = await silenced(() => assert.fail('it was abandoned'))
  let hasEnded = false
  wake()
  setTimeout(() => {
    hasEnded = true
    resolve('late')
  }, 1_000)
  const sent = await eventually(() => watch(async () => hasEnded))
  assert.equal(sent, true)
})

test('what never ends is abandoned, and the server is there again', async () => {
  let isAbandoned = false
  const { watch, wake } = await silenced(() => {
    isAbandoned = true
  })
  wake()
  assert.equal(await eventually(() => watch(async () => isAbandoned)), true)
})

test('what was given up beside it lets nothing pass until the server has answered', async () => {
  let pings = 0
  const { watch, doubt } = createLiveness({ server: 'Redis at a:1', ping: async () => (pings += 1) })
  doubt()
  assert.ok((await eventually(() => watch(async () => pings))) > 0)
})

test('once closed it cuts off what is on its way, and asks no more', async () => {
  let isAbandoned = false
  let pings = 0
  const ping = () => {
    pings += 1
    return Promise.reject(new Error('refused'))
  }
  const { watch, close } = createLiveness({ server: 'Redis at a:1', ping })
  await awake(
    assert.rejects(
      watch(never, () => {
        isAbandoned = true
      }),
      isUnavailable,
    ),
  )
  close()
  assert.equal(isAbandoned, true)
  const before = pings
  await sleep(600)
  assert.equal(pings, before)
})

/** Tries until the server is there again: five seconds are promised. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 5_000
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isUnavailable(error) || performance.now() > deadline) throw error
      await sleep(20)
    }
  }
}
