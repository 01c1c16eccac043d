/** NANO's admin API (worker-runtime §6), of `serve` and of a sandbox. */
import assert from 'node:assert/strict'
import { readFileSync, symlinkSync } from 'node:fs'
import { request } from 'undici'
import { eventually, TestProject, test } from './helpers/cli.ts'
import { serving, TEXT_APP, writeApp, writeConfig } from './helpers/serving.ts'

const APPS = [
  { name: 'api', hostname: 'api.example.com', path: 'apps/api' },
  { name: 'web', hostname: ['www.example.com', '*.web.example.com'], path: 'apps/web' },
]

function project(more: object = {}): TestProject {
  const made = new TestProject()
  for (const name of ['api', 'web', 'more']) writeApp(made, `apps/${name}/index.js`, TEXT_APP(name))
  writeConfig(made, { apps: APPS, ...more })
  return made
}

test('apps are listed as they are', async () => {
  await using made = project()
  await using server = await serving(made, [])
  await server.ask('api.example.com')
  const listed = async () => (await server.admin('GET', '/admin/apps')).body.apps as { memory_percent: number }[]
  await eventually('its memory was measured', async () => ((await listed())[0]?.memory_percent ?? 0) > 0)
  const { status, body, headers } = await server.admin('GET', '/admin/apps?verbose=1')
  assert.deepEqual([status, headers['content-type']], [200, 'application/json'])
  const [api, web] = body.apps as Record<string, unknown>[]
  const { memory_percent, pid, ...rest } = api ?? {}
  assert.deepEqual(rest, {
    hostname: 'api.example.com',
    path: made.file('apps/api'),
    timeout_ms: 5_000,
    name: 'api',
    hostnames: ['api.example.com'],
    memory_mb: 128,
    state: 'running',
    requests: 1,
    errors: 0,
    version: 1,
  })
  assert.ok(Number(memory_percent) > 0 && /^\d+(\.\d)?$/.test(String(memory_percent)), String(memory_percent))
  assert.ok(made.appProcesses().some((one) => one.pid === pid))
  assert.deepEqual((web as { hostnames: string[] }).hostnames, ['www.example.com', '*.web.example.com'])
  assert.equal((await server.admin('GET', '/admin/apps/api')).body.name, 'api')
  assert.equal((await server.admin('GET', '/admin/apps/nobody')).status, 404)
})

