/** An acknowledged write survives kill -9 (design §12): mixed writes, a kill at a random moment, a restart, a look. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { hangUp, type Reply, type Sending, send } from './acceptance/http.ts'
import { Ledger, untilCutOff } from './ledger.ts'
import { type Server, startServer } from './server-process.ts'

const ROUNDS = 20 * Number(process.env.HYPER_TEST_SCALE ?? 1)
const WRITERS = 8
const KEYS_EACH = 6
const BULK_SIZE = 40
const LONGEST_ROUND_MS = 250

const ledger = new Ledger()
let server: Server
let version = 0

before(async () => {
  server = await startServer(['--data', '--cache'])
})
after(async () => {
  hangUp()
  await server.stop()
})

function call(method: string, path: string, sending?: Sending): Promise<Reply> {
  return send(method, `${server.url}${path}`, sending)
}

async function changeDocument(name: string): Promise<void> {
  version += 1
  const n = version
  const at = `/data/test/${name}`
  const known = ledger.acknowledged(`data/${name}`) !== undefined
  if (known && randomInt(4) === 0) await ledger.write([`data/${name}`], undefined, () => call('DELETE', at))
  else if (!known) await ledger.write([`data/${name}`], n, () => call('POST', '/data/test', { json: { _id: name, n } }))
  else
    await ledger.write([`data/${name}`], n, () => call('PUT', at, { json: { n, pad: 'x'.repeat(randomInt(5_000)) } }))
}

async function changeKey(name: string): Promise<void> {
  version += 1
  const n = version
  const at = `/cache/test/${name}`
  const known = ledger.acknowledged(`cache/${name}`) !== undefined
  if (known && randomInt(4) === 0) await ledger.write([`cache/${name}`], undefined, () => call('DELETE', at))
  else if (!known)
    await ledger.write([`cache/${name}`], n, () =>
      call('POST', '/cache/test', { json: { key: name, value: { n }, ttl: '1 day' } }),
    )
  else await ledger.write([`cache/${name}`], n, () => call('PUT', at, { json: { n } }))
}

/** All or nothing: the documents of one writer's bulk have one version, or are all absent. */
async function changeBulk(writer: number): Promise<void> {
  version += 1
  const n = version
  const gone = randomInt(4) === 0
  const ids = Array.from({ length: BULK_SIZE }, (_, at) => `bulk${writer}-${at}`)
  const docs = ids.map((_id) => (gone ? { _id, _deleted: true } : { _id, n, pad: 'x'.repeat(500) }))
  await ledger.write(
    ids.map((id) => `data/${id}`),
    gone ? undefined : n,
    () => call('POST', '/data/test/_bulk', { json: docs }),
  )
}

/** Writes until the server is gone. */
async function writeOn(writer: number): Promise<never> {
  for (;;) {
    const name = `w${writer}-${randomInt(KEYS_EACH)}`
    const dice = randomInt(10)
    if (dice === 0) await changeBulk(writer)
    else if (dice < 5) await changeDocument(name)
    else await changeKey(name)
  }
}

async function makeIndexes(round: number): Promise<never> {
  for (let at = 0; ; at += 1) {
    const reply = await call('POST', '/data/test/_index', {
      json: { name: `r${round}-${at}`, fields: ['n', `f${round}-${at}`] },
    })
    assert.equal(reply.status, 201, reply.text)
  }
}

async function stored(): Promise<Map<string, number>> {
  const listed = (await call('GET', '/data/test')).json() as { docs: { _id: string; n: number }[] }
  const queried = (await call('GET', '/cache/test/_query?pattern=*')).json() as {
    docs: { key: string; value: { n: number } }[]
  }
  return new Map([
    ...listed.docs.map(({ _id, n }) => [`data/${_id}`, n] as const),
    ...queried.docs.map(({ key, value }) => [`cache/${key}`, value.n] as const),
  ])
}

