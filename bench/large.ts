/**
 * `npm run bench:large`: what a large database does to everybody else. One million documents (`--documents N`): how much an
 * unindexed query over them delays a concurrent GET cache, what an indexed query costs against one over 10 000 documents,
 * and whether a write fails while the index is built.
 */
import { parseArgs } from 'node:util'
import { clientOf } from './fixture.ts'
import { freeTcpPort, startSandbox } from './processes.ts'
import { endRequests, percentile, probe, timed } from './timing.ts'

const { values: options } = parseArgs({ options: { documents: { type: 'string', default: '1000000' } } })
const large = Number(options.documents)
const small = 10_000
const BATCH = 20_000
const QUERIES = 300

const print = (line: string) => process.stdout.write(`${line}\n`)

function document(n: number): Record<string, unknown> {
  return { _id: `d${String(n).padStart(7, '0')}`, name: `Person ${n}`, age: n % 97, code: `c${n}`, tags: ['a', 'b'] }
}

async function fillWith(url: string, db: string, count: number): Promise<void> {
  const client = clientOf(url)
  await client.put(`/data/${db}`)
  for (let from = 0; from < count; from += BATCH) {
    const size = Math.min(BATCH, count - from)
    await client.post(
      `/data/${db}/_bulk`,
      Array.from({ length: size }, (_, n) => document(from + n)),
    )
  }
}

async function queryMedian(url: string, db: string, count: number): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < QUERIES; n++) {
    const selector = { code: `c${(n * 7919) % count}` }
    times.push((await timed(url, 'POST', `/data/${db}/_query`, { selector })).ms)
  }
  return percentile(times, 0.5)
}

const sandbox = await startSandbox(await freeTcpPort())
try {
  const { url } = sandbox
  const client = clientOf(url)
  await client.put('/cache/bench')
  await client.post('/cache/bench', { key: 'k', value: { n: 1 } })
  await fillWith(url, 'small', small)
  const began = performance.now()
  await fillWith(url, 'large', large)
  print(`${large} documents stored in ${((performance.now() - began) / 1000).toFixed(1)} s`)

  await probe(url)
  const alone = await probe(url)
  const scans = (async () => {
    for (let n = 0; n < 4; n++) {
      const { status, ms } = await timed(url, 'POST', '/data/large/_query', { selector: { age: 200 + n } })
      print(`unindexed query: ${status} in ${ms.toFixed(0)} ms`)
    }
  })()
  const beside = await probe(url, scans)
  const delay = percentile(beside, 0.99) - percentile(alone, 0.99)
  print(
    `GET cache p99 alone ${percentile(alone, 0.99).toFixed(2)} ms, beside the scans ${percentile(beside, 0.99).toFixed(2)} ms (${beside.length} probes): +${delay.toFixed(2)} ms (limit 10)`,
  )

  await client.post('/data/small/_index', { name: 'by-code', fields: ['code'] })
  let failed = 0
  let writes = 0
  let slowest = 0
  let built = false
  const build = timed(url, 'POST', '/data/large/_index', { name: 'by-code', fields: ['code'] })
  const writer = (async () => {
    while (!built) {
      const { status, ms } = await timed(url, 'POST', '/data/large', { code: `new${writes++}` })
      if (status !== 201) failed += 1
      slowest = Math.max(slowest, ms)
    }
  })()
  const { status, ms } = await build
  built = true
  await writer
  print(
    `index built: ${status} in ${ms.toFixed(0)} ms; meanwhile ${writes} writes, ${failed} failed, slowest ${slowest.toFixed(0)} ms`,
  )

  await queryMedian(url, 'small', small)
  await queryMedian(url, 'large', large)
  const atSmall = await queryMedian(url, 'small', small)
  const atLarge = await queryMedian(url, 'large', large)
  print(
    `indexed query: ${atSmall.toFixed(3)} ms over ${small}, ${atLarge.toFixed(3)} ms over ${large}: × ${(atLarge / atSmall).toFixed(2)} (limit 1.5)`,
  )
  if (delay >= 10 || failed > 0 || atLarge > 1.5 * atSmall) process.exitCode = 1
} finally {
  endRequests()
  await sandbox.close()
}
