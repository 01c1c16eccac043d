/** NANO's command line: what `serve` takes, says and ends with (worker-runtime §§1, 2.1, 3, 8). */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Readable } from 'node:stream'
import { request } from 'undici'
import { eventually, TestProject, test } from './helpers/cli.ts'
import { type Serving, serving, TEXT_APP, writeApp, writeConfig } from './helpers/serving.ts'

const TWO = {
  apps: [
    { name: 'api', hostname: 'api.example.com', path: './apps/api', env: { LEVEL: 'debug' } },
    { name: 'web', hostname: 'www.example.com', path: './apps/web' },
  ],
}

function twoApps(config: object = TWO): TestProject {
  const project = new TestProject()
  for (const name of ['api', 'web']) writeApp(project, `apps/${name}/index.js`, TEXT_APP(name))
  writeConfig(project, config)
  return project
}

test('mistakes of usage end with 2 and say what is wrong', async () => {
  await using project = twoApps()
  const cases: [args: string[], env: NodeJS.ProcessEnv, says: RegExp][] = [
    [['--bogus'], {}, /unknown option '--bogus'/],
    [['--port'], {}, /--port <port>' argument missing/],
    [['--port', 'many'], {}, /--port must be a number from 0 to 65535, not 'many'/],
    [['--port', '65536'], {}, /--port must be a number/],
    [['--app', 'apps/api', '--config', 'config.json'], {}, /--app and --config exclude each other/],
    [['one', 'two'], {}, /too many arguments/],
    [[], { NANO_PORT: '3k' }, /NANO_PORT must be a number/],
  ]
  for (const [args, env, says] of cases) {
    const { code, stderr, stdout } = await project.run(['serve', ...args], { env })
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, says)
    assert.equal(stdout, '')
  }
  for (const flag of ['--help', '-h']) {
    const { code, stdout } = await project.run(['serve', flag])
    assert.equal(code, 0)
    for (const known of ['-p, --port', '-a, --app', '-c, --config']) assert.ok(stdout.includes(known), known)
  }
})

test("a configuration that cannot be used ends with 1 and NANO's name for it", async () => {
  await using project = twoApps()
  const app = { name: 'api', path: './apps/api' }
  const cases: [config: object | string, name: string, detail: RegExp][] = [
    ['{ "apps": [', 'InvalidJson', /JSON/],
    ['[]', 'InvalidType', /an object/],
    [{ port: 0 }, 'MissingField', /apps is missing/],
    [{ apps: {} }, 'InvalidType', /apps must be a list/],
    [{ apps: [] }, 'NoApps', /No apps/],
    [{ apps: [app, { name: 'web' }] }, 'MissingField', /apps\[1\]\.path/],
    [{ apps: [{ path: './apps/api' }] }, 'MissingField', /apps\[0\]\.name/],
    [{ apps: [app, 7] }, 'InvalidType', /apps\[1\]/],
    [{ apps: [{ ...app, hostname: 'a b' }] }, 'InvalidType', /apps\[0\]\.hostname/],
    [{ apps: [{ ...app, hostname: 'a/b' }] }, 'InvalidType', /apps\[0\]\.hostname/],
    [{ apps: [{ ...app, env: { A: { b: 1 } } }] }, 'InvalidType', /apps\[0\]\.env\.A/],
    [{ apps: [{ ...app, timeout_ms: 0 }] }, 'InvalidType', /apps\[0\]\.timeout_ms/],
    [{ port: 70_000, apps: [app] }, 'InvalidType', /port/],
    [{ defaults: 5, apps: [app] }, 'InvalidType', /defaults/],
    [{ apps: [app, { ...app, name: 'other', hostname: 'API' }] }, 'DuplicateHostname', /apps\[0\] and apps\[1\]/],
  ]
  for (const [config, name, detail] of cases) {
    writeConfig(project, config)
    const { code, stderr } = await project.run(['serve', '--config', 'config.json'])
    assert.equal(code, 1, JSON.stringify(config))
    const [failed, error, why] = stderr.split('\n')
    assert.equal(failed, `Failed to load config: ${project.file('config.json')}`)
    assert.equal(error, `Config error: ${name}`)
    assert.match(why ?? '', detail)
  }
  const missing = await project.run(['serve', '--config', 'nowhere.json'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /Failed to load config: .*nowhere\.json\nConfig error: FileNotFound/)
})

test('an app that cannot be loaded ends serve with its name, unless others can be', async () => {
  await using project = twoApps()
  writeApp(project, 'broken/index.js', 'export default { fetch( }')
  mkdirSync(project.file('empty'))
  const broken = await project.run(['serve', '--port', '0', '--app', 'broken'])
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /^Server error: CompilationFailed$/m)
  assert.match(broken.stderr, /index\.js:1:\d+/)
  const empty = await project.run(['serve', '--port', '0', 'empty'])
  assert.match(empty.stderr, /^Server error: FileNotFound$/m)

  writeConfig(project, { apps: [{ name: 'broken', path: 'broken' }] })
  const none = await project.run(['serve', '--port', '0'])
  assert.equal(none.code, 1)
  assert.match(none.stderr, /^Config error: NoApps$/m)

  writeConfig(project, { apps: [...TWO.apps, { name: 'broken', hostname: 'broken.example.com', path: 'broken' }] })
  await using server = await serving(project, ['-c', 'config.json'])
  assert.equal(await server.text('api.example.com'), 'api')
  const answer = await server.ask('broken.example.com')
  assert.deepEqual([answer.status, answer.text], [503, '{"error":"App unavailable"}'])
  const [failure] = server.logged('Failed to load app')
  assert.deepEqual([failure?.level, failure?.detail, failure?.error], ['error', 'broken', 'CompilationFailed'])
})

