/** How `serve` takes a changed `config.json`: whole or not at all, once, and without a gap (worker-runtime §2.2). */
import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, TestProject, test } from './helpers/cli.ts'
import { type Serving, serving, TEXT_APP, writeApp, writeConfig } from './helpers/serving.ts'

type Entry = Record<string, unknown>

const API: Entry = { name: 'api', hostname: 'api.example.com', path: 'apps/api' }
const WEB: Entry = { name: 'web', hostname: 'www.example.com', path: 'apps/web' }

function project(...apps: Entry[]): TestProject {
  const made = new TestProject()
  for (const name of ['api', 'web']) writeApp(made, `apps/${name}/index.js`, TEXT_APP(name))
  writeConfig(made, { apps })
  return made
}

async function countOf(server: Serving, host: string): Promise<{ count: number; env: Record<string, string> }> {
  return JSON.parse(await server.text(host, '/count'))
}

test('a changed file is found by itself, also when it is saved by renaming, and its last content counts', async () => {
  await using made = project(API, WEB)
  await using server = await serving(made, [])
  assert.equal((await countOf(server, 'api.example.com')).count, 1)
  assert.equal((await countOf(server, 'www.example.com')).count, 1)

  // Two saves within the time that a file must be at rest: one reload.
  writeConfig(made, { apps: [{ ...API, env: { LEVEL: 'first' } }, WEB] })
  await sleep(200)
  writeFileSync(made.file('next.json'), JSON.stringify({ apps: [{ ...API, env: { LEVEL: 'last' } }, WEB] }))
  renameSync(made.file('next.json'), made.file('config.json'))
  const complete = await server.untilLogged('config_reload_complete')
  assert.deepEqual([complete.added, complete.removed, complete.changed, complete.unchanged], [0, 0, 1, 1])
  const api = await countOf(server, 'api.example.com')
  assert.deepEqual([api.count, api.env.LEVEL], [1, 'last'])
  // What did not change was not touched.
  assert.equal((await countOf(server, 'www.example.com')).count, 2)
  await sleep(1_700)
  assert.equal(server.logged('config_reload_start').length, 1)
})

test('SIGHUP and the admin API reload at once; a change of limits alone is one', async () => {
  await using made = project(API)
  await using server = await serving(made, [])
  writeConfig(made, { apps: [{ ...API, timeout_ms: 900 }] })
  server.signal('SIGHUP')
  assert.equal((await server.untilLogged('config_reload_complete')).changed, 1)
  const { apps } = (await server.admin('GET', '/admin/apps')).body as { apps: { timeout_ms: number }[] }
  assert.equal(apps[0]?.timeout_ms, 900)

  writeConfig(made, { apps: [API, WEB] })
  assert.deepEqual((await server.admin('POST', '/admin/reload')).body, { success: true })
  assert.equal(await server.text('www.example.com'), 'web')
  const before = server.logged('config_reload_complete').length
  // That nothing has changed is told too, and changes nothing.
  const { count } = await countOf(server, 'www.example.com')
  assert.deepEqual((await server.admin('POST', '/admin/reload')).body, { success: true })
  assert.equal((await countOf(server, 'www.example.com')).count, count + 1)
  assert.equal(server.logged('config_reload_complete').length, before + 1)
})