test('an app is added with all it may have, and refused for each of its mistakes', async () => {
  await using made = project({ defaults: { timeout_ms: 1_234 } })
  writeApp(made, 'apps/broken/index.js', 'export default {')
  writeApp(made, 'apps/noFetch/index.js', 'export default { fetch: 5 }')
  symlinkSync('loop', made.file('loop'))
  symlinkSync('/etc', made.file('away'))
  await using server = await serving(made, [])
  const more = { hostname: 'More.Example.com:80', path: './apps/more' }
  const cases: [body: unknown, status: number, answer: object][] = [
    ['{', 400, { error: 'Invalid JSON' }],
    ['', 400, { error: 'Invalid JSON' }],
    ['[]', 400, { error: 'Expected JSON object' }],
    ['"x"', 400, { error: 'Expected JSON object' }],
    [{}, 400, { error: 'Missing hostname' }],
    [{ path: 'x' }, 400, { error: 'Missing hostname' }],
    [{ hostname: 'x' }, 400, { error: 'Missing path' }],
    [{ ...more, hostname: 5 }, 400, { error: 'Invalid field types' }],
    [{ ...more, timeout_ms: '5' }, 400, { error: 'Invalid field types' }],
    [{ ...more, hostname: 'a b' }, 400, { error: 'Invalid field types' }],
    [{ ...more, hostname: 'API.example.com.' }, 409, { error: 'Hostname already exists' }],
    [{ ...more, hostname: 'api', name: 'api' }, 409, { error: 'Hostname already exists' }],
    [{ ...more, path: '/etc' }, 400, { error: 'Path not allowed' }],
    [{ ...more, path: '../../..' }, 400, { error: 'Path not allowed' }],
    [{ ...more, path: 'away' }, 400, { error: 'Path not allowed' }],
    [{ ...more, path: 'loop' }, 400, { error: 'Path not allowed' }],
    [{ ...more, path: 'apps/nowhere' }, 500, { error: 'Failed to load app: FileNotFound' }],
    [{ ...more, path: 'apps/broken' }, 500, { error: 'Failed to load app: CompilationFailed' }],
    [{ ...more, path: 'apps/noFetch' }, 500, { error: 'Failed to load app: FetchNotFunction' }],
    [JSON.stringify({ ...more, padding: 'x'.repeat(1024 * 1024) }), 413, { error: 'Payload too large' }],
    [{ ...more, env: { LEVEL: 'debug' } }, 201, { success: true }],
    [more, 409, { error: 'Hostname already exists' }],
  ]
  for (const [body, status, answer] of cases) {
    const answered = await server.admin('POST', '/admin/apps', body)
    const { detail: _detail, location: _location, ...rest } = answered.body
    assert.deepEqual([answered.status, rest], [status, answer], JSON.stringify(body).slice(0, 100))
  }
  assert.equal(
    (JSON.parse(await server.text('more.example.com', '/count')) as { env: { LEVEL: string } }).env.LEVEL,
    'debug',
  )
  const { apps } = (await server.admin('GET', '/admin/apps')).body as { apps: Record<string, unknown>[] }
  assert.deepEqual(
    apps.map(({ name, timeout_ms, state }) => [name, timeout_ms, state]),
    [
      ['api', 1_234, 'running'],
      ['web', 1_234, 'running'],
      ['More.Example.com-80', 1_234, 'running'],
    ],
  )
})

test('an app is removed by its name or host, after its open requests, and the last one stays', async () => {
  await using made = project()
  await using server = await serving(made, [])
  assert.deepEqual((await server.admin('DELETE', '/admin/apps')).body, { error: 'Missing hostname parameter' })
  assert.equal((await server.admin('DELETE', '/admin/apps?hostname=nobody')).status, 404)

  let isAnswered = false
  const slow = server.ask('www.example.com', '/slow?ms=900').then((answer) => {
    isAnswered = true
    return answer
  })
  await eventually('it is on its way', async () => {
    const { apps } = (await server.admin('GET', '/admin/apps')).body as { apps: unknown[] }
    return apps.length === 2
  })
  const removal = server
    .admin('DELETE', '/admin/apps?hostname=WWW%2Eexample%2Ecom')
    .then((answer) => ({ answer, isAnswered }))
  await eventually('new ones are refused', async () => (await server.ask('www.example.com')).status === 503)
  const refused = await server.ask('deep.web.example.com')
  assert.deepEqual([refused.status, refused.headers['retry-after']], [503, '30'])
  assert.match(refused.text, /^\{"error":"Service draining","retry_after_s":30\}$/)
  assert.equal(await server.text('api.example.com'), 'api')
  const { answer, isAnswered: wasAnswered } = await removal
  assert.deepEqual([answer.status, answer.body, wasAnswered], [200, { success: true }, true])
  assert.deepEqual([(await slow).status, (await slow).text], [200, 'web'])

  assert.equal((await server.admin('DELETE', '/admin/apps/www.example.com')).status, 404)
  for (const id of ['api', 'api.example.com', 'API%2Eexample.com']) {
    const last = await server.admin('DELETE', `/admin/apps/${id}`)
    assert.deepEqual([last.status, last.body], [400, { error: 'Cannot remove last app' }], id)
  }
  // The one that is left answers every host.
  assert.equal(await server.text('www.example.com'), 'api')
  const events = server
    .logged('app_drain_start', 'app_drained', 'app_removed')
    .map(({ event, hostname }) => [event, hostname])
  assert.deepEqual(events, [
    ['app_drain_start', 'www.example.com'],
    ['app_drained', 'www.example.com'],
    ['app_removed', 'www.example.com'],
  ])
})

