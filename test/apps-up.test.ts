/** Apps beside the services, through the real command line: on their hosts, bound, reloaded, gone afterwards (design §9). */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { eventually, put, TestProject, test } from './helpers/cli.ts'

const GREETING = (text: string) => `export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    if (pathname === '/hyper') {
      const answer = await fetch(new URL('/cache/test/from-app', env.HYPER))
      return new Response(answer.body, answer)
    }
    if (pathname === '/loop') for (;;) {}
    return Response.json({ text: '${text}', level: env.LEVEL })
  },
}
`

const PROJECT = `
services: { search: false, queue: false }
apps:
  - { name: greeter, path: ./greeter, env: { LEVEL: 3 }, timeout_ms: 500 }
  - { name: other, hostname: [other.localhost, '*.wild.localhost'], path: ./other.js }
`

function appProject(): TestProject {
  const project = new TestProject()
  mkdirSync(project.file('greeter'))
  project.write('hyper-sandbox.yaml', PROJECT)
  project.write('greeter/index.js', GREETING('first'))
  project.write('other.js', `export default { fetch: () => new Response('the other') }`)
  return project
}

async function ask(url: string, host: string, path = '/') {
  const { statusCode, headers, body } = await request(`${url}${path}`, { headers: { host } })
  return { status: statusCode, headers, text: await body.text() }
}

test('an app answers on its host, by path, and beside the services', async () => {
  await using project = appProject()
  const { stderr } = await project.run(['up', '--detach', '--port', '0'])
  const { url, tcpPort } = project.state()
  assert.match(stderr, new RegExp(`http://greeter\\.localhost:${tcpPort}  greeter`))

  assert.deepEqual(JSON.parse((await ask(url, `Greeter.localhost:${tcpPort}`)).text), { text: 'first', level: '3' })
  const { text, headers } = await ask(url, 'deep.wild.localhost')
  assert.equal(text, 'the other')
  // Its own headers, none of the gateway's.
  assert.deepEqual(Object.keys(headers).sort(), ['connection', 'content-length', 'content-type', 'date', 'keep-alive'])
  assert.equal((await ask(url, 'localhost', '/_app/other/any')).text, 'the other')
  assert.equal((await ask(url, 'greeter.localhost', '/health')).text, '{"status":"ok"}')
  assert.equal((await ask(url, 'nobody.localhost', '/data/test')).status, 404)

  await put(`${url}/cache/test`)
  await put(`${url}/cache/test/from-app`, { n: 1 })
  assert.equal((await ask(url, 'greeter.localhost', '/hyper')).text, '{"n":1}')

  await project.down()
  assert.deepEqual(project.appProcesses(), [])
})

test('a saved file is served, a broken one leaves what was there', async () => {
  await using project = appProject()
  const { url } = await project.up()
  const greeting = async () => JSON.parse((await ask(url, 'greeter.localhost')).text).text
  assert.equal(await greeting(), 'first')

  project.write('greeter/index.js', GREETING('second'))
  await eventually('the second is served', async () => (await greeting()) === 'second')

  project.write('greeter/index.js', 'export default { fetch( {')
  await sleep(500)
  assert.equal(await greeting(), 'second')
  const { stdout } = await project.run(['logs'])
  assert.match(stdout, /CompilationFailed/)

  project.write('greeter/index.js', GREETING('third'))
  await eventually('the third is served', async () => (await greeting()) === 'third')
  await project.down()
})

test('an app that loops is ended and back; the others never notice', async () => {
  await using project = appProject()
  const { url } = await project.up()
  const looping = ask(url, 'greeter.localhost', '/loop')
  await sleep(200)
  const begun = performance.now()
  assert.equal((await ask(url, 'other.localhost')).text, 'the other')
  assert.ok(performance.now() - begun < 400, 'the other app waited')
  const { status, text } = await looping
  assert.deepEqual({ status, text }, { status: 408, text: 'Script execution timed out' })
  assert.equal((await ask(url, 'greeter.localhost')).status, 200)
  await project.down()
})

test('no process of an app outlives a sandbox that is killed, and the next start is none the worse', async () => {
  await using project = appProject()
  const { pid } = await project.up()
  assert.equal(project.appProcesses().length, 2)
  process.kill(pid, 'SIGKILL')
  await eventually('they are gone', () => project.appProcesses().length === 0)
  const { url } = await project.up()
  assert.equal((await ask(url, 'other.localhost')).text, 'the other')
  await project.down()
})

test('two apps of one host, and an unknown setting, are told of before anything starts', async () => {
  await using project = appProject()
  project.write('hyper-sandbox.yaml', `${PROJECT}  - { name: third, hostname: OTHER.localhost, path: ./other.js }\n`)
  const shared = await project.run(['up', '--detach', '--port', '0'])
  assert.equal(shared.code, 8)
  assert.match(shared.stderr, /the apps other and third both have the host other\.localhost/)
  project.write('hyper-sandbox.yaml', 'apps: [{ name: a, path: ./other.js, timeout: 5 }]')
  const unknown = await project.run(['up', '--detach', '--port', '0'])
  assert.equal(unknown.code, 8)
  assert.match(unknown.stderr, /timeout/)
})
