import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { accepts, ENTRY, eventually, get, post, put, TestProject, test } from './helpers/cli.ts'

const withoutCurl = spawnSync('curl', ['--version']).status === 0 ? false : 'needs curl'

test('up in the foreground answers, tells where, and ends with the sandbox', async () => {
  await using project = new TestProject()
  const up = project.start(['up', '--data', '--cache', '--port', '0'])
  await up.says('Ctrl-C stops it')
  const { url, pid } = project.state()
  assert.equal(pid, up.pid)
  const { stdout, stderr } = up.said()
  assert.equal(stdout, '')
  for (const text of [`${url}/data/test`, `${url}/cache/test`, `HYPER=${url}/test`, '.hyper-sandbox/data', 'curl '])
    assert.ok(stderr.includes(text), text)
  for (const line of stderr.split('\n')) assert.ok(line.length <= 80, line)
  assert.equal(await post(`${url}/data/test`, { _id: 'a', n: 1 }), 201)
  assert.equal(await post(`${url}/cache/test`, { key: 'a', value: { n: 1 } }), 201)
  await project.down()
  assert.equal((await up.ended).code, 0)
  assert.equal(project.hasState(), false)
})

test('the line that up suggests to try works as it stands', { skip: withoutCurl }, async () => {
  await using project = new TestProject()
  for (const flags of [['--data', '--cache'], ['--cache'], ['--storage'], ['--domain', 'fresh']]) {
    const { stderr } = await project.run(['up', '-d', '--port', '0', ...flags])
    for (const line of stderr.split('\n')) assert.ok(line.length <= 80, line)
    const pasted = /try +(curl .+?)\n\n/s.exec(stderr)?.[1] ?? ''
    const { stdout } = spawnSync('sh', ['-c', pasted], { encoding: 'utf8' })
    assert.match(stdout, /^{"ok":true/, pasted)
    await project.down()
  }
})

test('search and queue that lack a project file run, and the calls that create them are ready to copy', {
  skip: withoutCurl,
}, async () => {
  await using project = new TestProject()
  const { stderr } = await project.run(['up', '-d', '--port', '0', '--search', '--queue'])
  for (const line of stderr.split('\n')) assert.ok(line.length <= 80, line)
  const calls = [...stderr.matchAll(/create +(curl -X PUT .+?'.+?')/gs)].map(([, call = '']) => call)
  assert.equal(calls.length, 2)
  const { url } = project.state()
  assert.equal(await post(`${url}/queue/test`, {}), 404)
  for (const call of calls)
    assert.equal(spawnSync('sh', ['-c', call], { encoding: 'utf8' }).stdout, '{"ok":true}', call)
  assert.equal(await post(`${url}/search/test`, { key: 'a', doc: { title: 'b' } }), 201)
  assert.equal(await get(`${url}/queue/test?status=READY`), 200)
  const { data } = await project.json(['up', '--search'])
  assert.deepEqual(Object.keys(data.createWith as object), ['search'])
  await project.down()
})

test('search and queue are created with what the project file says, also in a running sandbox', async () => {
  await using project = new TestProject()
  project.write(
    'hyper-sandbox.yaml',
    `services:
  search: { fields: [title], storeFields: [title] }
  queue: { target: "http://127.0.0.1:9/", attempts: 1, secret: "\${SECRET}" }\n`,
  )
  const env = { SECRET: 'shh' }
  const created = async (url: string, domain: string) => {
    assert.equal(await post(`${url}/search/${domain}`, { key: 'a', doc: { title: 'boots' } }), 201)
    const found = await fetch(`${url}/search/${domain}/_query`, { method: 'POST', body: '{"query":"boots"}' })
    assert.equal(((await found.json()) as { matches: { title: string }[] }).matches[0]?.title, 'boots')
    assert.equal(await post(`${url}/queue/${domain}`, { n: 1 }), 201)
    // One attempt alone was asked for.
    await eventually('the job has failed', async () => {
      const failed = await fetch(`${url}/queue/${domain}?status=ERROR`)
      return ((await failed.json()) as { jobs: unknown[] }).jobs.length === 1
    })
  }
  const first = await project.run(['up', '-d', '--port', '0', '--search', '--queue'], { env })
  assert.equal(first.code, 0, first.stderr)
  const { url } = project.state()
  await created(url, 'test')
  assert.equal((await project.run(['up', '--search', '--queue', '--domain', 'more'], { env })).code, 0)
  await created(url, 'more')
  assert.equal((await project.run(['up', '--queue'])).code, 8, 'the variable is not set')
  await project.down()
})

test('up --detach returns when everything answers; what was written is there after down and up', async () => {
  await using project = new TestProject()
  const first = await project.up('--data', '--domain', 'shop')
  assert.deepEqual(first.services, ['data'])
  assert.equal(await post(`${first.url}/data/shop`, { _id: 'a' }), 201)
  assert.equal(await get(`${first.url}/cache/shop`), 503)
  await project.down()
  assert.equal(await accepts(first.tcpPort), false)
  const second = await project.up()
  assert.deepEqual(second.services, ['data', 'cache', 'storage', 'search', 'queue'])
  assert.equal(second.tcpPort, first.tcpPort, 'port 0 is remembered')
  assert.equal(await get(`${second.url}/data/shop/a`), 200)
  await project.down()
})

test('up --json prints one envelope, in the background and in the foreground', async () => {
  await using project = new TestProject()
  const { data, stderr } = await project.json(['up', '-d', '--port', '0', '--cache'])
  assert.equal(stderr, '')
  const { url, pid } = project.state()
  assert.deepEqual(
    { url: data.url, pid: data.pid, connectionString: data.connectionString },
    { url, pid, connectionString: `${url}/test` },
  )
  await project.down()
  const foreground = project.start(['up', '--json'])
  await foreground.says('}\n')
  assert.equal(JSON.parse(foreground.said().stdout).data.pid, foreground.pid)
  await project.down()
  await foreground.ended
})

test('a second up reports the running sandbox and creates what it asks for in it', async () => {
  await using project = new TestProject()
  const run = await project.up()
  assert.equal(await get(`${run.url}/data/test`), 404)
  const again = await project.json(['up', '--data', '--cache', '--domain', 'more'])
  assert.equal(again.code, 0)
  assert.equal(again.data.url, run.url)
  assert.equal(again.data.pid, run.pid)
  assert.equal(await get(`${run.url}/data/more`), 200)
  assert.equal(await post(`${run.url}/cache/more`, { key: 'a', value: { n: 1 } }), 201)
  const other = await project.run(['up', '-d', '--port', '1', '--host', 'localhost'])
  assert.equal(other.code, 0)
  assert.match(
    other.stderr,
    new RegExp(`listens on port ${run.tcpPort}, not 1: .*hyper-sandbox down, then up --port 1`),
  )
  assert.match(other.stderr, /listens on 127.0.0.1, not localhost/)
  await project.down()
})

test('a second up that needs a service which does not run says how to get it', async () => {
  await using project = new TestProject()
  await project.up('--only', 'data')
  const { code, stderr } = await project.run(['up', '--cache'])
  assert.equal(code, 7)
  assert.match(stderr, /runs already, without cache\n.*hyper-sandbox down; then start it with --data --cache/)
  await project.down()
})

test('of two ups at the same moment one starts, both succeed with the same address', async () => {
  await using project = new TestProject()
  const both = await Promise.all([1, 2, 3].map(() => project.json(['up', '-d', '--port', '0', '--data'])))
  assert.deepEqual(
    both.map(({ code }) => code),
    [0, 0, 0],
  )
  assert.equal(new Set(both.map(({ data }) => data.pid)).size, 1)
  await project.down()
})

test('two projects run side by side; the second on a used port is told by whom and what to change', async () => {
  await using one = new TestProject()
  await using two = new TestProject(one)
  const first = await one.up('--data')
  const refused = await two.run(['up', '-d', '--port', String(first.tcpPort)])
  assert.equal(refused.code, 5)
  assert.match(
    refused.stderr,
    new RegExp(`127.0.0.1:${first.tcpPort} is already in use, by the sandbox project-\\w+ of ${one.directory}`),
  )
  assert.match(refused.stderr, /--port 0/)
  const second = await two.up('--data')
  assert.notEqual(second.tcpPort, first.tcpPort)
  assert.equal(await post(`${first.url}/data/test`, { _id: 'only-here' }), 201)
  assert.equal(await get(`${second.url}/data/test/only-here`), 404)
  const { data } = await one.json(['list'])
  const seen = (data.sandboxes as { directory: string; state: string; url: string }[]).map(
    ({ directory, state, url }) => [directory, state, url],
  )
  assert.deepEqual(
    seen.sort(),
    [
      [one.directory, 'running', first.url],
      [two.directory, 'running', second.url],
    ].sort(),
  )
  await Promise.all([one.down(), two.down()])
  assert.match((await one.run(['list'])).stdout, /stopped/)
})

test('a port held by another process: exit 5, names it, nothing is left behind', {
  skip: process.platform !== 'linux',
}, async () => {
  await using project = new TestProject()
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  for (const form of [['-d'], []]) {
    const { code, error } = await project.json(['up', ...form, '--port', String(port)])
    assert.equal(code, 5)
    assert.equal(error?.retryable, true)
    assert.ok(
      error?.message.includes(`127.0.0.1:${port} is already in use, by process ${process.pid} (`),
      error?.message,
    )
    assert.match(error?.actions.join() ?? '', /--port 0/)
    assert.equal(project.hasState(), false)
  }
  server.close()
})

test('port 0 takes another one while the remembered one is taken', async () => {
  await using project = new TestProject()
  const first = await project.up('--data')
  assert.equal(await post(`${first.url}/data/test`, { _id: 'a' }), 201)
  await project.down()
  const server = createServer().listen(first.tcpPort, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { code, data } = await project.json(['up', '-d', '--port', '0', '--data', '--purge'])
  server.close()
  assert.equal(code, 0)
  assert.notEqual(data.url, first.url)
  assert.deepEqual(data.emptied, [{ service: 'data', domain: 'test', count: 1 }])
  await project.down()
})

test('an ephemeral sandbox keeps its data elsewhere and leaves none', async () => {
  await using project = new TestProject()
  const run = await project.up('--data', '--ephemeral')
  assert.ok(run.dataDirectory.startsWith(project.env.TMPDIR ?? '?'))
  assert.equal(await post(`${run.url}/data/test`, { _id: 'a' }), 201)
  await project.down()
  assert.equal(existsSync(run.dataDirectory), false)
  assert.equal(existsSync(project.file('.hyper-sandbox/data')), false)
})

test('what a killed ephemeral sandbox left goes at the next up', async () => {
  await using project = new TestProject()
  const run = await project.up('--ephemeral')
  process.kill(run.pid, 'SIGKILL')
  await eventually('it is gone', async () => !(await accepts(run.tcpPort)))
  assert.ok(existsSync(run.dataDirectory))
  await project.up()
  assert.equal(existsSync(run.dataDirectory), false)
  await project.down()
})

test('restart keeps flags, address and data, in a new process', async () => {
  await using project = new TestProject()
  const before = await project.up('--cache', '--domain', 'shop')
  await post(`${before.url}/cache/shop`, { key: 'a', value: { n: 1 } })
  const { code, data } = await project.json(['restart'])
  assert.equal(code, 0)
  assert.notEqual(data.pid, before.pid)
  assert.deepEqual(
    { url: data.url, domain: data.domain, services: data.services },
    { url: before.url, domain: 'shop', services: ['cache'] },
  )
  assert.equal(await get(`${before.url}/cache/shop/a`), 200)
  assert.equal((await project.run(['restart', 'data'])).code, 7)
  project.write('hyper-sandbox.yaml', 'domian: x\n')
  assert.equal((await project.run(['restart'])).code, 8)
  assert.equal(await get(`${before.url}/cache/shop/a`), 200, 'a broken project file stops nothing')
  await project.down()
})

test('status tells every service, and ends with 0 only while it runs', async () => {
  await using project = new TestProject()
  const run = await project.up('--data')
  const { code, data } = await project.json(['status'])
  assert.equal(code, 0)
  assert.deepEqual(data.services, { data: 'ready', cache: 'off', storage: 'off', search: 'off', queue: 'off' })
  assert.equal(data.pid, run.pid)
  const { stdout } = await project.run(['status'])
  assert.match(stdout, new RegExp(`^url +${run.url}$`, 'm'))
  await project.down()
  const stopped = await project.json(['status'])
  assert.equal(stopped.code, 7)
  assert.equal(stopped.data.running, false)
})

test('env prints what connects', async () => {
  await using project = new TestProject()
  const run = await project.up('--data', '--domain', 'shop')
  const { stdout } = await project.run(['env'])
  assert.equal(stdout, `HYPER=${run.url}/shop\nHYPER_URL=${run.url}\nHYPER_DOMAIN=shop\n`)
  assert.equal((await project.json(['env'])).data.HYPER, `${run.url}/shop`)
  await project.down()
})

test('wait returns once another process has started it, and names what is missing', async () => {
  await using project = new TestProject()
  const waiting = project.run(['wait', 'data'])
  const run = await project.up('--only', 'data')
  const waited = await waiting
  assert.equal(waited.code, 0, waited.stderr)
  assert.match(waited.stderr, new RegExp(`ready at ${run.url}`))
  const cache = await project.run(['wait', 'cache', '--timeout', '5s'])
  assert.equal(cache.code, 7)
  assert.match(cache.stderr, /runs without cache/)
  await project.down()
})

test('open hands the address to the browser, or says that there is none', {
  skip: process.platform !== 'linux',
}, async () => {
  await using project = new TestProject()
  const run = await project.up()
  const bin = project.file('bin')
  mkdirSync(bin)
  const none = await project.run(['open'], { env: { PATH: bin } })
  assert.equal(none.stdout, `${run.url}/docs\n`)
  assert.match(none.stderr, /no browser/)
  writeFileSync(`${bin}/xdg-open`, `#!/bin/sh\necho "$1" > ${project.file('opened')}\n`, { mode: 0o755 })
  assert.equal((await project.run(['open'], { env: { PATH: `${bin}:${process.env.PATH}` } })).stderr, '')
  await eventually('the browser was started', () => existsSync(project.file('opened')))
  assert.equal(readFileSync(project.file('opened'), 'utf8'), `${run.url}/docs\n`)
  await project.down()
})

test('logs shows the log, -f follows it until the sandbox ends', async () => {
  await using project = new TestProject()
  const empty = await project.run(['logs'])
  assert.match(empty.stdout, /nothing was logged yet/)
  const run = await project.up('--data', '--log-requests')
  const following = project.start(['logs', '-f', '-n', '1'])
  await following.says('ready')
  await get(`${run.url}/data/test/missing-one`)
  await following.says('missing-one')
  await project.down()
  const followed = await following.ended
  assert.equal(followed.code, 0)
  assert.match(followed.stdout, /stopped/)
  const { data } = await project.json(['logs', '-n', '2'])
  assert.deepEqual(
    (data.records as { msg: string }[]).map(({ msg }) => msg),
    ['stopping', 'stopped'],
  )
})

test('logs -f ends when its reader leaves', async () => {
  await using project = new TestProject()
  const run = await project.up('--log-requests')
  const piped = project.start([], {
    command: ['sh', '-c', `'${process.execPath}' '${ENTRY}' logs -f | head -n 1`],
  })
  let ended = false
  void piped.ended.then(() => {
    ended = true
  })
  await eventually('it has noticed', async () => {
    await get(`${run.url}/data/unknown`)
    return ended
  })
  assert.match(piped.said().stdout, /ready/)
  await project.down()
})

test('a project that cannot hold state ends with 8 and says so', async () => {
  await using project = new TestProject()
  project.write('.hyper-sandbox', 'in the way')
  for (const args of [['up'], ['up', '-d']]) {
    const { code, error } = await project.json(args)
    assert.equal(code, 8)
    assert.match(error?.message ?? '', /\.hyper-sandbox cannot be written/)
  }
})

test('a home that cannot be written keeps no sandbox from starting', async () => {
  await using project = new TestProject()
  project.write('file', '')
  const env = { HYPER_SANDBOX_HOME: project.file('file/home') }
  const up = await project.run(['up', '-d', '--port', '0', '--data'], { env })
  assert.equal(up.code, 0, up.stderr)
  assert.match((await project.run(['list'], { env })).stdout, /no sandbox yet/)
  assert.match((await project.run(['logs'])).stdout, /list will not show this sandbox/)
  await project.down()
})

test('a log over 10 MB begins anew at the next start, the old one kept beside it', async () => {
  await using project = new TestProject()
  mkdirSync(project.file('.hyper-sandbox/logs'), { recursive: true })
  const log = project.file('.hyper-sandbox/logs/sandbox.log')
  writeFileSync(log, 'x'.repeat(10 * 1024 * 1024 + 1))
  await project.up()
  assert.ok(statSync(log).size < 10_000)
  assert.equal(statSync(`${log}.1`).size, 10 * 1024 * 1024 + 1)
  await project.down()
})

test('listening beyond this machine is warned of', async () => {
  await using project = new TestProject()
  const { stderr } = await project.run(['up', '-d', '--port', '0', '--host', '0.0.0.0'])
  assert.match(stderr, /warning: listening on 0\.0\.0\.0/)
  assert.equal(await put(`${project.state().url}/data/x`), 201)
  await project.down()
  const nowhere = await project.run(['up', '--host', '192.0.2.1', '--port', '0'])
  assert.equal(nowhere.code, 2)
  assert.match(nowhere.stderr, /no address '192\.0\.2\.1'/)
})

test('down --volumes removes everything, and off a terminal only with --yes', async () => {
  await using project = new TestProject()
  const run = await project.up('--data')
  const asked = await project.json(['down', '--volumes'])
  assert.equal(asked.code, 3)
  assert.match(asked.error?.actions.join() ?? '', /--yes/)
  assert.equal(await accepts(run.tcpPort), true)
  const removed = await project.run(['down', '--volumes', '--yes'])
  assert.equal(removed.code, 0)
  assert.equal(await accepts(run.tcpPort), false)
  assert.equal(existsSync(project.file('.hyper-sandbox')), false)
  assert.match((await project.run(['list'])).stdout, /no sandbox yet/)
  assert.equal((await project.run(['down', '--volumes', '--yes'])).code, 0)
})

test('the state directory is ignored by git and keeps its secrets to its owner', async () => {
  await using project = new TestProject()
  await project.up()
  assert.equal(readFileSync(project.file('.hyper-sandbox/.gitignore'), 'utf8'), '*\n')
  assert.equal(statSync(project.file('.hyper-sandbox/secrets.json')).mode & 0o777, 0o600)
  const { token } = JSON.parse(readFileSync(project.file('.hyper-sandbox/secrets.json'), 'utf8'))
  for (const verb of ['status', 'env', 'config', 'list', 'logs']) {
    const { stdout, stderr } = await project.run([verb, '--json'])
    assert.equal((stdout + stderr).includes(token), false, verb)
  }
  await project.down()
})