test('a file that cannot be used changes nothing, and the next good one is taken', async () => {
  await using made = project(API, WEB)
  await using server = await serving(made, [])
  await countOf(server, 'api.example.com')
  const bad: [config: object | string, name: string][] = [
    ['{ "apps": [', 'InvalidJson'],
    [{ apps: [] }, 'NoApps'],
    [{ apps: [API, { ...WEB, hostname: 'API.example.com.' }] }, 'DuplicateHostname'],
    [{ apps: [API, { name: 'web' }] }, 'MissingField'],
  ]
  for (const [config, name] of bad) {
    const errors = server.logged().filter(({ level }) => level === 'error').length
    writeConfig(made, config)
    const { status, body } = await server.admin('POST', '/admin/reload')
    assert.deepEqual([status, body.error], [500, `Reload failed: ${name}`])
    assert.equal(server.logged().filter(({ level }) => level === 'error').length, errors + 1)
    assert.deepEqual([await server.text('api.example.com'), await server.text('www.example.com')], ['api', 'web'])
  }
  // Told of once, not at every look.
  await server.untilLogged('config_parse_error', bad.length)
  await sleep(2_500)
  assert.ok(server.logged('config_parse_error').length <= bad.length + 1)
  assert.ok((await countOf(server, 'api.example.com')).count > 1)

  writeConfig(made, { apps: [WEB] })
  await eventually('api is gone', async () => (await server.ask('unknown.example.com')).text === 'web')
  assert.equal((await server.untilLogged('app_removed')).hostname, 'api.example.com')
})

test('a version that does not load leaves the old one serving', async () => {
  await using made = project(API, WEB)
  await using server = await serving(made, [])
  writeApp(made, 'apps/api/index.js', 'export default {')
  writeConfig(made, { apps: [API, { ...WEB, env: { NEW: '1' } }] })
  const { status, body } = await server.admin('POST', '/admin/reload')
  assert.deepEqual([status, body.error], [500, 'Reload failed: CompilationFailed'])
  assert.equal(await server.text('api.example.com'), 'api')
  assert.equal((await countOf(server, 'www.example.com')).env.NEW, '1')
  const [failure] = server.logged('app_reload_failed')
  assert.deepEqual([failure?.hostname, failure?.error], ['api.example.com', 'CompilationFailed'])
  writeApp(made, 'apps/api/index.js', TEXT_APP('mended'))
  assert.equal((await server.admin('POST', '/admin/reload')).status, 200)
  assert.equal(await server.text('api.example.com'), 'mended')
})

test('sources alone are reloaded when asked, or with --watch', async () => {
  await using made = project(API)
  {
    await using server = await serving(made, [])
    writeApp(made, 'apps/api/index.js', TEXT_APP('second'))
    await sleep(1_500)
    assert.equal(await server.text('api.example.com'), 'api')
    await server.admin('POST', '/admin/reload')
    assert.equal(await server.text('api.example.com'), 'second')
  }
  await using server = await serving(made, ['--watch'])
  writeApp(made, 'apps/api/index.js', TEXT_APP('third'))
  await eventually('it is reloaded', async () => (await server.text('api.example.com')) === 'third')
})

test('what was added or removed at runtime is as the file says after a reload, and the same after another', async () => {
  await using made = project(API, WEB)
  writeApp(made, 'apps/more/index.js', TEXT_APP('more'))
  await using server = await serving(made, [])
  await server.admin('POST', '/admin/apps', { hostname: 'more.example.com', path: 'apps/more' })
  await server.admin('DELETE', '/admin/apps/web')
  assert.equal(await server.text('more.example.com'), 'more')
  assert.equal((await server.ask('www.example.com')).status, 404)
  for (const changed of [1, 0]) {
    assert.equal((await server.admin('POST', '/admin/reload')).status, 200)
    assert.equal(await server.text('www.example.com'), 'web')
    await eventually('what was added is gone', async () => (await server.ask('more.example.com')).status === 404)
    const last = server.logged('config_reload_complete').at(-1)
    assert.deepEqual([last?.added, last?.removed], [changed, changed])
  }
})

test('a thousand requests on kept connections see no failure over a reload', async () => {
  await using made = project(API, WEB)
  await using server = await serving(made, [])
  const statuses = new Map<number, number>()
  const client = async () => {
    for (let i = 0; i < 40; i++) {
      const { status } = await server.ask('api.example.com')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const clients = Array.from({ length: 25 }, client)
  for (const level of ['a', 'b', 'c']) {
    writeConfig(made, { apps: [{ ...API, env: { LEVEL: level } }, WEB] })
    assert.equal((await server.admin('POST', '/admin/reload')).status, 200)
  }
  await Promise.all(clients)
  assert.deepEqual([...statuses], [[200, 1_000]])
})
