/**
 * The promise that an app cannot tell the engines apart, on generated calls: every adapter on a server against the embedded one.
 * `HYPER_TEST_SCALE=10` runs 200 comparable cases for each route, option and operator, others each time; `HYPER_TEST_SEED` repeats
 * a run. At the common scale the calls are the same each time: what decides about a change shall not depend on luck.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { COMPARISONS, type Comparison } from './differential/engines.ts'
import { EXCEPTIONS } from './differential/exceptions.ts'
import {
  type Difference,
  differ,
  differenceOf,
  type Judge,
  type Sides,
  shortOf,
  table,
} from './differential/harness.ts'
import { FAULTS, standInJudge } from './differential/stand-in.ts'
import { startServer } from './parts/servers.ts'

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)
const CASES = Math.ceil(20 * SCALE)
const SEED = Number(process.env.HYPER_TEST_SEED ?? (SCALE > 1 ? Date.now() % 1_000_000 : 1))
const MAX_EXCEPTIONS = 15

const root = mkdtempSync(join(tmpdir(), 'hyper-differential-'))
after(() => rmSync(root, { recursive: true, force: true }))

/** Both engines of a service, for as long as `use` takes; a skip where the server's part is missing. */
async function withEngines(
  t: TestContext,
  comparison: Comparison,
  use: (sides: Sides<unknown>, isStandIn: boolean) => Promise<void>,
): Promise<void> {
  const { server: kind, embedded, remote, side } = comparison
  if (!remote) return t.skip('no adapter on a server yet')
  const server = await startServer(kind)
  if ('missing' in server) {
    assert.ok(!process.env.CI || kind === 'meilisearch', server.missing)
    return t.skip(server.missing)
  }
  await using disposable = server
  const ours = await side(await embedded(mkdtempSync(join(root, 'side-'))))
  const theirs = await side(await remote(disposable))
  try {
    await use({ embedded: ours.side, remote: theirs.side }, disposable.isOurs && kind === 'mongo')
  } finally {
    await ours.close()
    await theirs.close()
  }
}

/** @param isStandIn whether MongoDB is played by something else, whose faults are nobody's difference */
function judgeOf(isStandIn: boolean): Judge<unknown> {
  return {
    ...(isStandIn ? standInJudge : {}),
    async explain(difference, sides) {
      const exception = exceptionFor(difference)
      if (exception) return { kind: 'excepted', name: exception.name }
      return isStandIn ? await standInJudge.explain(difference, sides) : undefined
    },
  }
}

function exceptionFor(difference: Difference) {
  return EXCEPTIONS.find(({ service, recognise }) => service === difference.service && recognise(difference))
}

for (const comparison of COMPARISONS) {
  const { service } = comparison.differential
  test(`${service}: the engines answer alike`, (t) =>
    withEngines(t, comparison, async (sides, isStandIn) => {
      const judge = judgeOf(isStandIn)
      t.diagnostic(`${service}: seed ${SEED}`)
      const { counts, met } = await differ(comparison.differential, sides, { cases: CASES, seed: SEED, judge })
      for (const line of table(counts)) t.diagnostic(line)
      for (const [name, times] of met) t.diagnostic(`${times} × ${name}`)
      const short = shortOf(counts, CASES, judge).map(([label]) => label)
      assert.deepEqual(short, [], `fewer than ${CASES} comparable cases`)
    }))
}

for (const exception of EXCEPTIONS) {
  test(`exception, ${exception.service}: ${exception.name}`, (t) => {
    const comparison = COMPARISONS.find(({ differential }) => differential.service === exception.service)
    assert.ok(comparison, `nothing is compared under '${exception.service}'`)
    return withEngines(t, comparison, async (sides) => {
      const difference = await differenceOf(comparison.differential, sides, exception.example)
      assert.ok(difference, 'the engines agree: this is no exception any more')
      assert.equal(exceptionFor(difference)?.name, exception.name)
    })
  })
}

test("what is put down to MongoDB's stand-in is met there", (t) => {
  const comparison = COMPARISONS.find(({ differential }) => differential.service === 'data queries')
  assert.ok(comparison)
  return withEngines(t, comparison, async (sides, isStandIn) => {
    if (!isStandIn) return t.skip('this is MongoDB itself')
    for (const { name, example } of FAULTS) {
      const { documents, selector, sort = ['_id'] } = example
      const difference: Difference | undefined = await differenceOf(comparison.differential, sides, [
        { method: 'createDatabase', args: { db: 'd' } },
        { method: 'bulkDocuments', args: { db: 'd', docs: documents.map((doc, n) => ({ ...doc, _id: `k${n}` })) } },
        { method: 'queryDocuments', args: { db: 'd', query: { selector, sort } } },
      ])
      assert.ok(difference, `the stand-in answers rightly: ${name}`)
      assert.deepEqual(await standInJudge.explain(difference, sides), { kind: 'lacks', name })
    }
  })
})

test('exceptions are few, and users are told each of them', () => {
  assert.ok(EXCEPTIONS.length <= MAX_EXCEPTIONS)
  const docs = readFileSync(join(import.meta.dirname, '..', 'docs', 'engines.md'), 'utf8')
  for (const { name } of EXCEPTIONS)
    assert.ok(docs.includes(`**${name}**`), `docs/engines.md has no line for '${name}'`)
})