test('other paths and methods are answered as such, before any app', async () => {
  await using made = project()
  await using server = await serving(made, [])
  for (const method of ['GET', 'POST', 'DELETE']) {
    const { status, body } = await server.admin(method, '/admin/health')
    assert.deepEqual([status, body], [200, { status: 'ok', admin: true }])
  }
  const cases: [method: string, path: string, status: number, allow?: string][] = [
    ['PUT', '/admin/apps', 405, 'GET, POST, DELETE'],
    ['POST', '/admin/apps/api', 405, 'GET, DELETE'],
    ['GET', '/admin/reload', 405, 'POST'],
    ['GET', '/admin/apps/api/scheduled', 405, 'POST'],
    ['GET', '/admin/', 404],
    ['GET', '/admin/nothing', 404],
    ['GET', '/admin/apps/', 404],
    ['GET', '/admin/apps/api/more', 404],
    ['GET', '/admin/constructor', 404],
  ]
  for (const [method, path, status, allow] of cases) {
    const answered = await server.admin(method, path)
    assert.deepEqual([answered.status, answered.headers.allow], [status, allow], `${method} ${path}`)
    assert.deepEqual(answered.body, { error: status === 404 ? 'Not found' : 'Method not allowed' })
  }
  assert.equal(await server.text('api.example.com', '/admin'), 'api')
  assert.equal((await server.ask('api.example.com', '/admin/health')).text, '{"status":"ok","admin":true}')
})

test('a scheduled handler is tried', async () => {
  await using made = project()
  writeApp(
    made,
    'apps/api/index.js',
    `let seen = 'nothing'
     export default {
       fetch: () => new Response(seen),
       scheduled(event) {
         if (event.cron === 'bad') throw new Error('no')
         seen = event.cron + ' ' + event.scheduledTime
       },
     }`,
  )
  await using server = await serving(made, [])
  const event = { cron: '*/5 * * * *', scheduledTime: 5_000 }
  const tried = await server.admin('POST', '/admin/apps/api.example.com/scheduled', event)
  assert.deepEqual([tried.status, tried.body.outcome], [200, 'ok'])
  assert.equal(await server.text('api.example.com'), '*/5 * * * * 5000')
  assert.equal((await server.admin('POST', '/admin/apps/api/scheduled')).body.outcome, 'ok')
  assert.equal((await server.admin('POST', '/admin/apps/api/scheduled', { cron: 'bad' })).body.outcome, 'exception')
  assert.equal((await server.admin('POST', '/admin/apps/api/scheduled', { cron: 5 })).status, 400)
  assert.equal((await server.admin('POST', '/admin/apps/web/scheduled', event)).status, 404)
  assert.equal((await server.admin('POST', '/admin/apps/nobody/scheduled', event)).status, 404)
})

test('without a token only this machine itself may administer', async () => {
  await using made = project()
  await using server = await serving(made, [])
  const asked = (headers: Record<string, string>) => server.ask(undefined, '/admin/apps', { headers })
  for (const headers of [
    { 'x-forwarded-for': '203.0.113.7' },
    { forwarded: 'for=203.0.113.7' },
    { 'x-real-ip': '203.0.113.7' },
    { origin: 'http://api.example.com' },
    { origin: `http://localhost:${server.tcpPort}` },
    { 'sec-fetch-site': 'same-origin' },
    { host: 'rebound.attacker.example' },
    { authorization: 'Bearer guess' },
  ] as Record<string, string>[]) {
    const expected = headers.authorization ? 200 : 403
    assert.equal((await asked(headers)).status, expected, JSON.stringify(headers))
  }
  for (const host of [`localhost:${server.tcpPort}`, '[::1]', 'api.example.com'])
    assert.equal((await asked({ host })).status, 200)
})

