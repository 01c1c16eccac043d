/** Apps beside one that misbehaves, for as long as the scale says: nobody else loses a request, and nothing grows (worker-runtime §9). */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { culpritSaying } from './apps/culprit.ts'
import { startAppHost, type TestAppHost } from './helpers/app-host.ts'
import { eventually } from './helpers/cli.ts'

const SECONDS = 4 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const NEIGHBOURS = Array.from({ length: 4 }, (_, n) => `neighbour-${n}`)

const linux = { skip: process.platform === 'linux' ? false : 'open files are counted in /proc' }

const CULPRIT = culpritSaying('well')

const NEIGHBOUR = `export default {
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/throw') throw new Error('thrown')
    if (pathname === '/stream') {
      let chunks = 20
      return new Response(new ReadableStream({
        pull(controller) {
          chunks -= 1
          if (chunks < 0) controller.close()
          else controller.enqueue(new Uint8Array(4096))
        },
      }))
    }
    return new Response(await request.text())
  },
}`

/** Everything an app is asked for in good and bad days, until it is over. @returns what went wrong */
async function ask(apps: TestAppHost, name: string, isOver: () => boolean): Promise<string[]> {
  const failures: string[] = []
  const expect = (what: string, is: boolean) => {
    if (!is) failures.push(`${name}: ${what}`)
  }
  while (!isOver()) {
    const plain = await apps.get(name)
    expect(`${plain.status} ${plain.text}`, plain.status === 200)
    const body = 'x'.repeat(20_000)
    const echoed = await apps.get(name, '/', { method: 'POST', body })
    expect(`echo ${echoed.status}`, echoed.text === body)
    expect('a stream', (await apps.get(name, '/stream')).text.length === 20 * 4096)
    expect('a throw', (await apps.get(name, '/throw')).status === 500)
    // A client that leaves in the middle.
    const left = await apps.fetch(name, '/stream')
    await left.body?.cancel()
    await sleep(5)
  }
  return failures
}

for (const [path, reason] of [
  ['/loop', 'timeout'],
  ['/memory', 'memory'],
] as const) {
  test(`for ${SECONDS} s beside an app that is asked for ${path} again and again, others lose no request`, async () => {
    const culprit = { files: { 'index.js': CULPRIT }, timeout_ms: 500, memory_mb: 16 }
    const well = Object.fromEntries(NEIGHBOURS.map((name) => [name, NEIGHBOUR]))
    await using apps = await startAppHost({ culprit, ...well })
    const end = performance.now() + SECONDS * 1_000
    const isOver = () => performance.now() > end
    const asked = NEIGHBOURS.map((name) => ask(apps, name, isOver))
    const statuses = new Set<number>()
    while (!isOver()) {
      statuses.add((await apps.get('culprit', path, { method: 'POST' })).status)
      await sleep(20)
    }
    assert.deepEqual((await Promise.all(asked)).flat(), [])
    assert.ok(
      [...statuses].every((status) => status === 408 || status === 503),
      String([...statuses]),
    )
    const restarted = new Set(apps.told.restarted.map((one) => `${one.app} ${one.reason}`))
    assert.deepEqual([...restarted], [`culprit ${reason}`])
    await eventually('the culprit is back', async () => (await apps.get('culprit')).status === 200)
  })
}

test(`${SECONDS} s of mixed load and reloads leave no file open and no process behind`, linux, async () => {
  const names = NEIGHBOURS.slice(0, 2)
  const versions = (n: number) => Object.fromEntries(names.map((name) => [name, `${NEIGHBOUR}\n// ${n}`]))
  await using apps = await startAppHost(versions(0))
  let round = 0
  const forSeconds = async (seconds: number) => {
    const end = performance.now() + seconds * 1_000
    const asked = names.map((name) => ask(apps, name, () => performance.now() > end))
    while (performance.now() < end) {
      round += 1
      await apps.apply(versions(round))
      await sleep(200)
    }
    assert.deepEqual((await Promise.all(asked)).flat(), [])
    await eventually('the old versions are gone', () => apps.processes().length === names.length)
  }
  await forSeconds(SECONDS / 4)
  await sleep(300)
  const before = { files: openFiles(), megabytes: heapMegabytes() }
  await forSeconds(SECONDS)
  await sleep(300)
  const after = { files: openFiles(), megabytes: heapMegabytes() }
  // Connections that are kept for the next request come and go.
  assert.ok(after.files - before.files <= 8, `${before.files} files were open, then ${after.files}`)
  assert.ok(after.megabytes - before.megabytes < 15, `${before.megabytes} MB, then ${after.megabytes}`)
})

/** Of this process, in which the host of apps is. */
function openFiles(): number {
  return readdirSync('/proc/self/fd').length
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapMegabytes(): number {
  collectGarbage()
  return process.memoryUsage().heapUsed / 1024 / 1024
}
