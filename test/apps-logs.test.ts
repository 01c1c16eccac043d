/** What `serve` logs and counts, in NANO's words (worker-runtime §§5, 7). */
import assert from 'node:assert/strict'
import { eventually, TestProject, test } from './helpers/cli.ts'
import { type Serving, serving, TEXT_APP, writeApp, writeConfig } from './helpers/serving.ts'

const TALKER = `export default {
  fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === '/own-health' || pathname === '/healthy') return new Response('the app')
    console.log('%d', 5, { a: 1 })
    console.warn('first\\nsecond')
    return new Response('12345', { status: pathname === '/teapot' ? 418 : 200 })
  },
}
`

async function talking(project: TestProject, format: string): Promise<Serving> {
  writeApp(project, 'talker/index.js', TALKER)
  writeApp(project, 'other/index.js', TEXT_APP('other'))
  const apps = ['talker', 'other'].map((name) => ({ name, hostname: `${name}.example.com`, path: name }))
  writeConfig(project, { apps })
  return await serving(project, [], { env: { NANO_LOG_FORMAT: format } })
}

test('json: every line is an object, whatever the target and the app say', async () => {
  await using project = new TestProject()
  await using server = await talking(project, 'json')
  const hostile = '/a"b\\%0a?q="x"'
  await server.raw(`GET ${hostile} HTTP/1.1\r\nHost: talker.example.com\r\nConnection: close\r\n\r\n`)
  await server.ask('nobody.example.com', '/missing')
  await eventually('both are logged', () => server.logged('request').length === 2)
  const { code, stdout, stderr } = await server.stop()
  assert.equal(code, 0)
  for (const line of `${stdout}${stderr}`.trim().split('\n')) assert.doesNotThrow(() => JSON.parse(line), line)

  const [first, second] = server.logged('request')
  assert.deepEqual(Object.keys(first ?? {}).slice(0, 9), [
    ...['ts', 'level', 'event', 'req', 'method', 'path', 'status', 'bytes', 'latency_ms'],
  ])
  assert.deepEqual([first?.req, first?.method, first?.path, first?.status, first?.bytes], [1, 'GET', hostile, 200, 5])
  assert.deepEqual([first?.app, first?.host], ['talker', 'talker.example.com'])
  assert.deepEqual([second?.req, second?.path, second?.status, second?.app], [2, '/missing', 404, undefined])
  assert.ok(Math.abs(Number(first?.ts) - Date.now() / 1_000) < 60 && Number.isInteger(first?.ts))
  assert.equal(Math.floor(Date.parse(String(first?.time)) / 1_000), first?.ts)

  const said = server.logged('console').map(({ app, level, message }) => [app, level, message])
  assert.deepEqual(said.sort(), [
    ['talker', 'info', '%d 5 {"a":1}'],
    ['talker', 'warn', 'first\nsecond'],
  ])
  assert.match(stderr, /"event":"console"/)
  const order = [
    'app_loaded',
    'server_start',
    'multi_app_ready',
    'config_watcher_started',
    'shutdown_graceful',
    'shutdown_drained',
    'server_stop',
  ]
  const events = server.logged(...order).map(({ event }) => event)
  assert.deepEqual([...new Set(events)], order)
  const [loaded] = server.logged('app_loaded').filter(({ name }) => name === 'talker')
  assert.deepEqual([loaded?.hostname, loaded?.path], ['talker.example.com', project.file('talker')])
  const [ready] = server.logged('multi_app_ready')
  assert.deepEqual([ready?.app_count, ready?.port], [2, server.tcpPort])
  const [stop] = server.logged('server_stop')
  assert.deepEqual([stop?.requests, stop?.errors], [2, 1])
})

test('text: level, event and what belongs to it; an app by its name', async () => {
  await using project = new TestProject()
  await using server = await talking(project, 'text')
  await server.ask('talker.example.com', '/teapot')
  await eventually('it is logged', () => server.started.said().stdout.includes('status=418'))
  const { stdout, stderr } = await server.stop()
  assert.match(
    stdout,
    /^\[info\] request req=1 method=GET path=\/teapot status=418 bytes=5 latency_ms=[\d.]+ app=talker host=talker\.example\.com$/m,
  )
  assert.match(stdout, /^\[talker\] %d 5 \{"a":1\}$/m)
  assert.match(stderr, /^\[talker\] first\n\[talker\] second$/m)
  for (const line of stdout.trim().split('\n')) assert.match(line, /^\[(info|talker)\] /)
})

