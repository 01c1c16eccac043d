/** The hyper services from inside apps: through hyper-connect, by fetch, and queues that deliver to apps (design §9). */
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { request } from 'undici'
import { eventually, put, TestProject, test } from './helpers/cli.ts'

const APP = `
import { connect } from 'hyper-connect'

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    const hyper = connect(env.HYPER)
    if (pathname === '/services') {
      return Response.json({
        data: [await hyper.data.add({ _id: 'one', n: 1 }), (await hyper.data.get('one')).doc.n],
        cache: [await hyper.cache.set('key', { n: 2 }), (await hyper.cache.get('key')).doc.n],
        search: [await hyper.search.add('doc', { title: 'hello' }), (await hyper.search.query('hello')).matches.length],
        storage: await hyper.storage.upload('a.txt', new TextEncoder().encode('stored')),
        stored: await new Response((await hyper.storage.download('a.txt')).object).text(),
        queue: await hyper.queue.enqueue({ job: 1 }),
      })
    }
    if (pathname === '/binding') return env.hyper.fetch('/data/test/one')
    if (pathname === '/absolute') return env.hyper.fetch(new Request('http://any/data/test/one'))
    if (pathname === '/admin') return fetch(new URL('/_sandbox/shutdown', env.HYPER), { method: 'POST' })
    if (pathname === '/private') return env.hyper.fetch('/_bindings/kv/test/')
    if (pathname === '/jobs') {
      await hyper.cache.set('job', await request.json())
      return new Response('done')
    }
    return new Response(env.HYPER)
  },
}`

const PROJECT = `
apps:
  - { name: api, path: ./api }
  - { name: other, path: ./other.js, hostname: jobs.example.com }
services:
  queue: { target: 'http://api.localhost/jobs' }
  search: { fields: [title] }
`

function appProject(): TestProject {
  const project = new TestProject()
  mkdirSync(project.file('api/node_modules'), { recursive: true })
  // As npm would put it there.
  symlinkSync(
    join(import.meta.dirname, '../node_modules/hyper-connect'),
    project.file('api/node_modules/hyper-connect'),
  )
  project.write('hyper-sandbox.yaml', PROJECT)
  project.write('api/index.js', APP)
  project.write(
    'other.js',
    `export default { fetch: async (request, env) => {
      const { pathname } = new URL(request.url)
      if (pathname === '/api') return env.APPS.api.fetch('/url')
      const { name } = await request.json()
      const init = { method: 'PUT', body: '{}', headers: { 'content-type': 'application/json' } }
      return await env.hyper.fetch('/cache/test/job-' + name, init)
    } }`,
  )
  return project
}

const CREATE = ['--data', '--cache', '--storage', '--search', '--queue']

async function ask(url: string, path: string, host = 'api.localhost') {
  const { statusCode, body } = await request(`${url}${path}`, { headers: { host } })
  return { status: statusCode, text: await body.text() }
}

const CREDENTIALS = { HYPER_SANDBOX_AUTH_KEY: 'key/ä', HYPER_SANDBOX_AUTH_SECRET: 's/cret ☃' }

for (const env of [{}, CREDENTIALS]) {
  const isGuarded = 'HYPER_SANDBOX_AUTH_KEY' in env
  test(`an app uses all five services through hyper-connect${isGuarded ? ', with credentials' : ''}`, async () => {
    await using project = appProject()
    Object.assign(project.env, env)
    const { url } = await project.up(...CREATE)
    assert.equal((await fetch(`${url}/data/test`)).status, isGuarded ? 401 : 200)
    assert.deepEqual(JSON.parse((await ask(url, '/services')).text), {
      data: [{ ok: true, id: 'one' }, 1],
      cache: [{ ok: true }, 2],
      search: [{ ok: true }, 1],
      storage: { ok: true },
      stored: 'stored',
      queue: { ok: true, id: 2 },
    })
    for (const path of ['/binding', '/absolute']) {
      assert.deepEqual(JSON.parse((await ask(url, path)).text), { _id: 'one', n: 1 }, path)
    }
    // Not an admin's, whichever way it asks.
    assert.equal((await ask(url, '/admin')).status, 404)
    assert.equal((await ask(url, '/private')).status, 404)
    await project.down()
  })
}

test('an app calls another by name', async () => {
  await using project = appProject()
  const { url } = await project.up(...CREATE)
  const { text } = await ask(url, '/api', 'jobs.example.com')
  assert.equal(text, 'http://hyper.internal/test')
  await project.down()
})

test("a queue's target may be an app, with the sandbox's TCP port and without, whatever DNS knows of its host", async () => {
  await using project = appProject()
  const { url, tcpPort } = await project.up(...CREATE)
  const post = async (name: string, target: string) => {
    assert.equal(await put(`${url}/queue/${name}`, { target }), 201)
    const init = { method: 'POST', body: JSON.stringify({ name }), headers: { 'content-type': 'application/json' } }
    assert.equal((await fetch(`${url}/queue/${name}`, init)).status, 201)
  }
  const delivered = async (name: string) => (await fetch(`${url}/cache/test/job-${name}`)).status === 200
  // The queue of the project file delivers to api.localhost.
  await fetch(`${url}/queue/test`, {
    method: 'POST',
    body: '{"from":"file"}',
    headers: { 'content-type': 'application/json' },
  })
  await eventually(
    'the job came',
    async () => (await (await fetch(`${url}/cache/test/job`)).text()) === '{"from":"file"}',
  )

  await post('without', 'http://jobs.example.com/jobs')
  await post('with', `http://Jobs.Example.com:${tcpPort}/jobs`)
  await eventually('the jobs came', async () => (await delivered('without')) && (await delivered('with')))
  for (const name of ['without', 'with']) {
    assert.deepEqual(await (await fetch(`${url}/queue/${name}?status=ERROR`)).json(), {
      ok: true,
      jobs: [],
    })
  }
  // Another TCP port is another server.
  await post('elsewhere', 'http://jobs.example.com:1/jobs')
  await eventually('it failed', async () => {
    const { jobs } = (await (await fetch(`${url}/queue/elsewhere?status=ERROR`)).json()) as { jobs: unknown[] }
    return jobs.length === 1
  })
  assert.equal(await delivered('elsewhere'), false)
  await project.down()
})
