import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, statSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { eventually, TestProject, test } from './helpers/cli.ts'
import { fingerprint, nanoCache, nanoFiles, nanoQueue, nanoSearch } from './helpers/nano-directory.ts'

const HOUR_MS = 3_600_000

function json(url: string): Promise<unknown> {
  return fetch(url).then((response) => response.json())
}

/** Each as `service domain imported existing refused`. */
function counts(data: Record<string, unknown>): string[] {
  const rows = data.imported as {
    service: string
    domain: string
    imported: number
    existing: number
    refused: number
  }[]
  return rows
    .map(
      ({ service, domain, imported, existing, refused }) => `${service} ${domain} ${imported} ${existing} ${refused}`,
    )
    .sort()
}

test('cache: stores and keys come in, with the time they have left; the source stays as it is', async () => {
  await using project = new TestProject()
  const source = project.file('__hyper__')
  nanoCache(source, {
    shop: [
      { key: 'kept', value: '{"n":1}' },
      { key: 'kept', value: '{"n":"never read by hyper nano"}' },
      { key: 'hour', value: '{"n":2}', ttl: 2 * HOUR_MS, at: Date.now() - HOUR_MS },
      { key: 'null', value: '{"n":3}', ttl: null },
      { key: 'over', value: '{"n":4}', ttl: HOUR_MS, at: Date.now() - 2 * HOUR_MS },
      { key: 'a.b', value: '{"n":5}' },
      { key: 'broken', value: '{"n":' },
    ],
    empty: [],
  })
  const before = fingerprint(source)
  const { code, data, envelope } = await project.json(['import', '__hyper__'])
  assert.equal(code, 0)
  assert.deepEqual(data.imported, [
    { service: 'cache', domain: 'empty', imported: 0, existing: 0, expired: 0, refused: 0 },
    { service: 'cache', domain: 'shop', imported: 3, existing: 1, expired: 1, refused: 2 },
  ])
  assert.match(envelope.warnings.join(), /^cache 'shop': 2 keys left out: .*'a\.b' \(key is not valid\)/)
  assert.deepEqual(fingerprint(source), before)
  const { url } = await project.up()
  assert.deepEqual(await json(`${url}/cache/shop/kept`), { n: 1 })
  assert.deepEqual(await json(`${url}/cache/shop/hour`), { n: 2 })
  assert.deepEqual(await json(`${url}/cache/shop/null`), { n: 3 })
  assert.equal((await fetch(`${url}/cache/shop/over`)).status, 404)
  assert.equal((await fetch(`${url}/cache/empty`, { method: 'PUT' })).status, 409)
  await project.down()
})

test('search: indexes come in with their settings and documents', async () => {
  await using project = new TestProject()
  const source = project.file('__hyper__')
  const docs = { a: { title: 'old boots', price: 1 }, b: { _id: 'other', title: 'new hat', price: 2 } }
  const mappings = { fields: ['title'], storeFields: ['price'] }
  nanoSearch(source, { 'My Shop': { mappings, docs }, empty: { mappings: { fields: [] }, docs: {} } }, { o: { n: 1 } })
  const before = fingerprint(source)
  const { data, envelope } = await project.json(['import', '__hyper__'])
  assert.deepEqual(counts(data), ['search My Shop 2 0 0', 'search empty 0 0 0'])
  assert.match(envelope.warnings.join(), /^search 'gone' was left out: 1 of its documents/)
  assert.deepEqual(fingerprint(source), before)
  const { url } = await project.up()
  const found = await fetch(`${url}/search/My%20Shop/_query`, { method: 'POST', body: '{"query":"boots"}' })
  const { matches } = (await found.json()) as { matches: { id: string; price: number }[] }
  assert.deepEqual(
    matches.map(({ id, price }) => [id, price]),
    [['a', 1]],
  )
  assert.deepEqual(await json(`${url}/search/My%20Shop/b`), {
    ok: true,
    key: 'b',
    doc: { _id: 'other', title: 'new hat', price: 2 },
  })
  await project.down()
  assert.deepEqual(counts((await project.json(['import', '__hyper__'])).data), [
    'search My Shop 0 2 0',
    'search empty 0 0 0',
  ])
})