test('apache: nothing but access lines on stdout', async () => {
  await using project = new TestProject()
  await using server = await talking(project, 'apache')
  await server.ask('talker.example.com', '/a?b=c')
  await server.raw('GET /quo"te HTTP/1.1\r\nHost: nobody.example.com\r\nConnection: close\r\n\r\n')
  await eventually('both are logged', () => server.started.said().stdout.split('\n').length === 3)
  const { stdout, stderr } = await server.stop()
  const lines = stdout.trim().split('\n')
  const COMMON =
    /^(\S+) - - \[(\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d) \+0000\] "([A-Z]+) ((?:[^"\\]|\\.)+) HTTP\/1\.1" (\d{3}) (\d+)$/
  const parsed = lines.map((line) => COMMON.exec(line)?.slice(3))
  assert.deepEqual(parsed, [
    ['GET', '/a?b=c', '200', '5'],
    ['GET', '/quo\\"te', '404', '43'],
  ])
  assert.match(lines[0] ?? '', /^127\.0\.0\.1 /)
  assert.match(stderr, /^\[info\] server_start port=\d+/m)
  assert.match(stderr, /^\[talker\] %d 5/m)
})

test('a format that does not exist is told of once, and json it is', async () => {
  await using project = new TestProject()
  await using server = await talking(project, 'yaml')
  assert.equal(server.logged('server_start').length, 1)
  assert.equal(server.started.said().stderr.match(/NANO_LOG_FORMAT/g)?.length, 1)
})

test('the server tells of its health itself, on any host and by any method', async () => {
  await using project = new TestProject()
  await using server = await talking(project, 'json')
  for (const host of ['talker.example.com', 'nobody.example.com']) {
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS'] as const) {
      for (const path of ['/health', '/healthz', '/health?x=1']) {
        const { status, text, headers } = await server.ask(host, path, { method })
        assert.deepEqual([status, text, headers['content-type']], [200, '{"status":"ok"}', 'application/json'])
      }
    }
  }
  const head = await server.ask('talker.example.com', '/health', { method: 'HEAD' })
  assert.deepEqual([head.status, head.text, head.headers['content-length']], [200, '', '15'])
  assert.equal(await server.text('talker.example.com', '/healthy'), 'the app')
  assert.notEqual(await server.text('talker.example.com', '/health/'), '{"status":"ok"}')
})

test("metrics: NANO's six of everything, and each app's own", async () => {
  await using project = new TestProject()
  await using server = await talking(project, 'json')
  const scrape = async () => {
    const { text, headers } = await server.ask('talker.example.com', '/metrics')
    assert.match(String(headers['content-type']), /^text\/plain; version=0\.0\.4/)
    const figures = text.split('\n').filter((line) => /^nano_/.test(line))
    const types = new Map(
      [...text.matchAll(/^# TYPE (nano_\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
    )
    return { types, of: new Map(figures.map((line) => line.split(/ (?=\S+$)/) as [string, string])) }
  }
  const first = await scrape()
  assert.deepEqual(
    [
      'requests_total',
      'errors_total',
      'request_latency_ms_avg',
      'request_latency_ms_min',
      'request_latency_ms_max',
    ].map((name) => first.of.get(`nano_${name}`)),
    ['0', '0', '0', '0', '0'],
  )
  assert.match(first.of.get('nano_uptime_seconds') ?? '', /^\d+$/)
  assert.deepEqual([...first.types].slice(0, 6), [
    ['nano_requests_total', 'counter'],
    ['nano_errors_total', 'counter'],
    ['nano_request_latency_ms_avg', 'gauge'],
    ['nano_request_latency_ms_min', 'gauge'],
    ['nano_request_latency_ms_max', 'gauge'],
    ['nano_uptime_seconds', 'counter'],
  ])
  await server.ask('talker.example.com', '/teapot')
  await server.ask('other.example.com')
  await server.ask('nobody.example.com')
  await server.admin('GET', '/admin/apps')
  const second = await scrape()
  // The first scrape, two apps, nobody and the admin call; a teapot and nobody are errors.
  assert.deepEqual([second.of.get('nano_requests_total'), second.of.get('nano_errors_total')], ['5', '2'])
  const [avg, min, max] = ['avg', 'min', 'max'].map((name) => second.of.get(`nano_request_latency_ms_${name}`))
  for (const figure of [avg, min, max]) assert.match(figure ?? '', /^\d+(\.\d{1,2})?$/)
  assert.ok(Number(min) > 0 && Number(min) <= Number(avg) && Number(avg) <= Number(max))
  const talker = 'app="talker",hostname="talker.example.com"'
  assert.equal(second.of.get(`nano_app_requests_total{${talker},code="418"}`), '1')
  assert.equal(second.of.get(`nano_app_request_duration_seconds_count{${talker}}`), '1')
  assert.equal(second.of.get('nano_app_up{app="other"}'), '1')
  assert.equal(second.of.get('nano_app_timeouts_total{app="talker"}'), '0')
  for (const reason of ['timeout', 'memory', 'crash'])
    assert.equal(second.of.get(`nano_app_restarts_total{app="talker",reason="${reason}"}`), '0')
  assert.ok(second.of.has('nano_app_memory_bytes{app="other"}'))
})
