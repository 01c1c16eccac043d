import assert from 'node:assert/strict'
import { replying, withTarget } from './acceptance/target.ts'
import { accepts, eventually, get, post, TestProject, test } from './helpers/cli.ts'
import { leaks } from './helpers/leaks.ts'

const ROUNDS = 10 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const KILL_EVERY = 5
const SERVICES = ['--data', '--cache', '--storage', '--search', '--queue']

/** Larger than what is kept in a database. */
const OBJECT = 'x'.repeat(100_000)

test(`${ROUNDS} rounds of up and down with all services, every fifth ended by kill -9, leave nothing behind and lose nothing`, async () => {
  await withTarget(replying(200), async (target) => {
    await using project = new TestProject()
    const services = `{ search: { fields: [title] }, queue: { target: "${target.url}" } }`
    project.write('hyper-sandbox.yaml', `services: ${services}\n`)
    const tcpPorts = new Set<number>()
    for (let round = 1; round <= ROUNDS; round += 1) {
      const up = await project.run(['up', '--detach', '--wait', '--port', '0', ...SERVICES])
      assert.equal(up.code, 0, `round ${round}: ${up.stderr}`)
      const { pid, url, tcpPort } = project.state()
      tcpPorts.add(tcpPort)
      const at = (n: number) =>
        ['data', 'cache', 'storage', 'search'].map((service) => `${url}/${service}/test/round-${n}`)
      assert.equal(await post(`${url}/data/test`, { _id: `round-${round}` }), 201)
      assert.equal(await post(`${url}/cache/test`, { key: `round-${round}`, value: {} }), 201)
      assert.equal(await post(`${url}/storage/test/round-${round}`, OBJECT), 201)
      assert.equal(await post(`${url}/search/test`, { key: `round-${round}`, doc: { title: 'word' } }), 201)
      assert.equal(await post(`${url}/queue/test`, { round }), 201)
      if (round > 1) for (const written of at(round - 1)) assert.equal(await get(written), 200, written)
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

    await project.up(...SERVICES)
    const rounds = Array.from({ length: ROUNDS }, (_, at) => JSON.stringify({ round: at + 1 }))
    await eventually('every job is delivered', () => {
      const bodies = new Set(target.deliveries.map(({ body }) => body))
      return rounds.every((body) => bodies.has(body))
    })
    await project.down()
  })
})
