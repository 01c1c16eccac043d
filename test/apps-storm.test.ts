/** Apps are replaced under load without anybody noticing (worker-runtime §2.2, §12.6, §13.12, 21, 22, 38, 44). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { startAppHost, type TestAppHost } from './helpers/app-host.ts'
import { eventually, TestProject, test as testOfProject } from './helpers/cli.ts'

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)
const RELOADS = Math.ceil(20 * SCALE)
const BROKEN = Math.ceil(5 * SCALE)
const CLIENTS = 12

/** Answers what is sent to it with the number of its version. */
const versionOf = (version: number) => `
export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url)
    if (request.headers.get('upgrade') === 'websocket') {
      const [client, server] = Object.values(new WebSocketPair())
      server.accept()
      server.addEventListener('message', ({ data }) => server.send('${version}:' + data))
      return new Response(null, { status: 101, webSocket: client })
    }
    if (pathname === '/slow') await new Promise((resolve) => setTimeout(resolve, 700))
    if (pathname === '/later') {
      ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 700)).then(() => console.log('done later')))
    }
    if (pathname === '/loop-later') {
      ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 100)).then(() => { for (;;) {} }))
    }
    if (pathname === '/endless') {
      const encoder = new TextEncoder()
      return new Response(new ReadableStream({
        async pull(controller) {
          controller.enqueue(encoder.encode('${version}\\n'))
          await new Promise((resolve) => setTimeout(resolve, 50))
        },
      }))
    }
    return new Response('${version}:' + await request.text())
  },
}`

const BROKEN_VERSIONS = [
  'export default { fetch( {',
  `throw new Error('at the top')\nexport default { fetch() {} }`,
  `import './missing.js'\nexport default { fetch() {} }`,
  'export default { fetch: 5 }',
  'export default null',
]

/** Clients that ask one thing after the other, until `end`. */
function loaded(apps: TestAppHost) {
  let isOver = false
  const failures: string[] = []
  let answered = 0
  let newest = 0
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let turn = 0; !isOver; turn += 1) {
      const sent = `${client}/${turn}`
      const init = turn % 2 === 0 ? {} : { method: 'POST', body: sent }
      try {
        const { status, text } = await apps.get('app', '/', init)
        const [version, echo] = text.split(':')
        if (status === 200 && echo === (turn % 2 === 0 ? '' : sent)) newest = Math.max(newest, Number(version))
        else failures.push(`${status} ${text}`)
      } catch (error) {
        failures.push(String((error as Error).cause ?? error))
      }
      answered += 1
      await sleep(2)
    }
  })
  return {
    answered: () => answered,
    newest: () => newest,
    async end(): Promise<string[]> {
      isOver = true
      await Promise.all(clients)
      return failures
    },
  }
}

test(`${RELOADS} reloads under load fail no request, nor do ${BROKEN} versions that do not load`, async () => {
  await using apps = await startAppHost({ app: versionOf(0) })
  const load = loaded(apps)
  for (let version = 1; version <= RELOADS; version += 1) {
    const { changed } = await apps.apply({ app: versionOf(version) })
    assert.deepEqual(changed, ['app'])
    // The new one answers from now on, whoever asks.
    assert.equal((await apps.get('app')).text, `${version}:`)
  }
  for (let round = 0; round < BROKEN; round += 1) {
    const { failed } = await apps.apply({ app: BROKEN_VERSIONS[round % BROKEN_VERSIONS.length] ?? '' })
    assert.equal(failed.length, 1)
    assert.equal((await apps.get('app')).text, `${RELOADS}:`)
    assert.equal(apps.host.status()[0]?.state, 'broken')
  }
  const before = load.answered()
  await eventually('the load goes on', () => load.answered() > before + CLIENTS)
  assert.deepEqual(await load.end(), [])
  assert.equal(load.newest(), RELOADS)
  await eventually('the old ones are gone', () => apps.processes().length === 1)
  assert.deepEqual(apps.told.restarted, [])
})

test('what the old version wanted awaited is awaited', async () => {
  await using apps = await startAppHost({ app: versionOf(1) })
  await apps.get('app', '/later')
  await apps.apply({ app: versionOf(2) })
  await eventually('it is done', () => apps.told.console.some(({ message }) => message === 'done later'))
  await eventually('the old version ends with it', () => apps.processes().length === 1)
})

test('what the old version began, it ends: an answer and a WebSocket', async () => {
  await using apps = await startAppHost({ app: versionOf(1) }, { drainMs: 3_000 })
  const socket = new WebSocket(`${apps.url.replace('http', 'ws')}/_app/app/`)
  const said: string[] = []
  socket.on('message', (data) => said.push(String(data)))
  await new Promise((resolve) => socket.once('open', resolve))
  const slow = apps.get('app', '/slow')
  await apps.apply({ app: versionOf(2) })
  assert.equal((await apps.get('app')).text, '2:')
  assert.equal((await slow).text, '1:')
  socket.send('still there')
  await eventually('the old version answers it', () => said.includes('1:still there'))
  assert.equal(apps.processes().length, 2)
  socket.close()
  await eventually('the old version ends with it', () => apps.processes().length === 1)
})

test('what never ends is cut when the old version has had its time, be it a stream or a loop that nobody waits for', async () => {
  await using apps = await startAppHost({ app: versionOf(1) }, { drainMs: 600 })
  const endless = await apps.fetch('app', '/endless')
  await apps.apply({ app: versionOf(2) })
  await assert.rejects(endless.text())
  await eventually('the old version is gone', () => apps.processes().length === 1)

  await apps.get('app', '/loop-later')
  await sleep(300)
  await apps.apply({ app: versionOf(3) })
  assert.equal((await apps.get('app')).text, '3:')
  await eventually('the old version is gone', () => apps.processes().length === 1)
})

test('closing does not wait for as long as a reload may', async () => {
  const apps = await startAppHost({ app: versionOf(1) }, { drainMs: 60_000 })
  const endless = await apps.fetch('app', '/endless')
  await apps.apply({ app: versionOf(2) })
  const cut = assert.rejects(endless.text())
  await apps.host.close(200)
  await cut
  await apps[Symbol.asyncDispose]()
})

testOfProject('files that are saved together are one reload, of what they say together', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', 'services: { cache: true }\napps: [{ name: app, path: ./app.js }]\n')
  const save = (version: number) => {
    project.write('part.js', `export default 'part ${version}'`)
    project.write(
      'app.js',
      `import part from './part.js'\nexport default { fetch: () => new Response(part + ${version}) }`,
    )
  }
  save(1)
  const { url } = await project.up()
  const text = async () => await (await fetch(`${url}/_app/app/`)).text()
  assert.equal(await text(), 'part 11')
  for (let version = 2; version <= 5; version += 1) {
    save(version)
    await sleep(10)
  }
  await eventually('the last is served', async () => (await text()) === 'part 55')
  const { stdout } = await project.run(['logs'])
  assert.equal(stdout.match(/app loaded/g)?.length, 2, stdout)
  await project.down()
})