function compare(found: Map<string, number>): void {
  ledger.compare(found)
  for (let writer = 0; writer < WRITERS; writer += 1) {
    const versions = new Set(Array.from({ length: BULK_SIZE }, (_, at) => found.get(`data/bulk${writer}-${at}`)))
    assert.equal(versions.size, 1, `a bulk was written in part: ${[...versions]}`)
  }
}

/** Queries that an index serves find what a list shows. */
async function compareQueries(found: Map<string, number>): Promise<void> {
  const documents = [...found].filter(([name]) => name.startsWith('data/'))
  const middle = documents[randomInt(documents.length + 1)]?.[1] ?? 0
  const reply = await call('POST', '/data/test/_query', {
    json: { selector: { n: { $gte: middle } }, limit: 1_000_000 },
  })
  const { docs } = reply.json() as { docs: { _id: string; n: number }[] }
  assert.deepEqual(
    docs.map(({ _id, n }) => [`data/${_id}`, n] as const).sort(),
    documents.filter(([, n]) => n >= middle).sort(),
  )
}

test(`${ROUNDS} rounds of kill -9 during mixed writes lose nothing that was acknowledged`, async (t) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const work = Array.from({ length: WRITERS }, (_, writer) => writeOn(writer))
    if (round % 4 === 0) work.push(makeIndexes(round))
    const cutOff = untilCutOff(work)
    await sleep(5 + randomInt(LONGEST_ROUND_MS))
    await Promise.all([server.kill(), cutOff])
    await server.start()
    const found = await stored()
    compare(found)
    await compareQueries(found)
  }
  t.diagnostic(`${ledger.acknowledgedWrites} acknowledged writes, ${ledger.size} documents and keys`)
  assert.ok(ledger.acknowledgedWrites > ROUNDS * 20, `only ${ledger.acknowledgedWrites} writes were acknowledged`)
})

test('a database and a store that were made or removed stay so', async () => {
  for (let round = 0; round < 3; round += 1) {
    for (const service of ['data', 'cache']) {
      await call('DELETE', `/${service}/gone`)
      assert.equal((await call('PUT', `/${service}/made${round}`)).status, 201)
      assert.equal((await call('PUT', `/${service}/gone`)).status, 201)
      assert.equal((await call('DELETE', `/${service}/gone`)).status, 200)
    }
    await server.kill()
    await server.start()
    for (const service of ['data', 'cache']) {
      assert.equal((await call('PUT', `/${service}/made${round}`)).status, 409)
      assert.equal((await call('DELETE', `/${service}/gone`)).status, 404)
    }
  }
})

test('kill -9 in the midst of building a large index loses nothing and breaks no query', async () => {
  const docs = Array.from({ length: 5_000 }, (_, n) => ({
    _id: `large${n}`,
    n,
    even: n % 2 === 0,
    pad: 'x'.repeat(400),
  }))
  assert.equal((await call('PUT', '/data/large')).status, 201)
  for (let part = 0; part < 4; part += 1) {
    const json = docs.map((doc) => ({ ...doc, _id: `${doc._id}-${part}` }))
    assert.equal((await call('POST', '/data/large/_bulk', { json })).status, 201)
  }
  for (let round = 0; round < 4; round += 1) {
    const request = { json: { name: `n${round}`, fields: ['n', 'even', `f${round}`] } }
    const building = call('POST', '/data/large/_index', request).then(
      (reply) => assert.equal(reply.status, 201),
      (error) => assert.match(String(error.code), /^ECONN/),
    )
    await sleep(randomInt(120))
    await Promise.all([server.kill(), building])
    await server.start()
    const { docs: found } = (
      await call('POST', '/data/large/_query', { json: { selector: { n: { $gte: 4_990 } }, limit: 1_000 } })
    ).json() as { docs: unknown[] }
    assert.equal(found.length, 40)
    assert.equal((await call('POST', '/data/large/_index', request)).status, 201)
    const other = { json: { name: `n${round}`, fields: ['other'] } }
    assert.equal((await call('POST', '/data/large/_index', other)).status, 409)
  }
  assert.equal(((await call('GET', '/data/large')).json() as { docs: unknown[] }).docs.length, 20_000)
})
