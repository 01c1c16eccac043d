/**
 * The published hyper-connect against the real command line (hyper-api §9): each of its methods through both forms of its
 * connection string, with and without credentials, in both its builds; and what only the first form has.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { connect, type Hyper } from 'hyper-connect'
import { createSandbox } from '../cli/sandbox.ts'
import type { Place, Report } from './hyper-connect/client.ts'
import { methods } from './hyper-connect/methods.ts'
import { type Server, serverOfThisFile } from './server-process.ts'

const AUTH = { HYPER_SANDBOX_AUTH_KEY: 'app', HYPER_SANDBOX_AUTH_SECRET: 's/cret ☃' }
const CREDENTIALS = Object.values(AUTH).map(encodeURIComponent).join(':')

const server = await serverOfThisFile(['--tls'])
const guarded = await serverOfThisFile(['--tls'], AUTH)

// Every method

const places: [string, Server, Omit<Place, 'build'>][] = [
  ['http', server, { address: server.url }],
  ['http with credentials', guarded, { address: guarded.url.replace('//', `//${CREDENTIALS}@`) }],
  ['cloud', server, { address: server.https.url.replace('https:', 'cloud:'), domain: 'shelf' }],
  [
    'cloud with credentials',
    guarded,
    { address: guarded.https.url.replace('https://', `cloud://${CREDENTIALS}@`), domain: 'shelf' },
  ],
]

for (const build of ['ESM', 'CommonJS'] as const) {
  for (const [title, { https }, place] of places) {
    const client = startClient({ build, ...place }, https.authorityFile)
    for (const { name, only } of methods) {
      if (only === 'credentials' && !place.address.includes('@')) continue
      test(`${name} [${title}, ${build}]`, () => client.prove(name))
    }
  }
}

function startClient(place: Place, authorityFile: string): { prove(name: string): Promise<void> } {
  const child: ChildProcess = fork(new URL('./hyper-connect/client.ts', import.meta.url), [JSON.stringify(place)], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: authorityFile },
    serialization: 'advanced',
  })
  after(() => child.kill())
  return {
    async prove(name) {
      child.send(name)
      const [report] = (await once(child, 'message')) as [Report]
      assert.equal(report.name, name)
      if (report.error !== undefined) throw report.error
    },
  }
}

// The first form

/** A client of a domain of its own, with data made. */
async function fresh(): Promise<Hyper & { address: string }> {
  const address = `${server.url}/t${randomBytes(6).toString('hex')}`
  const hyper = connect(address)
  assert.deepEqual(await hyper.data.create(), { ok: true })
  return { ...hyper, address }
}

test('5xx rejects with the body, a plain object', async () => {
  await using sandbox = await createSandbox({ services: ['data'] })
  const { storage, search, queue } = connect(sandbox.connectionString)
  const calls = [
    () => storage.create(),
    () => search.create(['a']),
    () => queue.create('http://127.0.0.1:1/'),
    () => queue.enqueue({}),
  ]
  for (const call of calls) {
    await assert.rejects(call, (reason: unknown) => {
      const { ok, status, msg } = reason as Record<string, unknown>
      assert.deepEqual({ ok, status }, { ok: false, status: 503 })
      assert.match(String(msg), /--(storage|search|queue)/)
      assert.ok(!(reason instanceof Error))
      return true
    })
  }
})

test('the second argument of connect means nothing over http (corner 50)', async () => {
  const { address, data } = await fresh()
  await connect(address, 'movies').data.add({ _id: 'x' })
  assert.equal((await data.get('x')).ok, true)
})

test('a slash at the end of the address, or no domain, is 404 (§9.2)', async () => {
  const { address } = await fresh()
  assert.equal((await connect(`${address}/`).data.get('x')).status, 404)
  assert.equal((await connect(server.url).data.get('x')).status, 404)
})

test('credentials that nobody asks for are sent as a token and accepted (§9.5)', async () => {
  const { address, data } = await fresh()
  await data.add({ _id: 'x' })
  const withCredentials = connect(address.replace('http://', 'http://key:s%2Fcret@'))
  assert.deepEqual(await withCredentials.data.get('x'), { ok: true, doc: { _id: 'x' } })
})

test('localhost reaches it (§9.8)', async () => {
  const { address, data } = await fresh()
  await data.add({ _id: 'x' })
  assert.equal((await connect(address.replace('127.0.0.1', 'localhost')).data.get('x')).ok, true)
})

test('both forms name the same services: the default ones of an app are those of its name (design §8.4)', async () => {
  const { address, data } = await fresh()
  await data.add({ _id: 'x' })
  const reply = await fetch(`${address.replace(/[^/]+$/, '$&/data/default')}/x`)
  assert.deepEqual(await reply.json(), { _id: 'x' })
})

test('a server whose authority the client does not trust is refused', async () => {
  const place = server.https.url.replace('https:', 'cloud:')
  await assert.rejects(connect(`${place}/app`).info.services(), (error: Error & { cause?: { code?: string } }) => {
    assert.match(String(error.cause?.code), /CERT|VERIFY|ISSUER/)
    return true
  })
})
