/** An app's own wrangler file as its defaults, through the command line. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { request } from 'undici'
import { put, TestProject, test } from './helpers/cli.ts'

const APP = `export default {
  async fetch(request, env) {
    if (request.method === 'PUT') {
      await env.KV?.put('key', 'kept')
      await env.FILES?.put('key', 'stored')
    }
    const { TEXT, NUMBER, OBJECT, SECRET } = env
    return Response.json({ TEXT, NUMBER, OBJECT, SECRET, kv: await env.KV?.get('key'), isNode: typeof process !== 'undefined' })
  },
  scheduled() { console.log('on time') },
}`

const TOML = `
name = "from-toml"
main = "source/worker.ts"
compatibility_date = "2026-01-01"
compatibility_flags = ["nodejs_compat"]
workers_dev = true
[observability]
enabled = true
[vars]
TEXT = "toml"
NUMBER = 5
OBJECT = { nested = [1, 2] }
SECRET = "toml"
[triggers]
crons = ["*/5 * * * *"]
[[kv_namespaces]]
binding = "KV"
id = "0F1E2D"
[[r2_buckets]]
binding = "FILES"
bucket_name = "pictures"
[assets]
directory = "./public"
`

const JSONC = `{
  // As new projects have it.
  "$schema": "node_modules/wrangler/config-schema.json",
  "name": "from-jsonc",
  "main": "index.js",
  "vars": { "TEXT": "jsonc", },
  "kv_namespaces": [{ "binding": "KV", "id": "<YOUR ID>" }],
}`

const PROJECT = `
apps:
  - { path: ./toml, env: { SECRET: project } }
  - { path: ./jsonc }
  - { path: ./plain.js }
`

function wranglerProject(): TestProject {
  const project = new TestProject()
  for (const directory of ['toml/source', 'toml/public', 'jsonc'])
    mkdirSync(project.file(directory), { recursive: true })
  project.write('hyper-sandbox.yaml', PROJECT)
  project.write('toml/wrangler.toml', TOML)
  project.write('toml/source/worker.ts', `const typed: string = 'typed'; void typed\n${APP}`)
  project.write('toml/public/page.txt', 'a page')
  project.write('jsonc/wrangler.jsonc', JSONC)
  project.write('jsonc/index.js', APP)
  project.write('plain.js', APP)
  return project
}

async function ask(url: string, host: string, path = '/', method: 'GET' | 'PUT' = 'GET') {
  const { body } = await request(`${url}${path}`, { method, headers: { host } })
  return await body.text()
}

test('what a wrangler file says holds where the project file says nothing else', async () => {
  await using project = wranglerProject()
  const { stderr } = await project.run(['up', '--detach', '--port', '0'])
  assert.equal(
    stderr.match(/wrangler\.toml says workers_dev, observability, which mean nothing here/g)?.length,
    1,
    stderr,
  )
  assert.doesNotMatch(stderr, /jsonc says/)
  const { url } = project.state()
  assert.deepEqual(JSON.parse(await ask(url, 'from-toml.localhost', '/', 'PUT')), {
    TEXT: 'toml',
    NUMBER: 5,
    OBJECT: { nested: [1, 2] },
    SECRET: 'project',
    kv: 'kept',
    isNode: true,
  })
  assert.equal(await ask(url, 'from-toml.localhost', '/page.txt'), 'a page')
  assert.equal(await (await fetch(`${url}/cache/0f1e2d/kv%2Fkey`)).text(), '{"value":"kept"}')
  assert.equal(await (await fetch(`${url}/storage/pictures/key`)).text(), 'stored')
  assert.deepEqual(JSON.parse(await ask(url, 'from-jsonc.localhost', '/', 'PUT')), {
    TEXT: 'jsonc',
    kv: 'kept',
    isNode: false,
  })
  assert.equal((await fetch(`${url}/cache/kv/kv%2Fkey`)).status, 200)
  assert.deepEqual(JSON.parse(await ask(url, 'plain.localhost')), { isNode: false })
  assert.equal(await put(`${url}/cache/kv/other`, { n: 1 }), 200)
  await project.down()
})

test('a wrangler file that cannot be read, and a cron that is none, are told of before anything starts', async () => {
  await using project = wranglerProject()
  const refused = async (file: string, text: string) => {
    project.write(file, text)
    const { code, stderr } = await project.run(['up', '--detach', '--port', '0'])
    assert.equal(code, 8, stderr)
    return stderr
  }
  assert.match(await refused('jsonc/wrangler.jsonc', '{\n  "name": oops }'), /wrangler\.jsonc:2:11/)
  assert.match(await refused('jsonc/wrangler.jsonc', '{ "name": 5 }'), /wrangler\.jsonc: name:/)
  project.write('jsonc/wrangler.jsonc', JSONC)
  assert.match(await refused('toml/wrangler.toml', 'name = "x"\nmain = \n'), /wrangler\.toml:2:/)
  assert.match(
    await refused('toml/wrangler.toml', TOML.replace('*/5', '*/x')),
    /the app from-toml has the cron '\*\/x \* \* \* \*'/,
  )
  project.write('toml/wrangler.toml', TOML)
  const inProject = (text: string) =>
    refused('hyper-sandbox.yaml', `apps:\n  - path: ./plain.js\n  - { path: ./toml,\n      ${text} }\n`)
  assert.match(await inProject('kv: { K: "No Store" }'), /hyper-sandbox\.yaml:4: .*name of a cache store/)
  const cron = await inProject("crons: ['* * * * *', '0 25 * * *']")
  assert.match(cron, /hyper-sandbox\.yaml:4: apps\.1\.crons\.1 is the cron '0 25 \* \* \*'/)
  assert.match(await inProject('timout_ms: 5'), /hyper-sandbox\.yaml:4: unknown key 'apps\.1\.timout_ms'.*timeout_ms/)
})
