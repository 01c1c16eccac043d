import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { get, post, put, TestProject, test } from './helpers/cli.ts'

/** Two documents and a key in `test`, one document in `other`. */
async function fill(url: string): Promise<void> {
  assert.equal(await put(`${url}/data/other`), 201)
  assert.equal(await post(`${url}/data/test`, { _id: 'a' }), 201)
  assert.equal(await post(`${url}/data/test`, { _id: 'b' }), 201)
  assert.equal(await post(`${url}/data/other`, { _id: 'a' }), 201)
  assert.equal(await post(`${url}/cache/test`, { key: 'a', value: { n: 1 } }), 201)
}

async function there(url: string) {
  const [data, other, cache] = await Promise.all(
    ['data/test/a', 'data/other/a', 'cache/test/a'].map((path) => get(`${url}/${path}`)),
  )
  return { data: data === 200, other: other === 200, cache: cache === 200 }
}

test('purge empties what is named in the domain and prints each with its count', async () => {
  await using project = new TestProject()
  const { url } = await project.up('--data', '--cache')
  await fill(url)
  const one = await project.run(['purge', 'data'])
  assert.deepEqual([one.code, one.stdout], [0, "data 'test' emptied: 2 documents\n"])
  assert.deepEqual(await there(url), { data: false, other: true, cache: true })
  assert.equal(await post(`${url}/data/test`, { _id: 'a' }), 201, 'it exists still')
  const both = await project.json(['purge', 'data,cache', '--domain', 'test'])
  assert.deepEqual(both.data.emptied, [
    { service: 'cache', domain: 'test', count: 1 },
    { service: 'data', domain: 'test', count: 1 },
  ])
  assert.deepEqual(await there(url), { data: false, other: true, cache: false })
  await project.down()
})

test('purge --all empties every domain; twice is fine', async () => {
  await using project = new TestProject()
  const { url } = await project.up('--data', '--cache')
  await fill(url)
  const first = await project.run(['purge', '--all'])
  assert.equal(first.code, 0)
  assert.deepEqual(first.stdout.split('\n').sort(), [
    '',
    "cache 'test' emptied: 1 key",
    "data 'other' emptied: 1 document",
    "data 'test' emptied: 2 documents",
  ])
  assert.deepEqual(await there(url), { data: false, other: false, cache: false })
  const second = await project.json(['purge', '--all'])
  assert.deepEqual(
    (second.data.emptied as { count: number }[]).map(({ count }) => count),
    [0, 0, 0],
  )
  await project.down()
})

test('purge empties the domain that runs, unless another is named; what is absent stays absent', async () => {
  await using project = new TestProject()
  const { url } = await project.up('--data', '--domain', 'shop')
  await post(`${url}/data/shop`, { _id: 'a' })
  const absent = await project.run(['purge', '--domain', 'nowhere'])
  assert.deepEqual([absent.code, absent.stdout], [0, "nothing to empty in the domain 'nowhere'\n"])
  assert.equal(await get(`${url}/data/nowhere`), 404)
  assert.equal(await get(`${url}/data/shop/a`), 200)
  assert.match((await project.run(['purge'])).stdout, /data 'shop' emptied: 1 document/)
  await project.down()
})

test('purge works on a stopped sandbox, which stays stopped', async () => {
  await using project = new TestProject()
  const first = await project.up('--data', '--cache')
  await fill(first.url)
  await project.down()
  const purged = await project.run(['purge', 'cache'])
  assert.deepEqual([purged.code, purged.stdout], [0, "cache 'test' emptied: 1 key\n"])
  assert.equal((await project.run(['status'])).code, 7)
  const { url } = await project.up()
  assert.deepEqual(await there(url), { data: true, other: true, cache: false })
  assert.equal(await post(`${url}/cache/test`, { key: 'a', value: { n: 1 } }), 201, 'the store is still there')
  await project.down()
})