test('storage: files come in as objects, links are not followed, what else hyper nano kept there is no bucket', async () => {
  await using project = new TestProject()
  const source = project.file('__hyper__')
  const large = Buffer.alloc(300_000, 'x')
  nanoFiles(source, {
    'img/logo.svg': '<svg/>',
    'img/deep/er/ü 1.bin': large,
    'img/none': '',
    'empty/.gone': '',
    'mongoms/data/WiredTiger': '',
    'mongoms/7.0.11/mongod': '',
  })
  rmSync(join(source, 'empty/.gone'))
  symlinkSync('/etc', join(source, 'img/etc'))
  symlinkSync('/etc', join(source, 'etc'))
  const before = fingerprint(source)
  const { data, envelope } = await project.json(['import', '__hyper__', '--only', 'storage'])
  assert.deepEqual(counts(data), ['storage empty 0 0 0', 'storage img 3 0 1'])
  assert.deepEqual(envelope.warnings, ["storage 'img': 1 object left out: 'etc' (it is a link, no file)"])
  assert.deepEqual(fingerprint(source), before)
  const { url } = await project.up()
  const logo = await fetch(`${url}/storage/img/logo.svg`)
  assert.deepEqual([logo.headers.get('content-type'), await logo.text()], ['image/svg+xml', '<svg/>'])
  const deep = await fetch(`${url}/storage/img/deep/er/${encodeURIComponent('ü 1.bin')}`)
  assert.ok(large.equals(Buffer.from(await deep.arrayBuffer())))
  assert.equal((await fetch(`${url}/storage/empty`, { method: 'PUT' })).status, 409)
  await project.down()
  assert.deepEqual(counts((await project.json(['import', '__hyper__', '--only', 'storage'])).data), [
    'storage empty 0 0 0',
    'storage img 0 3 1',
  ])
})

test('queue: jobs that wait are sent once the sandbox runs, failed ones stay failed; a second import sends none again', async () => {
  await using project = new TestProject()
  await using worker = await listener()
  const source = project.file('__hyper__')
  nanoQueue(source, {
    mail: {
      target: worker.url,
      secret: 'shh',
      jobs: [
        { job: { n: 1 }, status: 'READY' },
        { job: { n: 2 }, status: 'ERROR' },
        { job: { n: 3 }, status: 'READY' },
        { job: [4], status: 'READY' },
      ],
    },
    odd: { target: 'ftp://example.com/', jobs: [] },
  })
  const before = fingerprint(source)
  const { data, envelope } = await project.json(['import', '__hyper__'])
  assert.deepEqual(counts(data), ['queue mail 3 0 1'])
  assert.match(envelope.warnings.join('\n'), /queue 'odd' was left out: .*Invalid url/)
  assert.deepEqual(worker.bodies, [], 'a stopped sandbox sends nothing')
  const { url } = await project.up()
  await eventually('the waiting jobs were sent', () => worker.bodies.length === 2)
  assert.deepEqual(worker.bodies.sort(), ['{"n":1}', '{"n":3}'])
  const failed = (await json(`${url}/queue/mail?status=ERROR`)) as { jobs: { job: object; error: string }[] }
  assert.deepEqual(
    failed.jobs.map(({ job, error }) => [job, error]),
    [[{ n: 2 }, 'it failed in hyper nano']],
  )
  assert.deepEqual(counts((await project.json(['import', '__hyper__'])).data), ['queue mail 0 4 0'])
  assert.deepEqual(fingerprint(source), before)
  assert.equal(worker.bodies.length, 2)
  assert.equal((await fetch(`${url}/queue/mail`, { method: 'DELETE' })).status, 201)
  assert.deepEqual(counts((await project.json(['import', '__hyper__'])).data), ['queue mail 3 0 1'])
  await project.down()
})

test('again, nothing is doubled or overwritten; also into a running sandbox', async () => {
  await using project = new TestProject()
  nanoCache(project.file('__hyper__'), {
    shop: [{ key: 'a', value: '{"from":"nano"}' }],
    other: [{ key: 'b', value: '{}' }],
  })
  const { url } = await project.up()
  const first = await project.run(['import', '__hyper__', '--domain', 'shop'])
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^service +domain +imported +there already +expired +left out\ncache +shop +1 +0 +0 +0\n$/)
  assert.equal((await fetch(`${url}/cache/other/_query`)).status, 404)
  await fetch(`${url}/cache/shop/a`, { method: 'PUT', body: '{"from":"here"}' })
  const second = await project.json(['import', '__hyper__', '--only', 'cache'])
  assert.deepEqual(counts(second.data), ['cache other 1 0 0', 'cache shop 0 1 0'])
  assert.deepEqual(await json(`${url}/cache/shop/a`), { from: 'here' })
  await project.down()
})

