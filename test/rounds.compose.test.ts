import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { accepts, eventually, get, post, type Started, test } from './helpers/cli.ts'
import { ComposeProject, type StackImages, stackImages, testsOn } from './helpers/compose-project.ts'
import { leaks } from './helpers/leaks.ts'
import { run } from './parts/part.ts'

const ROUNDS = 3 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const SERVICES = ['--data', '--cache', '--storage']

/** An `up` or a `down` takes about so long; an interruption comes at any moment of it. */
const LONGEST_MS = { up: 5_000, down: 1_500 }

testsOn('rounds of up and down on Docker', await stackImages(), allOn)

async function imageIds(): Promise<string[]> {
  return (await run('docker', ['images', '--quiet', '--no-trunc'])).split('\n').sort()
}

/** By Ctrl-C, or by kill -9 as a crash would. */
async function interrupted(project: ComposeProject, verb: 'up' | 'down', args: readonly string[]): Promise<Started> {
  const started = project.start([verb, ...args])
  await Promise.race([sleep(randomInt(LONGEST_MS[verb])), started.ended])
  started.child.kill(randomInt(2) === 0 ? 'SIGINT' : 'SIGKILL')
  await started.ended
  return started
}

function allOn(images: StackImages): void {
  test(`${ROUNDS} rounds of up and down on Docker, every third interrupted, leave nothing behind and lose nothing`, async () => {
    const before = await imageIds()
    await using project = new ComposeProject(images)
    let written: number | undefined
    for (let round = 1; round <= ROUNDS; round += 1) {
      const isInterrupted = round % 3 === 2
      const args = ['--detach', '--wait', '--port', '0', ...SERVICES]
      if (isInterrupted) await interrupted(project, 'up', args)
      const up = await project.run(['up', ...args])
      assert.equal(up.code, 0, `round ${round}: ${up.stderr}`)
      const { url, tcpPort } = project.state()
      if (written !== undefined) {
        for (const service of ['data', 'cache', 'storage']) {
          assert.equal(await get(`${url}/${service}/test/round-${written}`), 200, `${service}, round ${round}`)
        }
      }
      assert.equal(await post(`${url}/data/test`, { _id: `round-${round}` }), 201)
      assert.equal(await post(`${url}/cache/test`, { key: `round-${round}`, value: {} }), 201)
      assert.equal(await post(`${url}/storage/test/round-${round}`, 'x'), 201)
      written = round
      if (isInterrupted && round % 2 === 0) await interrupted(project, 'down', [])
      const down = await project.run(['down'])
      assert.equal(down.code, 0, `round ${round}: ${down.stderr}`)
      assert.equal(project.hasState(), false)
      await eventually('the port is free', async () => !(await accepts(tcpPort)))
      assert.deepEqual(await project.onEngine('container', 'network'), [], `round ${round}`)
      assert.deepEqual(await leaks(project.mark, project.env.TMPDIR ?? ''), [], `round ${round}`)
    }
    assert.deepEqual(await imageIds(), before)
  })
}
