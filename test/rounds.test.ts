import assert from 'node:assert/strict'
import { accepts, eventually, get, post, TestProject, test } from './helpers/cli.ts'
import { leaks } from './helpers/leaks.ts'

const ROUNDS = 10 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const KILL_EVERY = 5

test(`${ROUNDS} rounds of up and down, every fifth ended by kill -9, leave nothing behind and lose nothing`, async () => {
  await using project = new TestProject()
  const tcpPorts = new Set<number>()
  for (let round = 1; round <= ROUNDS; round += 1) {
    const up = await project.run(['up', '--detach', '--wait', '--port', '0', '--data', '--cache'])
    assert.equal(up.code, 0, `round ${round}: ${up.stderr}`)
    const { pid, url, tcpPort } = project.state()
    tcpPorts.add(tcpPort)
    assert.equal(await post(`${url}/data/test`, { _id: `round-${round}` }), 201)
    if (round > 1) assert.equal(await get(`${url}/data/test/round-${round - 1}`), 200)
    if (round % KILL_EVERY === 0) {
      process.kill(pid, 'SIGKILL')
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
})
