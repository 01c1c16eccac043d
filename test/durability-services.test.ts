/**
 * Acknowledged objects, search documents and jobs survive kill -9, no half object is ever seen, and each job is delivered
 * (design §12): uploads, writes and deliveries in flight, a kill at a random moment, a restart, a look.
 */
import assert from 'node:assert/strict'
import { createHash, randomInt } from 'node:crypto'
import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { file, form } from './acceptance/form.ts'
import { hangUp, type Reply, type Sending, send } from './acceptance/http.ts'
import { until } from './acceptance/target.ts'
import { Ledger, untilCutOff } from './ledger.ts'
import { type Server, startServer } from './server-process.ts'

const ROUNDS = 20 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const WRITERS = 8
const KEYS_EACH = 5
const BULK_SIZE = 20
const LONGEST_ROUND_MS = 500
const MAPPINGS = { fields: ['text'], storeFields: ['n'] }

/** Larger objects are files, smaller ones rows. */
const ROW_BYTES = 65_536

const ledger = new Ledger()
/** Jobs by their number: those that were acknowledged, and those that the target has said 200 to. */
const acknowledgedJobs = new Set<number>()
const doneJobs = new Set<number>()
const attempts = new Map<number, number>()
let deliveries = 0
let server: Server
let target: HttpServer
let version = 0

