/** What code of an app can reach from inside, and what it cannot (design §11, worker-runtime §§12.4, 13.33). */
import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, isIPv4 } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Outbound } from '../server/ports/apps.ts'
import { startAppHost, type TestApp } from './helpers/app-host.ts'

const probe = (outbound: Outbound): TestApp => ({
  outbound: typeof outbound === 'string' ? outbound : [...outbound],
  path: join(import.meta.dirname, 'apps/probe'),
})

/** A server of this machine, at every address it has, that counts its callers. */
async function startVictim() {
  const requests: IncomingMessage[] = []
  let connections = 0
  const server = createServer((request, response) => {
    requests.push(request)
    if (request.url === '/away') response.writeHead(302, { location: `http://localhost:${port}/` }).end()
    else response.end('secret')
  })
  server.on('connection', () => {
    connections += 1
  })
  server.listen(0, '::')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    requests,
    connections: () => connections,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** Names other than localhost that this machine's resolver turns into an address of its own. */
async function privateNames(): Promise<string[]> {
  const named = readFileSync('/etc/hosts', 'utf8').match(/^127\.0\.0\.1\s+.*$/gm) ?? []
  const names = named.flatMap((line) => line.split(/\s+/).slice(1)).filter((name) => !/localhost/.test(name))
  const found = await Promise.all(names.map(async (name) => ({ name, ...(await lookup(name)) })))
  return found.filter(({ address }) => isIPv4(address) && address.startsWith('127.')).map(({ name }) => name)
}

test('33: addresses of the machine and of its network are refused, however they are written', async (t) => {
  await using victim = await startVictim()
  await using apps = await startAppHost({ app: probe('public') })
  const ask = (way: string, to: string) => apps.get('app', `/?way=${way}&to=${encodeURIComponent(to)}`)
  const { port } = victim
  const literals = [
    ...['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0177.0.0.1', '0', '0.0.0.0', 'localhost', 'LOCALHOST'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[fe80::1]', '[fd00::1]'],
    ...['10.0.0.1', '172.16.0.1', '192.168.0.1', '100.64.0.1', '169.254.169.254'],
  ]
  for (const host of literals) {
    await t.test(host, async () => {
      const { status, text } = await ask('fetch', `http://${host}:${port}/`)
      assert.equal(status, 502, text)
      assert.match(text, /^TypeError: fetch failed: BlockedHost/)
    })
  }
  for (const host of ['168.63.129.16', '100.100.100.200', '192.0.0.192', '[fd00:ec2::254]']) {
    await t.test(`${host}, where a cloud keeps its secrets`, async () => {
      assert.equal((await ask('fetch', `http://${host}/`)).status, 502)
      const address = host.replace(/[[\]]/g, '')
      const refused = apps.told.console.some(
        ({ message }) => message.includes(address) && message.endsWith('is not allowed'),
      )
      assert.ok(refused, `${host} was tried`)
    })
  }
  await t.test('a name that resolves to such an address', async (t) => {
    const [name] = await privateNames()
    if (name === undefined) return t.skip('this machine has no such name')
    const { status, text } = await ask('fetch', `http://${name}:${port}/`)
    assert.deepEqual([status, /^TypeError: fetch failed: ConnectionFailed/.test(text)], [502, true], text)
    const said = apps.told.console.map(({ message }) => message)
    assert.ok(said.includes(`workerd: connecting to ${name}:${port} is not allowed`), said.join('\n'))
  })
  await t.test('a WebSocket and a TCP socket', async () => {
    assert.equal((await ask('websocket', `ws://127.0.0.1:${port}/`)).status, 502)
    assert.equal((await ask('socket', `127.0.0.1:${port}`)).status, 502)
    assert.equal((await ask('socket', 'unix:/var/run/docker.sock')).status, 502)
  })
  await t.test('files and other protocols', async () => {
    for (const url of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'unix:/var/run/docker.sock']) {
      assert.equal((await ask('fetch', url)).status, 502, url)
    }
  })
  assert.equal(victim.connections(), 0)
})

test('none, all, and a list of hosts', async (t) => {
  await using victim = await startVictim()
  const [name] = await privateNames()
  const base = `http://127.0.0.1:${victim.port}`
  await using apps = await startAppHost({
    none: probe('none'),
    all: probe('all'),
    listed: probe(['127.0.0.1', '*.example.com', ...(name === undefined ? [] : [name])]),
    named: probe(['example.com', ...(name === undefined ? [] : [name])]),
  })
  const ask = async (app: string, to: string, way = 'fetch') =>
    (await apps.get(app, `/?way=${way}&to=${encodeURIComponent(to)}`)).text

  await t.test('none', async () => {
    assert.match(await ask('none', `${base}/`), /BlockedHost/)
    assert.match(await ask('none', 'http://example.com/'), /BlockedHost/)
    assert.equal(victim.connections(), 0)
  })
  await t.test('all reaches the machine, but no secrets of a cloud and no Unix socket', async () => {
    assert.equal(await ask('all', `${base}/`), '200 secret')
    await ask('all', 'http://169.254.169.254/latest/meta-data')
    const said = apps.told.console.map(({ message }) => message)
    assert.ok(said.includes('workerd: connecting to 169.254.169.254:80 is not allowed'), said.join('\n'))
    assert.match(await ask('all', '127.0.0.1:1', 'socket'), /Error/)
    assert.match(await ask('all', 'http://unix:80/'), /fetch failed/)
  })
  await t.test('a list has what it names, by address after names are resolved', async () => {
    assert.equal(await ask('listed', `${base}/`), '200 secret')
    assert.match(await ask('listed', `http://localhost:${victim.port}/`), /BlockedHost/)
    assert.match(await ask('listed', 'http://example.com/'), /BlockedHost/)
    assert.match(await ask('listed', 'http://a.example.com.evil.test/'), /BlockedHost/)
  })
  await t.test('a redirect leads nowhere that is not listed', async () => {
    assert.match(await ask('listed', `${base}/away`), /BlockedHost: localhost/)
  })
  await t.test('a listed name that resolves to an address of the machine is refused', async (t) => {
    if (name === undefined) return t.skip('this machine has no such name')
    const before = victim.connections()
    assert.match(await ask('named', `http://${name}:${victim.port}/`), /ConnectionFailed/)
    assert.equal(victim.connections(), before)
  })
})

test('the gateway takes no app for its user, whatever the app may call and whatever it claims', async (t) => {
  await using apps = await startAppHost(
    { all: probe('all'), public: probe('public'), other: `export default { fetch: () => new Response('other') }` },
    { domain: 'test' },
  )
  const { host } = new URL(apps.url)
  const ask = async (app: string, way: string, to: string) => {
    const { text } = await apps.get(app, `/?way=${way}&to=${encodeURIComponent(to)}`)
    return text.slice(0, 3)
  }
  const before = apps.host.status().map(({ name }) => name)

  await t.test('over its own address', async () => {
    assert.equal((await fetch(`${apps.url}/admin/apps`)).status, 200, 'its user is let in')
    assert.match(await ask('all', 'fetch', `http://${host}/admin/apps`), /40[13]/)
    assert.match(await ask('all', 'post', `http://${host}/_sandbox/shutdown`), /40[13]/)
    assert.equal(await ask('public', 'fetch', `http://${host}/admin/apps`), 'Typ')
  })
  await t.test('over hyper.internal and env.hyper, which have the services alone', async () => {
    const paths = ['/admin/apps', '/_sandbox/status', '/metrics', '/readyz', '/docs', '/openapi.json', '/_app/other/']
    for (const path of [...paths, '//admin/apps', '/%61dmin/apps', '/ADMIN/apps', '/admin;x/apps']) {
      assert.equal(await ask('public', 'fetch', `http://hyper.internal${path}`), '404', path)
      assert.equal(await ask('public', 'hyper', path), '404', path)
    }
    assert.equal(await ask('public', 'fetch', 'http://hyper.internal/data/test/none'), '503')
    assert.equal(await ask('public', 'hyper', '/data/test/none'), '503')
  })
  assert.deepEqual(
    apps.host.status().map(({ name }) => name),
    before,
  )
})

test('who calls and what is asked for cannot be forged', async () => {
  const seen: IncomingMessage['headers'][] = []
  await using apps = await startAppHost(
    { app: probe('public') },
    {
      domain: 'test',
      host: {
        serve(request, response) {
          seen.push(request.headers)
          response.end('served')
        },
      },
    },
  )
  assert.equal((await apps.get('app', '/?way=hyper&to=/data/test')).text, '200 served')
  const [headers = {}] = seen
  assert.deepEqual([headers['x-hyper-sandbox-caller'], headers['x-hyper-sandbox-target']], ['app', 'hyper'])
})

test('42: an app has its own text bindings, no environment, no files and no globals of Node', async () => {
  const env = { HOME: 'mine' }
  const code = `
    const names = ['process', 'require', 'Buffer', '__dirname', 'Deno', 'Bun', 'global', 'module']
    export default { fetch(request, env) {
      return Response.json({ env: Object.keys(env), globals: names.filter((name) => globalThis[name] !== undefined) })
    } }`
  const node = `
    import fs from 'node:fs'
    import os from 'node:os'
    import { spawn } from 'node:child_process'
    const tried = (run) => { try { return String(run()) } catch (error) { return 'refused' } }
    export default { fetch(request, env) {
      return Response.json({
        env: Object.keys(process.env),
        file: tried(() => fs.readFileSync('/etc/passwd')),
        own: tried(() => fs.readFileSync(new URL(request.url).searchParams.get('file'))),
        child: tried(() => spawn('true')),
        host: tried(() => os.hostname()),
      })
    } }`
  await using apps = await startAppHost({
    bare: { env, files: { 'index.js': code } },
    node: { env, files: { 'index.js': node }, compatibility_flags: ['nodejs_compat'] },
    other: { env: { SECRET: 'theirs' }, files: { 'index.js': code, 'secret.txt': 'theirs' } },
  })
  assert.deepEqual(JSON.parse((await apps.get('bare')).text), { env: ['HOME', 'APPS'], globals: [] })
  assert.deepEqual(JSON.parse((await apps.get('other')).text), { env: ['SECRET', 'APPS'], globals: [] })
  const file = encodeURIComponent(`${apps.directory}/other/secret.txt`)
  const { env: seen, ...rest } = JSON.parse((await apps.get('node', `/?file=${file}`)).text)
  assert.deepEqual(seen, ['HOME'])
  assert.deepEqual(rest, { file: 'refused', own: 'refused', child: 'refused', host: 'localhost' })
})
