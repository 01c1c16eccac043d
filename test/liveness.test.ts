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
  await sleep(1_200)
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