test('with a token it is asked of everybody, and admits from anywhere', async () => {
  await using made = project({ admin: { token: 'a secret' } })
  await using server = await serving(made, [])
  const asked = (headers: Record<string, string>) => server.ask(undefined, '/admin/apps', { headers })
  const none = await asked({})
  assert.deepEqual(
    [none.status, none.headers['www-authenticate'], none.text],
    [401, 'Bearer', '{"error":"Unauthorized"}'],
  )
  for (const headers of [
    { authorization: 'Bearer a' },
    { 'x-api-key': 'a secret ' + 'x' },
    { authorization: 'a secret' },
  ])
    assert.equal((await asked(headers as Record<string, string>)).status, 401)
  const far = { 'x-forwarded-for': '203.0.113.7', origin: 'http://elsewhere.example' }
  for (const headers of [{ 'x-admin-key': 'a secret' }, { 'x-api-key': 'a secret' }])
    assert.equal((await asked({ ...far, ...headers } as Record<string, string>)).status, 200)
})

test('it can have an address of its own, and is nowhere else then', async () => {
  await using made = project({ admin: { listen: '127.0.0.1:0' } })
  await using server = await serving(made, [])
  const { port } = await server.untilLogged('admin_start')
  const { body } = await request(`http://127.0.0.1:${port}/admin/apps`)
  assert.equal(((await body.json()) as { apps: unknown[] }).apps.length, 2)
  assert.equal((await request(`http://127.0.0.1:${port}/`)).statusCode, 404)
  assert.equal((await server.ask('api.example.com', '/admin/apps')).status, 404)
  assert.equal((await server.stop()).code, 0)
})

test('it can be left out', async () => {
  await using made = project({ admin: { enabled: false } })
  await using server = await serving(made, [])
  assert.equal((await server.ask(undefined, '/admin/apps')).status, 404)
})

test('a sandbox has it too, also one that began without apps; there its token is asked for', async () => {
  await using made = new TestProject()
  writeApp(made, 'more/index.js', TEXT_APP('more'))
  const { url } = await made.up('--cache')
  const { token } = JSON.parse(readFileSync(made.file('.hyper-sandbox/secrets.json'), 'utf8')) as { token: string }
  const asked = async (method: string, path: string, headers: Record<string, string> = {}, body?: object) => {
    const answer = await request(`${url}${path}`, {
      method: method as 'GET',
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    return { status: answer.statusCode, text: await answer.body.text() }
  }
  assert.deepEqual(await asked('GET', '/admin/apps'), { status: 200, text: '{"apps":[]}' })
  const more = { hostname: 'more.localhost', path: 'more' }
  assert.equal((await asked('POST', '/admin/apps', { 'x-forwarded-for': '203.0.113.7' }, more)).status, 401)
  const origin = { origin: 'http://localhost' }
  assert.equal((await asked('POST', '/admin/apps', origin, more)).status, 401)
  assert.equal((await asked('POST', '/admin/apps', { ...origin, authorization: `Bearer ${token}` }, more)).status, 201)
  assert.equal((await asked('GET', '/', { host: 'more.localhost' })).text, 'more')
  assert.equal((await asked('POST', '/_sandbox/purge', { 'sec-fetch-site': 'same-origin' }, {})).status, 401)

  // An app's host is the app's, whatever the path; only NANO's own three are not.
  assert.equal((await asked('GET', '/admin/apps', { host: 'more.localhost' })).text, 'more')
  assert.equal((await asked('GET', '/healthz', { host: 'more.localhost' })).text, '{"status":"ok"}')
  assert.equal((await asked('POST', '/admin/reload')).text, '{"error":"No config file configured"}')
  const metrics = await asked('GET', '/metrics')
  assert.match(
    metrics.text,
    /^nano_app_requests_total\{app="more.localhost",hostname="more.localhost",code="200"\} 2$/m,
  )
  await made.down()
})
