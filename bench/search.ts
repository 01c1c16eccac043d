/**
 * `npm run bench:search`: search over 50 000 documents of some sixty words (`--documents N`): how long they take to add, what
 * opening the index and a query cost, and how much a query that matches all of them delays a concurrent GET cache.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createSqliteSearch } from '../adapters/search/sqlite.ts'
import { articleOf, clientOf } from './fixture.ts'
import { freeTcpPort, startSandbox } from './processes.ts'
import { endRequests, percentile, probe, timed } from './timing.ts'

const { values: options } = parseArgs({ options: { documents: { type: 'string', default: '50000' } } })
const documents = Number(options.documents)
const BATCH = 10_000
const QUERIES = 200
const OPEN_LIMIT_MS = 100
const QUERY_LIMIT_MS = 5
const DELAY_LIMIT_MS = 10
const mappings = { fields: ['title', 'text'], storeFields: ['title'] }

const print = (line: string) => process.stdout.write(`${line}\n`)

function* batches(): Generator<ReturnType<typeof articleOf>[]> {
  for (let from = 0; from < documents; from += BATCH) {
    yield Array.from({ length: Math.min(BATCH, documents - from) }, (_, n) => articleOf(from + n))
  }
}

/** The adapter alone: opening it, up to the first answer. */
async function openingMs(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'hyper-sandbox-bench-'))
  try {
    const filled = createSqliteSearch({ directory })
    await filled.open()
    await filled.createIndex({ index: 'large', mappings })
    for (const docs of batches()) await filled.bulk({ index: 'large', docs })
    await filled.close()
    const began = performance.now()
    const search = createSqliteSearch({ directory })
    await search.open()
    await search.query({ index: 'large', q: { query: 'topic7' } })
    const ms = performance.now() - began
    await search.close()
    return ms
  } finally {
    rmSync(directory, { recursive: true })
  }
}

const opening = await openingMs()
print(`opened, up to the first answer: ${opening.toFixed(1)} ms (limit ${OPEN_LIMIT_MS})`)

const sandbox = await startSandbox(await freeTcpPort())
try {
  const { url } = sandbox
  const client = clientOf(url)
  const query = (words: string) => timed(url, 'POST', '/search/large/_query', { query: words })
  await client.put('/cache/bench')
  await client.post('/cache/bench', { key: 'k', value: { n: 1 } })
  await client.put('/search/large', mappings)
  const began = performance.now()
  for (const docs of batches()) await client.post('/search/large/_bulk', docs)
  print(`${documents} documents added in ${((performance.now() - began) / 1_000).toFixed(1)} s`)

  const times: number[] = []
  for (let n = 0; n < QUERIES; n += 1) times.push((await query(`topic${n % 100}`)).ms)
  const middle = percentile(times, 0.5)
  print(
    `a word in 1 % of them: median ${middle.toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms (limit ${QUERY_LIMIT_MS})`,
  )

  await probe(url)
  const alone = await probe(url)
  const everything = (async () => {
    for (let n = 0; n < 5; n += 1) print(`a word in all of them: ${(await query('said')).ms.toFixed(0)} ms`)
  })()
  const beside = await probe(url, everything)
  const delay = percentile(beside, 0.99) - percentile(alone, 0.99)
  print(
    `GET cache p99 alone ${percentile(alone, 0.99).toFixed(2)} ms, beside them ${percentile(beside, 0.99).toFixed(2)} ms (${beside.length} probes): +${delay.toFixed(2)} ms (limit ${DELAY_LIMIT_MS})`,
  )
  if (opening > OPEN_LIMIT_MS || middle > QUERY_LIMIT_MS || delay > DELAY_LIMIT_MS) process.exitCode = 1
} finally {
  endRequests()
  await sandbox.close()
}
