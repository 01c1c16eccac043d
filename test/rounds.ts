/**
 * Start and stop, over and over, a fifth of the rounds ended by kill -9: nothing may be left behind.
 *
 *     node test/rounds.ts         10 rounds; HYPER_TEST_SCALE=10 makes it 100
 */
import assert from 'node:assert/strict'
import { accepts, eventually, get, post, TestProject } from './helpers/cli.ts'
import { leaks } from './helpers/leaks.ts'

const ROUNDS = 10 * Number(process.env.HYPER_TEST_SCALE ?? '1')
const KILL_EVERY = 5

const tcpPorts = new Set<number>()
let killed = 0
let worstMs = 0
{
  await using project = new TestProject()
  for (let round = 1; round <= ROUNDS; round += 1) {
    const begun = performance.now()
    const ended = await project.run(['up', '--detach', '--wait', '--port', '0', '--data', '--cache'])
    worstMs = Math.max(worstMs, performance.now() - begun)
    assert.equal(ended.code, 0, `round ${round}: ${ended.stderr}`)
    const { pid, url, tcpPort } = project.state()
    tcpPorts.add(tcpPort)
    assert.equal(await post(`${url}/data/test`, { _id: `round-${round}` }), 201)
    if (round > 1) assert.equal(await get(`${url}/data/test/round-${round - 1}`), 200)
    if (round % KILL_EVERY === 0) {
      process.kill(pid, 'SIGKILL')
      killed += 1
      await eventually('the killed process is gone', async () => !(await accepts(tcpPort)))
    } else {
      const down = await project.run(['down'])
      assert.equal(down.code, 0, `round ${round}: ${down.stderr}`)
      assert.equal(project.hasState(), false)
    }
    assert.equal(await accepts(tcpPort), false, `round ${round}: port ${tcpPort} still answers`)
    assert.deepEqual(await leaks(project.mark, project.env.TMPDIR ?? ''), [], `round ${round}`)
  }
  assert.equal(tcpPorts.size, 1, 'port 0 is remembered over all rounds')
}
console.log(`${ROUNDS} rounds, ${killed} by kill -9, slowest start ${Math.round(worstMs)} ms: nothing left behind`)
