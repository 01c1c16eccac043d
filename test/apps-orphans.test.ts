/** Apps end with what supervises them, however that ends (worker-runtime §13.19-20). Linux: processes are looked for in /proc. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { strongestTether, type Tether } from '../adapters/apps/workerd/tether.ts'
import { ENTRY, eventually, TestProject, test as testOfProject } from './helpers/cli.ts'
import { processesMarked } from './helpers/leaks.ts'

const ROUNDS = 10 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const APPS = ['one.js', 'two.js']

const options = { skip: process.platform === 'linux' ? false : 'processes are counted in /proc' }

class Supervised {
  readonly directory = realpathSync(mkdtempSync(join(tmpdir(), 'hyper-orphans-')))

  constructor(t: TestContext) {
    for (const app of APPS)
      writeFileSync(join(this.directory, app), `export default { fetch: () => new Response('well') }`)
    t.after(() => {
      for (const { pid } of this.processes()) process.kill(pid, 'SIGKILL')
      rmSync(this.directory, { recursive: true, force: true })
    })
  }

  /** All that know the directory: apps, and shells that wait for us. */
  processes(): { pid: number; command: string }[] {
    return processesMarked(this.directory)
  }

  async start(tether: Tether) {
    const script = join(import.meta.dirname, 'helpers/app-supervisor.ts')
    const child = spawn(process.execPath, [script, this.directory, tether, ...APPS], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    const lines = createInterface({ input: child.stdout })
    const [line] = (await Promise.race([once(lines, 'line'), exited.then(() => assert.fail('it ended'))])) as [string]
    return { child, exited, pids: JSON.parse(line) as number[] }
  }
}

for (const tether of new Set<Tether>([strongestTether, 'shell'])) {
  test(
    `${ROUNDS} times kill -9 of the supervisor leaves no process of an app, by the ${tether}`,
    options,
    async (t) => {
      const supervised = new Supervised(t)
      for (let round = 1; round <= ROUNDS; round += 1) {
        // Over the sockets that the one before has left.
        const { child, pids } = await supervised.start(tether)
        assert.equal(pids.length, APPS.length)
        assert.ok(supervised.processes().length >= 1 + APPS.length, `round ${round}: its processes are not found`)
        child.kill('SIGKILL')
        await eventually(`round ${round}: all are gone`, () => supervised.processes().length === 0)
      }
    },
  )
}

test(
  'a process whose end the shell waits for can be ended by hand, and its number is not killed later',
  options,
  async (t) => {
    const supervised = new Supervised(t)
    const { child, exited, pids } = await supervised.start('shell')
    process.kill(pids[0] ?? assert.fail(), 'SIGKILL')
    // The shell that waited for it ends with it; another process and shell take their place.
    await eventually('it is started again', () => {
      const running = supervised.processes().map(({ pid }) => pid)
      return !running.includes(pids[0] ?? 0) && running.length === 1 + 2 * APPS.length
    })
    child.kill('SIGTERM')
    await exited
    await eventually('all are gone', () => supervised.processes().length === 0)
  },
)

testOfProject(
  'Ctrl-C reaches the whole group of a terminal, and what an app still answers is answered',
  options,
  async () => {
    await using project = new TestProject()
    project.write('hyper-sandbox.yaml', 'services: { cache: true }\napps: [{ name: slow, path: ./slow.js }]\n')
    project.write(
      'slow.js',
      'export default { fetch: () => new Promise((done) => setTimeout(() => done(new Response("whole")), 1_000)) }',
    )
    const up = project.start(['up', '--port', '0'], { command: ['setsid', process.execPath, ENTRY] })
    await eventually('it runs', () => project.hasState() && Boolean(project.state().url))
    const asked = request(`${project.state().url}/_app/slow/`, { method: 'POST' })
    await sleep(400)
    process.kill(-up.pid, 'SIGINT')
    const { statusCode, body } = await asked
    assert.deepEqual([statusCode, await body.text()], [200, 'whole'])
    await up.ended
  },
)
