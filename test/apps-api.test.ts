/**
 * Every row of worker-runtime §10 as a check that runs inside an app (test/apps/api), and how the same reaches its client and
 * its log.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { startAppHost, type TestApp } from './helpers/app-host.ts'

const upstream = createServer({ maxHeaderSize: 64 * 1024 }, async (request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://upstream')
  const body = await text(request)
  const { method, headers, url } = request
  if (pathname === '/slow') await sleep(Number(searchParams.get('ms')), undefined, { ref: false })
  if (pathname === '/redirect') response.writeHead(302, { location: '/echo' }).end()
  else if (pathname === '/count') response.end(JSON.stringify({ length: body.length }))
  else if (pathname === '/large') response.end(Buffer.alloc(Number(searchParams.get('mb')) * 1024 * 1024))
  else response.end(JSON.stringify({ method, headers, url, body }))
})

const api = (upstreamUrl: string): TestApp => ({
  path: join(import.meta.dirname, 'apps/api'),
  env: { MY_VAR: 'mine', UPSTREAM: upstreamUrl },
  outbound: ['127.0.0.1'],
})

test('every row of the tables of APIs, inside an app', async (t) => {
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  await using apps = await startAppHost({
    api: api(`http://127.0.0.1:${port}`),
    other: { files: { 'index.js': 'export default { fetch: () => new Response() }' }, env: { OTHERS: 'theirs' } },
  })
  const { text: list } = await apps.get('api')
  const run = (group: string, check: string) =>
    apps.fetch('api', `/checks?group=${group}&check=${encodeURIComponent(check)}`, {
      method: 'POST',
      body: '{"sent":true}',
      headers: { 'x-a': 'sent' },
    })
  const checks: [group: string, name: string][] = JSON.parse(list)
  for (const [group, name] of checks) {
    await t.test(name, async () => {
      const response = await run(group, name)
      assert.equal(response.status, 200, await response.clone().text())
    })
  }

  await t.test('console: one line for each call, objects as JSON, at its level', () => {
    const said = apps.told.console.filter(({ message }) => message.includes('{"a":1}'))
    assert.deepEqual(said, [
      ...[
        ['info', 'log'],
        ['warn', 'warn'],
        ['error', 'error'],
        ['info', 'info'],
        ['debug', 'debug'],
      ].map(([level, name]) => ({ app: 'api', level, message: `${name} {"a":1} [1,"x"] null undefined 5 %d` })),
    ])
  })

  await t.test('Response.body: chunks arrive as they are made', async () => {
    const response = await run('streams', 'Response.body: chunks of text reach the client one by one')
    const arrived: [string, number][] = []
    for await (const chunk of response.body ?? []) arrived.push([Buffer.from(chunk).toString(), performance.now()])
    assert.deepEqual(
      arrived.map(([line]) => line),
      ['tick 1\n', 'tick 2\n', 'tick 3\n'],
    )
    const [first, , last] = arrived.map(([, at]) => at)
    assert.ok((last ?? 0) - (first ?? 0) > 200, 'they came together')
  })

  await t.test('B-07: ten requests of 300 ms are answered within a second', async () => {
    const started = performance.now()
    const name = 'B-07: requests to one app are answered together'
    await Promise.all(Array.from({ length: 10 }, async () => await (await run('limitations', name)).text()))
    assert.ok(performance.now() - started < 1_500, `${performance.now() - started} ms`)
  })
  upstream.close()
  upstream.closeAllConnections()
})