test('the flag goes before the file, the file before NANO_PORT, and port 0 is told', async () => {
  await using project = twoApps()
  const { address, release } = await heldPort()
  const taken = await project.run(['serve', '--port', String(address), '--app', 'apps/api'])
  assert.equal(taken.code, 1)
  assert.match(taken.stderr, /^Server error: AddressInUse$/m)

  const portOf = async (args: string[], env: NodeJS.ProcessEnv) => {
    const { code, stderr } = await project.run(['serve', ...args], { env })
    assert.equal(code, 1)
    return /127\.0\.0\.1:(\d+) is already in use/.exec(stderr)?.[1]
  }
  // What it cannot have tells what it wanted.
  const other = await heldPort()
  writeConfig(project, { ...TWO, port: address })
  assert.equal(await portOf(['--port', String(other.address)], {}), String(other.address))
  assert.equal(await portOf([], { NANO_PORT: String(other.address) }), String(address))
  assert.equal(await portOf(['--app', 'apps/api'], { NANO_PORT: String(other.address) }), String(other.address))
  await Promise.all([release(), other.release()])
})

test('one app answers any host and none, also in HTTP/1.0', async () => {
  await using project = twoApps()
  await using server = await serving(project, ['--app', './apps/api'])
  for (const host of ['localhost', 'any.example.org', '127.0.0.1', '[::1]:80'])
    assert.equal(await server.text(host), 'api')
  assert.match(await server.raw('GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 OK[\s\S]*\r\n\r\napi$/)
  assert.match(await server.raw('GET / HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /)
  for (const host of ['a b/c', 'a\r\nHost: b', 'user@api.example.com', '']) {
    assert.match(
      await server.raw(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1\.1 400 /,
      host,
    )
  }
})

test('of several apps none answers an unknown host, unless one is named', async () => {
  await using project = twoApps()
  {
    await using server = await serving(project, [])
    assert.equal(await server.text('api.example.com'), 'api')
    assert.equal(await server.text('WWW.Example.COM.:8080'), 'web')
    const unknown = await server.ask('localhost')
    assert.deepEqual([unknown.status, unknown.text], [404, '{"error":"No app configured for this host"}'])
    assert.equal(unknown.headers['content-type'], 'application/json')
    assert.match(await server.raw('GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 404 /)
    const { code } = await server.stop()
    assert.equal(code, 0)
  }
  for (const [named, text] of [
    ['first', 'api'],
    ['web', 'web'],
    ['WWW.example.com', 'web'],
  ]) {
    writeConfig(project, { ...TWO, default_app: named })
    await using server = await serving(project, [])
    assert.equal(await server.text('localhost'), text)
  }
})

test('without an app or a file it says hello', async () => {
  await using project = new TestProject()
  await using server = await serving(project, [])
  const answer = await server.ask('localhost', '/any?thing')
  assert.deepEqual([answer.status, answer.text], [200, 'Hello from NANO!\n'])
  assert.match(String(answer.headers['content-type']), /^text\/plain/)
  assert.deepEqual((await server.admin('GET', '/admin/apps')).body, { apps: [] })
})

test('paths are looked for from the file, then from where it was started', async () => {
  await using project = new TestProject()
  writeApp(project, 'conf/apps/one.js', TEXT_APP('beside the file'))
  writeApp(project, 'apps/two.js', TEXT_APP('where it was started'))
  const apps = ['one', 'two'].map((name) => ({ name, path: `apps/${name}.js` }))
  project.write('conf/config.json', JSON.stringify({ apps }))
  await using server = await serving(project, ['--config', 'conf/config.json'])
  assert.equal(await server.text('one'), 'beside the file')
  assert.equal(await server.text('two'), 'where it was started')
})

test('env is text, whatever it was, and what is not known is told once', async () => {
  await using project = twoApps({
    port: 0,
    colour: 'blue',
    defaults: { memory_limit_mb: 64 },
    apps: [
      { name: 'api', path: 'apps/api', env: { N: 5, B: true, T: 'x' }, timeout: 700, port: 1, max_buffer_size_mb: 3 },
      { name: 'web', path: 'apps/web' },
    ],
  })
  await using server = await serving(project, [])
  const { env } = JSON.parse(await server.text('api', '/count')) as { env: Record<string, unknown> }
  assert.deepEqual([env.N, env.B, env.T], ['5', 'true', 'x'])
  const { apps } = (await server.admin('GET', '/admin/apps')).body as { apps: Record<string, unknown>[] }
  assert.deepEqual(
    apps.map(({ name, timeout_ms, memory_mb }) => [name, timeout_ms, memory_mb]),
    [
      ['api', 700, 64],
      ['web', 5_000, 64],
    ],
  )
  const { stderr } = server.started.said()
  const warnings = stderr.split('\n').filter((line) => line.startsWith('warning:'))
  for (const word of ['colour', 'memory_limit_mb', 'timeout is', 'env.N', 'env.B'])
    assert.equal(warnings.filter((line) => line.includes(word)).length, 1, word)
  assert.equal(warnings.length, 5)
})

test('SIGTERM lets a request finish; a new one is told that it ends', async () => {
  await using project = twoApps({ ...TWO, shutdown_grace_ms: 1_500 })
  await using server = await serving(project, [])
  const slow = server.ask('api.example.com', '/slow?ms=1200')
  await eventually('it is on its way', async () => {
    const { body } = await server.admin('GET', '/admin/apps')
    return (body.apps as { name: string }[]).length === 2
  })
  server.signal('SIGTERM')
  await server.untilLogged('shutdown_graceful')
  const refused = await server.ask('www.example.com')
  assert.deepEqual([refused.status, refused.text], [503, '{"error":"Service draining","retry_after_s":30}'])
  assert.deepEqual([refused.headers['retry-after'], refused.headers.connection], ['30', 'close'])
  const health = await server.ask(undefined, '/health')
  assert.deepEqual([health.status, health.text], [503, '{"status":"draining"}'])
  assert.deepEqual([(await slow).status, (await slow).text], [200, 'api'])
  const { code } = await server.started.ended
  assert.equal(code, 0)
  assert.equal(server.logged('shutdown_drained').length, 1)
  const stop = server.logged('server_stop')[0]
  assert.ok(Number(stop?.requests) >= 4 && Number(stop?.errors) >= 2, JSON.stringify(stop))
})

test('a stream without an end is cut at the drain limit, and that is no failure', async () => {
  await using project = twoApps({ ...TWO, drain_timeout_ms: 600 })
  await using server = await serving(project, [])
  const text = textUntilCut((await openStream(server)).body)
  server.signal('SIGINT')
  assert.equal((await server.started.ended).code, 0)
  assert.match(await text, /tick/)
  assert.equal(server.logged('shutdown_timeout_reached')[0]?.timeout_ms, 600)
})

test('a second signal does not wait', async () => {
  await using project = twoApps()
  await using server = await serving(project, [])
  const { body } = await openStream(server)
  server.signal('SIGTERM')
  await server.untilLogged('shutdown_graceful')
  await eventually('it has ended', () => {
    if (server.started.child.exitCode === null) server.signal('SIGTERM')
    return server.started.child.exitCode !== null
  })
  await textUntilCut(body)
  assert.equal(server.logged('server_stop').length, 0)
})

function openStream({ url }: Serving) {
  return request(`${url}/stream`, { headers: { host: 'api.example.com' } })
}

async function textUntilCut(body: Readable): Promise<string> {
  let text = ''
  try {
    for await (const chunk of body) text += chunk
  } catch {
    // That it is cut is what is wanted.
  }
  return text
}

async function heldPort(): Promise<{ address: number; release(): Promise<void> }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { address: port, release: () => new Promise((resolve) => server.close(() => resolve())) }
}

test('up takes the same file, and serves its apps beside the services', async () => {
  await using project = twoApps({ ...TWO, port: 0, colour: 'blue' })
  const { code, stderr } = await project.run(['up', '--detach', '--config', 'config.json'])
  assert.equal(code, 0, stderr)
  assert.match(stderr, /colour means nothing here/)
  const { url } = project.state()
  const { body } = await request(url, { headers: { host: 'www.example.com' } })
  assert.equal(await body.text(), 'web')
  assert.equal((await request(`${url}/readyz`)).statusCode, 200)
  writeConfig(project, { ...TWO, port: 0, apps: TWO.apps.slice(1) })
  await eventually(
    'it is applied',
    async () => (await request(url, { headers: { host: 'api.example.com' } })).statusCode === 403,
  )
  const { code: left } = await project.run(['down', '--config', 'config.json'])
  assert.equal(left, 0)

  writeConfig(project, { apps: [{ name: 'api' }] })
  const bad = await project.run(['up', '--detach', '--config', 'config.json'])
  assert.equal(bad.code, 8)
  assert.match(bad.stderr, /apps\[0\]\.path is missing\nMend .*config\.json/)
})
