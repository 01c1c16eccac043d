import assert from 'node:assert/strict'
import { get, packageFile, post, type Started, TestProject, test } from './helpers/cli.ts'

const ALL = ['data', 'cache', 'storage', 'search', 'queue']
const NANO = packageFile('cli/nano.cjs')

async function nano(
  project: TestProject,
  args: string[],
  bin: 'hyper-nano' | 'hyper-sandbox' = 'hyper-sandbox',
): Promise<Started> {
  const options = bin === 'hyper-nano' ? { command: [process.execPath, NANO] } : {}
  const started = project.start(args, { ...options, env: { PORT: '0' } })
  await started.says('Ctrl-C stops it')
  return started
}

async function exists(project: TestProject, domain = 'test') {
  const { url } = project.state()
  const [data, cache] = await Promise.all([get(`${url}/data/${domain}`), post(`${url}/cache/${domain}/_query`, {})])
  return { data: data === 200, cache: cache === 200 }
}

async function stop(started: Started): Promise<void> {
  started.child.kill('SIGTERM')
  assert.equal((await started.ended).code, 0)
}

test('flags without a verb create; all services run whatever is given', async () => {
  await using project = new TestProject()
  const started = await nano(project, ['--data', '--domain=foo', '--experimental'])
  assert.deepEqual(project.state().services, ALL)
  assert.deepEqual(await exists(project, 'foo'), { data: true, cache: false })
  assert.match(started.said().stderr, /--experimental is not needed here/)
  await stop(started)
})

test("hyper-nano reads flags as hyper nano's parser does", async () => {
  const cases: [string[], { data: boolean; cache: boolean }][] = [
    [[], { data: false, cache: false }],
    [['--data=false', '--cache=0'], { data: true, cache: false }],
    [['--experimental', '--data', '0x0', '--cache', 'no'], { data: false, cache: true }],
    [['--experimental', 'data', '--no-cache', 'cache', '--bogus', '--', '--data'], { data: false, cache: false }],
    [['--domain=a', '--domain=test', '--domain=', '--data', '--search', '--queue'], { data: true, cache: false }],
  ]
  for (const [args, expected] of cases) {
    await using project = new TestProject()
    const started = await nano(project, args, 'hyper-nano')
    assert.deepEqual(await exists(project), expected, args.join(' '))
    await stop(started)
  }
})

test('--purge empties only what is also asked for', async () => {
  await using project = new TestProject()
  const { url } = await project.up('--data', '--cache')
  const fill = async () => {
    await post(`${url}/data/test`, { _id: 'a' })
    await post(`${url}/cache/test`, { key: 'a', value: { n: 1 } })
  }
  const left = async () => ({
    data: (await get(`${url}/data/test/a`)) === 200,
    cache: (await get(`${url}/cache/test/a`)) === 200,
  })
  await fill()
  const cases: [string[], { data: boolean; cache: boolean }][] = [
    [['--data', '--purge=cache'], { data: true, cache: true }],
    [['--data', '--purge= data ,cache'], { data: false, cache: true }],
    [['--data', '--cache', '--purge'], { data: false, cache: false }],
  ]
  for (const [args, expected] of cases) {
    assert.equal((await project.run(args)).code, 0)
    assert.deepEqual(await left(), expected, args.join(' '))
    await fill()
  }
  await project.down()
})

test('what hyper nano ignores is warned of', async () => {
  await using project = new TestProject()
  const started = await nano(project, ['--data', '--storage', '--chache'])
  assert.match(started.said().stderr, /no flag --chache \(did you mean 'cache'\?\); ignored, as hyper nano does/)
  await stop(started)
})

test('what only up can do is refused, not ignored', async () => {
  await using project = new TestProject()
  for (const flag of ['--detach', '-d', '--wait']) {
    const { code, stderr } = await project.run(['--data', flag])
    assert.equal(code, 2)
    assert.match(stderr, new RegExp(`${flag} needs a verb\\nType: hyper-sandbox up --data ${flag}`))
  }
  assert.equal((await project.run(['--domain'])).code, 2)
})

test('--help without a verb is help, not a start', async () => {
  await using project = new TestProject()
  assert.match((await project.run(['--data', '--help'])).stdout, /^Usage:/m)
  assert.match((await project.run(['--help'], { command: [process.execPath, NANO] })).stdout, /^Usage:/m)
})

test('a restart of one started so runs all services again', async () => {
  await using project = new TestProject()
  const started = await nano(project, ['--data', '--storage', '--purge'])
  const { data } = await project.json(['restart'])
  assert.equal((await started.ended).code, 0)
  assert.deepEqual(data.services, ALL)
  assert.deepEqual(data.emptied, [])
  await project.down()
})
