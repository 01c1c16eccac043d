import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSandbox, main } from '../cli/sandbox.ts'

const directories: string[] = []
after(() => Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true }))))

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'hyper-sandbox-test-'))
  directories.push(directory)
  return directory
}

async function send(method: string, url: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  return { status: response.status, body: await response.json() }
}

test('createSandbox gives the named services in the domain, on a free port, until it is disposed of', async () => {
  let url: string
  {
    await using sandbox = await createSandbox({ services: ['data', 'cache'], domain: 'shop' })
    url = sandbox.url
    assert.match(sandbox.connectionString, /^http:\/\/127\.0\.0\.1:\d+\/shop$/)
    assert.deepEqual(await send('POST', `${url}/data/shop`, { _id: 'a' }), { status: 201, body: { ok: true, id: 'a' } })
    assert.equal((await send('POST', `${url}/cache/shop`, { key: 'k', value: {} })).status, 201)
  }
  await assert.rejects(fetch(`${url}/`))
})

test('search and queue are created with what the options say, and without that only run', async () => {
  const target = 'http://127.0.0.1:9/'
  await using sandbox = await createSandbox({
    services: { storage: true, search: { fields: ['t'], storeFields: ['t'] }, queue: { target, attempts: 1 } },
  })
  const { url } = sandbox
  assert.equal((await send('POST', `${url}/search/test`, { key: 'a', doc: { t: 'old boots' } })).status, 201)
  const { matches } = (await send('POST', `${url}/search/test/_query`, { query: 'boots' })).body as {
    matches: { t: string }[]
  }
  assert.deepEqual(
    matches.map(({ t }) => t),
    ['old boots'],
  )
  assert.equal((await send('POST', `${url}/queue/test`, {})).status, 201)
  assert.equal((await send('POST', `${url}/storage/test/a.json`, {})).status, 201)
  assert.equal((await send('GET', `${url}/data/test`)).status, 503)

  await using bare = await createSandbox()
  assert.equal((await send('PUT', `${bare.url}/storage/test`)).status, 409)
  assert.equal((await send('PUT', `${bare.url}/search/test`, { fields: [] })).status, 201)
  assert.equal((await send('PUT', `${bare.url}/queue/test`, { target })).status, 201)
})

test('its temporary data goes with it', async () => {
  const before = await readdir(tmpdir())
  const sandbox = await createSandbox()
  const made = (await readdir(tmpdir())).filter((name) => name.startsWith('hyper-sandbox-') && !before.includes(name))
  assert.ok(made.length >= 1)
  await sandbox.close()
  await sandbox.close()
  assert.ok(made.some((name) => !existsSync(join(tmpdir(), name))))
})

test('a directory given is kept, and holds what was acknowledged', async () => {
  const directory = await temporaryDirectory()
  {
    await using sandbox = await createSandbox({ services: ['data'], directory })
    await send('POST', `${sandbox.url}/data/test`, { _id: 'kept' })
  }
  await using again = await createSandbox({ services: ['data'], directory })
  assert.deepEqual(await send('GET', `${again.url}/data/test/kept`), { status: 200, body: { _id: 'kept' } })
})

test('a service that was not asked for answers 503 and names the flag', async () => {
  await using sandbox = await createSandbox({ services: { data: true, cache: false } })
  const { status, body } = await send('GET', `${sandbox.url}/cache/test/k`)
  assert.equal(status, 503)
  assert.match((body as { msg: string }).msg, /--cache/)
})

test('a service there is none of is refused, and leaves nothing behind', async () => {
  // biome-ignore lint/suspicious/noExplicitAny: a mistake that types would catch
  await assert.rejects(createSandbox({ services: ['graph'] as any }), { code: 'USAGE' })
})

test('a third-party adapter plugs in by path and by package name', async () => {
  const project = await temporaryDirectory()
  const adapter = `export default ({ directory }) => ({
    async open() {}, async check() {}, async close() {},
    async createStore() {}, async destroyStore() {}, async listStores() { return { names: ['mine'] } },
    async emptyStore() { return { count: 0 } }, async createDoc() {}, async updateDoc() {}, async deleteDoc() {},
    async getDoc({ key }) { return { key, directory: typeof directory } }, async listDocs() { return { items: [] } },
  })`
  await writeFile(join(project, 'mine.mjs'), adapter)
  const installed = join(project, 'node_modules', 'cache-of-mine')
  await mkdir(installed, { recursive: true })
  await writeFile(join(installed, 'package.json'), '{"name":"cache-of-mine","main":"index.mjs"}')
  await writeFile(join(installed, 'index.mjs'), adapter)
  const home = process.cwd()
  process.chdir(project)
  try {
    for (const specifier of ['./mine.mjs', 'cache-of-mine']) {
      await using sandbox = await createSandbox({ services: { cache: { adapter: specifier } } })
      const { body } = await send('GET', `${sandbox.url}/cache/test/k`)
      assert.deepEqual(body, { key: 'k', directory: 'string' })
    }
    await assert.rejects(createSandbox({ services: { cache: { adapter: './missing.mjs' } } }), {
      code: 'CONFIG_INVALID',
      message: /cache adapter '\.\/missing\.mjs'/,
    })
  } finally {
    process.chdir(home)
  }
})

test('main empties and creates the kinds it is told of, in the domain', async () => {
  const directory = await temporaryDirectory()
  {
    await using sandbox = await main({ port: 0, directory, domain: 'd', services: { data: true, cache: true } })
    await send('POST', `${sandbox.url}/data/d`, { _id: 'a' })
    await send('POST', `${sandbox.url}/cache/d`, { key: 'k', value: {} })
  }
  await using sandbox = await main({
    port: 0,
    directory,
    domain: 'd',
    services: { data: true, cache: false },
    purge: { data: true },
  })
  assert.equal((await send('GET', `${sandbox.url}/data/d/a`)).status, 404)
  assert.equal((await send('GET', `${sandbox.url}/cache/d/k`)).status, 200)
})

test('main does not empty a kind that only purge names', async () => {
  const directory = await temporaryDirectory()
  {
    await using sandbox = await main({ port: 0, directory, services: { data: true } })
    await send('POST', `${sandbox.url}/data/test`, { _id: 'a' })
  }
  await using sandbox = await main({ port: 0, directory, services: {}, purge: { data: true } })
  assert.equal((await send('GET', `${sandbox.url}/data/test/a`)).status, 200)
})

test('closing does not wait for connections that ask nothing', async () => {
  const sandbox = await createSandbox({ services: ['cache'] })
  const spare = connect(Number(new URL(sandbox.url).port), '127.0.0.1')
  await once(spare, 'connect')
  await fetch(`${sandbox.url}/healthz`) // keeps its connection alive
  const began = performance.now()
  await sandbox.close()
  assert.ok(performance.now() - began < 1_500, 'the drain limit is 2 s')
  spare.destroy()
})

test('closing lets an open request finish', async () => {
  const sandbox = await createSandbox({ services: ['data'] })
  const slow = connect(Number(new URL(sandbox.url).port), '127.0.0.1')
  await once(slow, 'connect')
  const body = '{"_id":"slow"}'
  slow.write(
    `POST /data/test HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
  )
  await new Promise((resolve) => setTimeout(resolve, 100))
  const closing = sandbox.close()
  await new Promise((resolve) => setTimeout(resolve, 100))
  slow.write(body)
  const [answer] = (await once(slow, 'data')) as [Buffer]
  assert.match(String(answer), /^HTTP\/1\.1 201 /)
  await closing
})
