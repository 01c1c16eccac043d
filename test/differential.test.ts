import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSqliteCache } from '../adapters/cache/sqlite.ts'
import { guard } from '../server/port.ts'
import { cachePort } from '../server/ports/cache.ts'
import { cacheDifferential } from './differential/cache.ts'
import { differ, table } from './differential/harness.ts'

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)
const CASES = Math.ceil(20 * SCALE)
const SEED = Number(process.env.HYPER_TEST_SEED ?? Date.now() % 1_000_000)
const root = mkdtempSync(join(tmpdir(), 'hyper-differential-'))
after(() => rmSync(root, { recursive: true, force: true }))

test('the embedded engine agrees with itself', async (t) => {
  const make = () => guard(cachePort, createSqliteCache({ directory: mkdtempSync(join(root, 'side-')) }))
  const sides = { embedded: make(), remote: make() }
  const { counts } = await differ(cacheDifferential, sides, { cases: CASES, seed: SEED })
  for (const line of table(counts)) t.diagnostic(line)
  await sides.embedded.close()
  await sides.remote.close()
})
