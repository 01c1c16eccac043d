import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { createSqliteCache } from '../adapters/cache/sqlite.ts'
import { createSqliteData } from '../adapters/data/sqlite.ts'
import { createSqliteQueue } from '../adapters/queue/sqlite.ts'
import { createSqliteSearch } from '../adapters/search/sqlite.ts'
import { createSqliteStorage } from '../adapters/storage/sqlite.ts'
import { guard } from '../server/port.ts'
import { cachePort } from '../server/ports/cache.ts'
import { dataPort } from '../server/ports/data.ts'
import { queuePort } from '../server/ports/queue.ts'
import { searchPort } from '../server/ports/search.ts'
import { storagePort } from '../server/ports/storage.ts'
import { cacheDifferential } from './differential/cache.ts'
import {
  dataDifferential,
  expressionDifferential,
  geoDifferential,
  pagingDifferential,
  queryDifferential,
} from './differential/data.ts'
import { type Differential, differ, table } from './differential/harness.ts'
import { deliveryDifferential, queueDifferential } from './differential/queue.ts'
import { searchDifferential } from './differential/search.ts'
import { storageDifferential } from './differential/storage.ts'

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)
const CASES = Math.ceil(20 * SCALE)
const SEED = Number(process.env.HYPER_TEST_SEED ?? Date.now() % 1_000_000)
const root = mkdtempSync(join(tmpdir(), 'hyper-differential-'))
after(() => rmSync(root, { recursive: true, force: true }))

const directory = () => mkdtempSync(join(root, 'side-'))

async function compare<S>(t: TestContext, differential: Differential<S>, sides: { embedded: S; remote: S }) {
  const began = performance.now()
  const { counts } = await differ(differential, sides, { cases: CASES, seed: SEED })
  for (const line of table(counts)) t.diagnostic(line)
  t.diagnostic(`seed ${SEED} ${Math.round(performance.now() - began)} ms`)
}

test('cache', async (t) => {
  const make = () => guard(cachePort, createSqliteCache({ directory: directory() }))
  const sides = { embedded: make(), remote: make() }
  await compare(t, cacheDifferential, sides)
  await sides.embedded.close()
  await sides.remote.close()
})
test('storage', async (t) => {
  const make = () => ({ storage: guard(storagePort, createSqliteStorage({ directory: directory() })), put: new Map() })
  const sides = { embedded: make(), remote: make() }
  await compare(t, storageDifferential, sides)
  await sides.embedded.storage.close()
  await sides.remote.storage.close()
})
test('search', async (t) => {
  const make = () => guard(searchPort, createSqliteSearch({ directory: directory() }))
  const sides = { embedded: make(), remote: make() }
  await compare(t, searchDifferential, sides)
  await sides.embedded.close()
  await sides.remote.close()
})
test('queue', async (t) => {
  const make = () => ({ queue: guard(queuePort, createSqliteQueue({ directory: directory() })), ids: [] })
  const sides = { embedded: make(), remote: make() }
  await compare(t, queueDifferential, sides)
  await sides.embedded.queue.close()
  await sides.remote.queue.close()
})
test('queue deliveries', async (t) => {
  const make = async () => {
    const queue = guard(
      queuePort,
      createSqliteQueue({ directory: directory(), attempts: 2, timeoutMs: 300, backoffMs: 5 }),
    )
    await queue.start({})
    return { queue, ids: [] }
  }
  const sides = { embedded: await make(), remote: await make() }
  await compare(t, deliveryDifferential, sides)
  await sides.embedded.queue.close()
  await sides.remote.queue.close()
})

for (const differential of [
  dataDifferential,
  queryDifferential,
  pagingDifferential,
  geoDifferential,
  expressionDifferential,
]) {
  test(differential.service, async (t) => {
    const make = () => guard(dataPort, createSqliteData({ directory: directory() }))
    const sides = { embedded: make(), remote: make() }
    await compare(t, differential, sides)
    await sides.embedded.close()
    await sides.remote.close()
  })
}