test('purge of all five kinds, running and stopped, in a domain as the cloud names it', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', 'services: { queue: { attempts: 1 } }\n')
  const { url } = await project.up()
  const target = 'http://127.0.0.1:9/'
  const body = { fields: ['t'], target }
  const fillAll = async () => {
    for (const service of ['data', 'cache', 'storage', 'search', 'queue'])
      await put(`${url}/Shop/${service}/main`, body)
    assert.equal(await post(`${url}/data/Shop~main`, { _id: 'a' }), 201)
    assert.equal(await post(`${url}/cache/shop~main`, { key: 'a', value: {} }), 201)
    for (const name of ['a.txt', 'b/c.txt']) assert.equal(await post(`${url}/storage/Shop~main/${name}`, {}), 201)
    assert.equal(await post(`${url}/search/Shop~main`, { key: 'a', doc: { t: 'x' } }), 201)
    assert.equal(await post(`${url}/queue/shop~main`, {}), 201)
  }
  const emptied = [
    "data 'Shop~main' emptied: 1 document",
    "cache 'shop~main' emptied: 1 key",
    "storage 'Shop~main' emptied: 2 objects",
    "search 'Shop~main' emptied: 1 document",
    "queue 'shop~main' emptied: 1 job\n",
  ].join('\n')
  await fillAll()
  const running = await project.run(['purge', '--domain', 'Shop~main'])
  assert.deepEqual([running.code, running.stdout], [0, emptied])
  assert.equal(await get(`${url}/storage/Shop~main/a.txt`), 404)
  await fillAll()
  await project.down()
  assert.equal((await project.run(['purge', '--domain', 'Shop~main'])).stdout, emptied)
  const nothing = await project.json(['purge', 'queue,storage', '--all'])
  assert.deepEqual(nothing.data.emptied, [
    { service: 'storage', domain: 'Shop~main', count: 0 },
    { service: 'queue', domain: 'shop~main', count: 0 },
  ])
})

test('purge where nothing was ever kept makes nothing', async () => {
  await using project = new TestProject()
  const { code, stdout } = await project.run(['purge'])
  assert.deepEqual([code, stdout], [0, "nothing to empty in the domain 'test'\n"])
  assert.equal(existsSync(project.file('.hyper-sandbox')), false)
  await project.up('--ephemeral')
  await project.down()
  const before = readdirSync(project.file('.hyper-sandbox'))
  assert.equal((await project.run(['purge'])).code, 0)
  assert.deepEqual(readdirSync(project.file('.hyper-sandbox')), before)
})

test('purge of a service that this run is without', async () => {
  await using project = new TestProject()
  await project.up('--only', 'data')
  const off = await project.json(['purge', 'cache'])
  assert.equal(off.code, 7)
  assert.equal(off.error?.code, 'SERVICE_NOT_STARTED')
  await project.down()
})

test('up --purge=cache empties only that before it creates, also in a sandbox that runs', async () => {
  await using project = new TestProject()
  const first = await project.up('--data', '--cache')
  await fill(first.url)
  const running = await project.json(['up', '--data', '--cache', '--purge=cache'])
  assert.deepEqual(running.data.emptied, [{ service: 'cache', domain: 'test', count: 1 }])
  assert.deepEqual(await there(first.url), { data: true, other: true, cache: false })
  await post(`${first.url}/cache/test`, { key: 'a', value: { n: 1 } })
  await project.down()
  const again = await project.json(['up', '-d', '--purge=cache', '--data', '--cache'])
  assert.deepEqual(again.data.emptied, [{ service: 'cache', domain: 'test', count: 1 }])
  assert.deepEqual(await there(first.url), { data: true, other: true, cache: false })
  const restarted = await project.json(['restart'])
  assert.deepEqual(restarted.data.emptied, [], 'a restart does not empty again')
  await project.down()
  const all = await project.run(['up', '-d', '--purge'])
  assert.match(all.stderr, /data 'test' emptied: 2 documents/)
  assert.deepEqual(await there(first.url), { data: false, other: true, cache: false })
  await project.down()
})