before(async () => {
  target = createServer((request, reply) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { n } = JSON.parse(Buffer.concat(chunks).toString()) as { n: number }
      const attempt = (attempts.get(n) ?? 0) + 1
      attempts.set(n, attempt)
      deliveries += 1
      const isRefused = n % 10 === 0 && attempt === 1
      if (!isRefused) doneJobs.add(n)
      setTimeout(() => reply.writeHead(isRefused ? 503 : 200).end(), n % 7 === 0 ? 100 : 0)
    })
  })
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve))
  server = await startServer()
  const url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`
  assert.equal((await call('PUT', '/storage/test')).status, 201)
  assert.equal((await call('PUT', '/search/test', { json: MAPPINGS })).status, 201)
  assert.equal((await call('PUT', '/queue/test', { json: { target: url } })).status, 201)
})
after(async () => {
  hangUp()
  target.closeAllConnections()
  target.close()
  await server.stop()
})

function call(method: string, path: string, sending?: Sending): Promise<Reply> {
  return send(method, `${server.url}${path}`, sending)
}

/** Bytes that tell their version, and whether they are whole. */
function content(n: number, size: number): Buffer {
  const body = Buffer.alloc(size, `${n}.`)
  return Buffer.concat([Buffer.from(`${n} ${createHash('sha256').update(body).digest('hex')} `), body])
}

/** The version that an object's bytes tell; fails for a part of an object. */
function versionOf(name: string, bytes: Buffer): number {
  const [, n = '', hash = ''] = /^(\d+) ([0-9a-f]{64}) /.exec(bytes.subarray(0, 100).toString()) ?? []
  const body = bytes.subarray(n.length + hash.length + 2)
  assert.equal(createHash('sha256').update(body).digest('hex'), hash, `${name} is not whole: ${bytes.length} bytes`)
  return Number(n)
}

function randomSize(): number {
  const [least, most] = [
    [0, 2_000],
    [ROW_BYTES - 200, ROW_BYTES + 200],
    [100_000, 1_000_000],
  ][randomInt(3)] as [number, number]
  return least + randomInt(most - least)
}

async function changeObject(name: string): Promise<void> {
  version += 1
  const n = version
  const at = `storage/${name}`
  if (ledger.acknowledged(at) !== undefined && randomInt(5) === 0) {
    await ledger.write([at], undefined, () => call('DELETE', `/storage/test/${name}`))
    return
  }
  const bytes = content(n, randomSize())
  const type = { 'content-type': 'application/octet-stream' }
  const dice = randomInt(4)
  await ledger.write([at], n, () => {
    if (dice === 0) return call('POST', '/storage/test', form(file(name, bytes)))
    if (dice === 1) return call('POST', `/storage/test/${name}`, { headers: type, chunks: halves(bytes) })
    return call('POST', `/storage/test/${name}`, { headers: type, body: bytes })
  })
}

function halves(bytes: Buffer): Buffer[] {
  const middle = bytes.length >> 1
  return [bytes.subarray(0, middle), bytes.subarray(middle)]
}

async function changeDocument(key: string): Promise<void> {
  version += 1
  const n = version
  const doc = { text: `all v${n} ${'pad '.repeat(randomInt(50))}`, n }
  const at = `search/${key}`
  const path = `/search/test/${key}`
  if (ledger.acknowledged(at) === undefined) {
    await ledger.write([at], n, () => call('POST', '/search/test', { json: { key, doc } }))
  } else if (randomInt(4) === 0) {
    await ledger.write([at], undefined, () => call('DELETE', path))
  } else {
    await ledger.write([at], n, () => call('PUT', path, { json: doc }))
  }
}

/** All or nothing. */
async function addBulk(): Promise<void> {
  version += 1
  const n = version
  const docs = Array.from({ length: BULK_SIZE }, (_, at) => ({ _id: `bulk${n}-${at}`, text: `all v${n}`, n }))
  const names = docs.map(({ _id }) => `search/${_id}`)
  await ledger.write(names, n, () => call('POST', '/search/test/_bulk', { json: docs }))
}

async function postJob(): Promise<void> {
  version += 1
  const n = version
  const reply = await call('POST', '/queue/test', { json: { n, pad: 'x'.repeat(randomInt(3_000)) } })
  assert.equal(reply.status, 201, reply.text)
  acknowledgedJobs.add(n)
}

/** Writes until the server is gone. */
async function writeOn(writer: number): Promise<never> {
  for (;;) {
    const name = `w${writer}-${randomInt(KEYS_EACH)}`
    const dice = randomInt(20)
    if (dice === 0) await addBulk()
    else if (dice < 7) await changeObject(name)
    else if (dice < 13) await changeDocument(name)
    else await postJob()
  }
}

async function storedObjects(): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const { objects } = (await call('GET', '/storage/test')).json() as { objects: string[] }
  for (const name of objects) {
    const reply = await call('GET', `/storage/test/${name}`)
    assert.equal(reply.status, 200, `${name}: ${reply.text.slice(0, 200)}`)
    assert.equal(reply.headers['content-length'], String(reply.bytes.length))
    found.set(`storage/${name}`, versionOf(name, reply.bytes))
  }
  return found
}

/** What the words find is what is stored under the key, and nothing else. */
async function storedDocuments(): Promise<Map<string, number>> {
  const reply = await call('POST', '/search/test/_query', { json: { query: 'all' } })
  const { matches } = reply.json() as { matches: { id: string; n: number }[] }
  const found = new Map(matches.map(({ id, n }) => [`search/${id}`, n]))
  assert.equal(found.size, matches.length, 'a document is found twice')
  for (let writer = 0; writer < WRITERS; writer += 1) {
    for (let at = 0; at < KEYS_EACH; at += 1) {
      const key = `w${writer}-${at}`
      const got = await call('GET', `/search/test/${key}`)
      const n = got.status === 200 ? (got.json() as { doc: { n: number } }).doc.n : undefined
      assert.equal(found.get(`search/${key}`), n, key)
    }
  }
  return found
}

/** Acknowledged jobs wait or are done: each is somewhere. */
async function noJobIsLost(): Promise<void> {
  const waiting = new Set<number>()
  for (const status of ['READY', 'ERROR']) {
    const { jobs } = (await call('GET', `/queue/test?status=${status}`)).json() as { jobs: { job: { n: number } }[] }
    for (const { job } of jobs) waiting.add(job.n)
  }
  assert.deepEqual(
    [...acknowledgedJobs].filter((n) => !waiting.has(n) && !doneJobs.has(n)),
    [],
    'jobs that are lost',
  )
}

async function idle(): Promise<boolean> {
  const counts = await Promise.all(
    ['READY', 'ERROR'].map(async (status) => {
      const { jobs } = (await call('GET', `/queue/test?status=${status}`)).json() as { jobs: unknown[] }
      return jobs.length
    }),
  )
  assert.equal(counts[1], 0, 'a job that the target takes ended as ERROR')
  return counts[0] === 0
}

test(`${ROUNDS} rounds of kill -9 lose no acknowledged object, document or job, and show no half object`, async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const cutOff = untilCutOff(Array.from({ length: WRITERS }, (_, writer) => writeOn(writer)))
    await sleep(5 + randomInt(LONGEST_ROUND_MS))
    await Promise.all([server.kill(), cutOff])
    await server.start()
    await noJobIsLost()
    ledger.compare(new Map([...(await storedObjects()), ...(await storedDocuments())]))
  }
  await until('every job is delivered', idle)
  assert.deepEqual(
    [...acknowledgedJobs].filter((n) => !doneJobs.has(n)),
    [],
    'jobs that were never delivered',
  )
  t.diagnostic(
    `${ledger.acknowledgedWrites} acknowledged writes, ${acknowledgedJobs.size} jobs in ${deliveries} deliveries`,
  )
  assert.ok(ledger.acknowledgedWrites > ROUNDS, `only ${ledger.acknowledgedWrites} writes were acknowledged`)
  assert.ok(acknowledgedJobs.size > ROUNDS, `only ${acknowledgedJobs.size} jobs were acknowledged`)
})

test('what crashes left of uploads is cleared away', async () => {
  const large = [...(await storedSizes()).values()].filter((size) => size > ROW_BYTES).length
  await until('only whole objects have files', () => {
    const files = server.files().filter((path) => path.includes('/objects/'))
    return files.length === large && files.every((path) => !path.includes('/tmp/'))
  })
  await storedObjects()
})

async function storedSizes(): Promise<Map<string, number>> {
  const { objects } = (await call('GET', '/storage/test')).json() as { objects: string[] }
  const sizes = new Map<string, number>()
  for (const name of objects) {
    sizes.set(name, Number((await call('HEAD', `/storage/test/${name}`)).headers['content-length']))
  }
  return sizes
}

test('a bucket, an index and a queue that were made or removed stay so', async () => {
  const settings = { storage: undefined, search: { json: MAPPINGS }, queue: { json: { target: server.url } } }
  for (let round = 0; round < 3; round += 1) {
    for (const [service, sending] of Object.entries(settings)) {
      await call('DELETE', `/${service}/gone`)
      assert.equal((await call('PUT', `/${service}/made${round}`, sending)).status, 201)
      assert.equal((await call('PUT', `/${service}/gone`, sending)).status, 201)
      assert.ok((await call('DELETE', `/${service}/gone`)).status < 300)
    }
    await server.kill()
    await server.start()
    for (const [service, sending] of Object.entries(settings)) {
      assert.equal((await call('PUT', `/${service}/made${round}`, sending)).status, 409, service)
      assert.equal((await call('DELETE', `/${service}/gone`)).status, 404, service)
    }
  }
})