test('a running sandbox imports for the bearer of its token only', async () => {
  await using project = new TestProject()
  const { url } = await project.up()
  const reply = await fetch(`${url}/_sandbox/import`, { method: 'POST', body: '{"directory":"/"}' })
  assert.equal(reply.status, 401)
  await project.down()
})

test('a crash of hyper nano left a journal: what it holds counts, and the files stay as they are', async () => {
  await using project = new TestProject()
  const source = project.file('__hyper__')
  nanoCache(source, { shop: [{ key: 'a', value: '{}' }] })
  const crash = `const { DatabaseSync } = require('node:sqlite')
    const db = new DatabaseSync(process.argv[1])
    db.exec(process.argv[2])
    process.kill(process.pid, 'SIGKILL')`
  const insert = `INSERT INTO shop (key, value, ttl, timestmp) VALUES ('b', '{}', 0, '')`
  const cases = [
    [`PRAGMA journal_mode = WAL; ${insert}`, '-wal', 2],
    // Enough pages that some reach the file before the commit that never comes.
    [
      `PRAGMA cache_size = 1; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
      INSERT INTO shop (key, value, ttl, timestmp) SELECT 'c' || i, '{}', 0, '' FROM n`,
      '-journal',
      1,
    ],
  ] as const
  for (const [statements, journal, expected] of cases) {
    rmSync(source, { recursive: true })
    nanoCache(source, { shop: [{ key: 'a', value: '{}' }] })
    spawnSync(process.execPath, ['--no-warnings', '-e', crash, join(source, 'cache.db'), statements])
    assert.ok(statSync(join(source, `cache.db${journal}`)).size > 0)
    const before = fingerprint(source)
    const { data } = await project.json(['import', '__hyper__'])
    const [{ imported, existing } = { imported: 0, existing: 0 }] = data.imported as {
      imported: number
      existing: number
    }[]
    assert.equal(imported + existing, expected, journal)
    assert.deepEqual(fingerprint(source), before)
  }
})

test("what is no directory of hyper nano's is refused, and nothing is made", async () => {
  await using project = new TestProject()
  nanoCache(project.file('old/__hyper__'), { shop: [] })
  const cases: [string, RegExp, RegExp][] = [
    ['none', /no directory .*none$/, /__hyper__/],
    ['.', /no directory of hyper nano/, /__hyper__/],
    ['old', /no directory of hyper nano/, /hyper-sandbox import .*old\/__hyper__/],
  ]
  for (const [directory, message, action] of cases) {
    const { code, error } = await project.json(['import', directory])
    assert.equal(code, 1)
    assert.match(error?.message ?? '', message)
    assert.match(error?.actions.join() ?? '', action)
  }
  const damaged = project.file('__hyper__')
  nanoFiles(damaged, { 'cache.db': 'this is no database, but it is long enough to be taken for one'.repeat(20) })
  const { code, error } = await project.json(['import', '__hyper__'])
  assert.equal(code, 1)
  assert.match(error?.message ?? '', /the cache database in .*__hyper__ cannot be read/)
})

test("MongoDB's files are named, with how to copy what they hold", async () => {
  await using project = new TestProject()
  nanoFiles(project.file('__hyper__'), { 'mongoms/data/WiredTiger': 'WiredTiger', 'mongoms/data/collection-0.wt': '' })
  const { code, stdout, stderr } = await project.run(['import', '__hyper__'])
  assert.equal(code, 0)
  assert.equal(stdout, 'nothing was imported\n')
  assert.match(stderr, /mongoms\/data holds MongoDB's own files.*PORT=6364 \.\/hyper-nano.*_bulk/)
  assert.equal((await project.run(['import', '__hyper__', '--only', 'cache'])).stderr, '')
})

async function listener(): Promise<{ url: string; bodies: string[] } & AsyncDisposable> {
  const bodies: string[] = []
  const server = createServer(async (request, response) => {
    bodies.push(await text(request))
    response.end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
