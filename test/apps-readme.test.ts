/** NANO's README, line by line, with `hyper-sandbox` in place of its binary's name. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually, TestProject, test } from './helpers/cli.ts'
import { serving, TEXT_APP, writeApp } from './helpers/serving.ts'
import { ROOT } from './source-files.ts'

/** As it stands there; who starts from our examples has the same. */
const EXAMPLE = readFileSync(join(ROOT, 'examples/nano/my-app/index.js'), 'utf8')

const CONFIG = `{
  "port": 3000,
  "apps": [
    {
      "name": "api",
      "hostname": "api.example.com",
      "path": "./apps/api",
      "env": { "DB_URL": "postgres://..." }
    },
    {
      "name": "web",
      "hostname": "www.example.com",
      "path": "./apps/web"
    }
  ]
}
`

const HANDLER = `export default {
  async fetch(request, env) {
    return Response.json({
      url: request.url(),
      method: request.method(),
      header: request.headers().get('x-a'),
      body: request.method() === 'POST' ? await request.json() : await request.text(),
      variable: env.MY_VAR,
    })
  }
};
`

test('the example app answers, its own paths beside the built-in ones', async () => {
  await using project = new TestProject()
  writeApp(project, 'my-app/index.js', EXAMPLE)
  await using server = await serving(project, ['--app', './my-app'])
  const { tcpPort } = server
  const hello = await fetch(`http://localhost:${tcpPort}/api/hello`)
  assert.deepEqual(await hello.json(), { message: 'Hello from NANO!' })
  assert.match(String(hello.headers.get('content-type')), /^application\/json/)
  const other = await fetch(`http://localhost:${tcpPort}/`)
  assert.deepEqual([other.status, await other.text()], [404, 'Not Found'])
  for (const path of ['/health', '/healthz']) {
    const health = await fetch(`http://localhost:${tcpPort}${path}`)
    assert.deepEqual([health.status, await health.text()], [200, '{"status":"ok"}'])
  }
  const metrics = await (await fetch(`http://localhost:${tcpPort}/metrics`)).text()
  assert.match(metrics, /^nano_requests_total \d+$/m)
})

test('the multi-app config serves each on its host, with the admin API of the table', async () => {
  await using project = new TestProject()
  writeApp(project, 'apps/api/index.js', EXAMPLE)
  writeApp(project, 'apps/web/index.js', TEXT_APP('web'))
  writeApp(project, 'apps/new/index.js', TEXT_APP('new'))
  project.write('config.json', CONFIG)
  await using server = await serving(project, ['--config', 'config.json'])
  assert.equal(await server.text('api.example.com', '/api/hello'), '{"message":"Hello from NANO!"}')
  assert.equal(await server.text('www.example.com'), 'web')

  assert.equal(
    (await server.admin('POST', '/admin/apps', { hostname: 'new.example.com', path: './apps/new' })).status,
    201,
  )
  assert.equal(await server.text('new.example.com'), 'new')
  const { apps } = (await server.admin('GET', '/admin/apps')).body as { apps: { hostname: string }[] }
  assert.deepEqual(
    apps.map(({ hostname }) => hostname),
    ['api.example.com', 'www.example.com', 'new.example.com'],
  )
  assert.equal((await server.admin('DELETE', '/admin/apps/new.example.com')).status, 200)
  assert.equal((await server.ask('new.example.com')).status, 404)
  assert.equal((await server.admin('POST', '/admin/reload')).status, 200)
})

test('the request handler has what the README lists', async () => {
  await using project = new TestProject()
  writeApp(project, 'apps/index.js', HANDLER)
  project.write('config.json', JSON.stringify({ apps: [{ name: 'one', path: './apps', env: { MY_VAR: 'mine' } }] }))
  await using server = await serving(project, ['-c', 'config.json'])
  const { text } = await server.ask('one.example.com', '/path?q=1', {
    method: 'POST',
    headers: { 'x-a': 'b' },
    body: '{"n":1}',
  })
  assert.deepEqual(JSON.parse(text), {
    url: 'http://one.example.com/path?q=1',
    method: 'POST',
    header: 'b',
    body: { n: 1 },
    variable: 'mine',
  })
})

test('run runs a file, the bare command shows help, and NANO_PORT and NANO_LOG_FORMAT are honoured', async () => {
  await using project = new TestProject()
  project.write('script.js', 'console.log(btoa("NANO"))')
  assert.equal((await project.run(['run', 'script.js'])).stdout, 'TkFOTw==\n')
  const bare = await project.run([])
  assert.equal(bare.code, 0)
  for (const verb of ['serve', 'run', 'repl']) assert.match(bare.stdout, new RegExp(`^  ${verb} `, 'm'))

  writeApp(project, 'my-app/index.js', EXAMPLE)
  const env = { NANO_PORT: '0', NANO_LOG_FORMAT: 'text' }
  const started = project.start(['serve', '--app', './my-app'], { env })
  await eventually('it listens', () => started.said().stdout.includes('[info] server_start port='))
  started.child.kill('SIGTERM')
  assert.equal((await started.ended).code, 0)
})
