/** Apps on the compose engine: in a container beside the gateway's, as they are without one. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { stringify } from 'yaml'
import { type Reply, send } from './acceptance/http.ts'
import { type Ended, type TestProject, test } from './helpers/cli.ts'
import { ComposeProject, type StackImages, stackImages, testsOn } from './helpers/compose-project.ts'
import { run as command } from './parts/part.ts'

testsOn('apps in containers', await stackImages(), allOn)

const API = `
import { word } from ${JSON.stringify('../../shared/word.ts')}
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url)
    if (pathname === '/store') {
      await env.hyper.fetch('http://hyper/cache/test/k', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"n":1}' })
      return fetch(new URL('/cache/test/k', env.HYPER))
    }
    if (pathname === '/other') return env.APPS.outside.fetch(request)
    if (pathname === '/seen') return Response.json({ url: request.url, headers: Object.fromEntries(request.headers) })
    if (pathname === '/socket') {
      const [client, server] = Object.values(new WebSocketPair())
      server.accept()
      server.addEventListener('message', ({ data }) => server.send('echo ' + data))
      return new Response(null, { status: 101, webSocket: client })
    }
    if (pathname === '/jobs') {
      await env.KEPT.put('job', await request.text())
      return new Response('done')
    }
    if (pathname === '/kept') return new Response(await env.KEPT.get('job'))
    if (pathname === '/ticks') {
      const encoder = new TextEncoder()
      const body = new ReadableStream({
        async pull(controller) {
          await new Promise((resolve) => setTimeout(resolve, 100))
          controller.enqueue(encoder.encode('tick '))
        },
        cancel: () => console.log('the reader left'),
      })
      return new Response(body)
    }
    if (pathname === '/loop') for (;;) {}
    if (pathname === '/inside') {
      const tried = await Promise.all(['http://gateway:6363/health', 'http://gateway:6365/', 'http://redis:6379/'].map((url) =>
        fetch(url).then(({ status }) => status, ({ message }) => message)))
      return Response.json(tried)
    }
    console.log('asked', pathname)
    return new Response(word + ' ' + env.LEVEL + ' ' + await request.text())
  },
}
`
const OUTSIDE = `export default { fetch: () => new Response('from outside') }\n`

/** Containers may take a while on a busy machine. */
async function patiently(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 120_000
  while (!(await is())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(50)
  }
}

class AppsProject extends ComposeProject {
  readonly name: string
  readonly images: StackImages

  constructor(images: StackImages, apps: object[]) {
    const name = `workers-test-${randomUUID().slice(0, 8)}`
    super(images, { name, apps })
    this.name = name
    this.images = images
  }

  configure(apps: object[]): void {
    this.write('hyper-sandbox.yaml', stringify({ images: this.images, name: this.name, apps }))
  }

  app(file: string, text: string): void {
    mkdirSync(dirname(this.file(file)), { recursive: true })
    this.write(file, text)
  }

  /** As long as it takes. */
  override async run(...args: Parameters<TestProject['run']>): ReturnType<TestProject['run']> {
    return await this.start(...args).ended
  }

  async must(...args: string[]): Promise<Ended> {
    const ended = await this.run(args)
    assert.equal(ended.code, 0, `${args.join(' ')}: ${ended.stderr}`)
    return ended
  }

  ask(hostname: string, path = '/', body?: string): Promise<Reply> {
    const sending = { headers: { host: hostname }, ...(body === undefined ? {} : { body }) }
    return send(body === undefined ? 'GET' : 'POST', `${this.state().url}${path}`, sending)
  }

  async says(hostname: string, text: string): Promise<void> {
    await patiently(`${hostname} says '${text}'`, async () => (await this.ask(hostname)).text === text)
  }

  container(part: string): string {
    return `${this.name}-${part}-1`
  }

  async inspect(part: string, format: string): Promise<unknown> {
    return JSON.parse(await command('docker', ['inspect', '--format', `{{json ${format}}}`, this.container(part)]))
  }

  /** What a program in a container of this stack is told. */
  async within(part: string, script: string): Promise<string> {
    return await command('docker', ['exec', this.container(part), 'node', '--input-type=module', '--eval', script])
  }

  async states(): Promise<Record<string, string>> {
    const { data } = await this.json(['apps', 'list'])
    return Object.fromEntries((data.apps as { name: string; state: string }[]).map(({ name, state }) => [name, state]))
  }
}

function allOn(images: StackImages): void {
  test('apps of a stack are bound to its services, reload when a file is saved, and are out of reach but by the gateway', async () => {
    await using project = new AppsProject(images, [])
    const outside = join(project.root, 'outside')
    mkdirSync(outside)
    project.app('../outside/index.js', OUTSIDE)
    project.app('shared/word.ts', `export const word: string = 'first'\n`)
    project.app('apps/api/index.js', API)
    project.app('apps/files/page.html', '<p>page</p>')
    project.app('bad/index.js', 'cons b = 2\n')
    const api = {
      name: 'api',
      path: './apps/api',
      env: { LEVEL: 'a "$b" \\c' },
      timeout_ms: 500,
      kv: { KEPT: 'kept' },
      assets: './apps/files',
      max_body_mb: 1,
    }
    project.configure([api, { name: 'outside', path: outside }, { name: 'bad', path: './bad' }])
    const { stderr } = await project.must('up', '--detach', '--port', '0', '--cache', '--queue')
    assert.match(stderr, /app +http:\/\/api\.localhost:\d+ {2}api$/m)
    assert.match(stderr, /bad: CompilationFailed: .*\n +at index\.js:1:6/)
    assert.deepEqual(await project.states(), { api: 'running', outside: 'running', bad: 'failed' })

    assert.equal((await project.ask('api.localhost')).text, 'first a "$b" \\c ')
    assert.equal((await project.ask('API.localhost:1', '/', 'x'.repeat(100_000))).text.length, 17 + 100_000 - 1)
    assert.equal((await project.ask('api.localhost', '/store')).text, '{"n":1}')
    assert.equal((await project.ask('api.localhost', '/other')).text, 'from outside')
    assert.equal((await project.ask('localhost', '/_app/outside/')).text, 'from outside')
    assert.equal((await project.ask('bad.localhost')).status, 503)
    assert.equal((await project.ask('api.localhost', '/page.html')).text, '<p>page</p>')
    // A queue reaches an app by the address that everyone uses, and what the app keeps the cache service keeps.
    const { url, tcpPort } = project.state()
    const target = { target: `http://api.localhost:${tcpPort}/jobs` }
    assert.equal((await send('PUT', `${url}/queue/test`, { json: target })).status, 201)
    assert.equal((await send('POST', `${url}/queue/test`, { json: { n: 7 } })).status, 201)
    await patiently('the job was done', async () => (await project.ask('api.localhost', '/kept')).text === '{"n":7}')
    const seen = (await project.ask('api.localhost', '/seen')).json() as { url: string; headers: object }
    assert.equal(seen.url, 'http://api.localhost/seen')
    assert.deepEqual(Object.keys(seen.headers).sort(), [
      ...['connection', 'host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'],
    ])
    const tried = (await project.ask('api.localhost', '/inside')).json() as unknown[]
    assert.deepEqual(
      tried.filter((one) => typeof one === 'number'),
      [],
    )

    // A stream comes as it is made, and ends with its reader.
    const reading = new AbortController()
    const ticks = await fetch(`${url}/_app/api/ticks`, { signal: reading.signal })
    const first = await ticks.body?.getReader().read()
    assert.match(new TextDecoder().decode(first?.value), /^(tick )+$/)
    reading.abort()
    await patiently('it knows', async () => /the reader left/.test((await project.run(['apps', 'logs', 'api'])).stdout))
    assert.equal((await project.ask('api.localhost', '/', 'x'.repeat(2 ** 20 + 1))).status, 413)
    const chunks = Array(20).fill('x'.repeat(2 ** 17))
    const chunked = await send('POST', `${url}/`, { headers: { host: 'api.localhost' }, chunks })
    assert.equal(chunked.status, 413)

    // A handler that holds its thread is ended, and its app is back.
    assert.equal((await project.ask('api.localhost', '/loop')).status, 408)
    assert.equal((await project.ask('api.localhost')).status, 200)

    const socket = new WebSocket(`${project.state().url.replace('http', 'ws')}/socket`, {
      headers: { host: 'api.localhost' },
    })
    await new Promise((opened, failed) => socket.once('open', opened).once('error', failed))
    const answered = new Promise((resolve) => socket.once('message', (data) => resolve(String(data))))
    socket.send('hi')
    assert.equal(await answered, 'echo hi')
    socket.close()

    // What is saved is served; what cannot be loaded is not.
    project.app('shared/word.ts', `export const word: string = 'second'\n`)
    await project.says('api.localhost', 'second a "$b" \\c ')
    project.app('apps/api/index.js', 'export default {')
    await patiently('api is broken', async () => (await project.states()).api === 'broken')
    assert.equal((await project.ask('api.localhost')).text, 'second a "$b" \\c ')
    project.app('bad/index.js', OUTSIDE)
    await project.says('bad.localhost', 'from outside')
    project.app('apps/api/index.js', API)
    await patiently('api runs', async () => (await project.states()).api === 'running')

    // Only the gateway is published; the container of apps writes nothing, and may nothing.
    assert.deepEqual(await project.inspect('workers', '.NetworkSettings.Ports'), { '6363/tcp': null })
    assert.equal(await project.inspect('workers', '.HostConfig.ReadonlyRootfs'), true)
    assert.deepEqual(await project.inspect('workers', '.HostConfig.CapDrop'), ['ALL'])
    const mounts = (await project.inspect('workers', '.Mounts')) as { Type: string; RW: boolean; Destination: string }[]
    for (const { Type, RW, Destination } of mounts) if (Type === 'bind') assert.equal(RW, false, Destination)
    const list = (directory: string) =>
      `const { readdirSync } = await import('node:fs'); console.log(readdirSync('${directory}').join())`
    assert.equal(await project.within('workers', list('/project/.hyper-sandbox')), '')
    assert.match(await project.within('workers', list('/project')), /apps/)
    const status = (url: string) => `console.log((await fetch('${url}')).status)`
    assert.equal(await project.within('gateway', status('http://workers:6366/events')), '403')
    assert.equal(await project.within('workers', status('http://gateway:6365/cache/test/k')), '403')

    const { stdout } = await project.must('apps', 'logs', 'api')
    assert.match(stdout, /gateway +\| .*asked \//)
    assert.match((await project.must('status')).stdout, /^workers +running/m)
  })

  test('apps come back by themselves when their container or the gateway dies; restart brings them too', async () => {
    await using project = new AppsProject(images, [{ name: 'one', path: './one' }])
    project.app('one/index.js', OUTSIDE)
    await project.must('up', '--detach', '--port', '0', '--cache')
    for (const part of ['workers', 'gateway']) {
      // Its first process; Docker starts it again, since nobody asked for that.
      await project.within(part, `process.kill(1, 'SIGTERM')`).catch(() => {})
      await command('docker', ['restart', '--time', '1', project.container(part)])
      await patiently(`apps are back after ${part}`, async () => {
        const answer = await project.ask('one.localhost').catch(() => undefined)
        return answer?.text === 'from outside'
      })
    }
    await project.must('restart')
    assert.equal((await project.ask('one.localhost')).text, 'from outside')
  })

  test('apps are added, removed and reloaded in a stack that runs; up in the foreground follows the project file', async () => {
    await using project = new AppsProject(images, [])
    project.app(
      'one/index.js',
      `let n = 0\nexport default { fetch: (_, env) => new Response((env.WORD ?? '') + ++n) }\n`,
    )
    project.app('../elsewhere/index.js', OUTSIDE)
    const running = project.start(['up', '--port', '0', '--cache'])
    await patiently('it is ready', () => /ready in/.test(running.said().stderr))
    assert.deepEqual(await project.states(), {})

    // The first one takes a container more, the second one none, the third one another directory in it.
    await project.must('apps', 'add', 'one', './one')
    assert.equal((await project.ask('one.localhost')).text, '1')
    await project.must('apps', 'add', 'two', './one')
    const workers = await project.inspect('workers', '.Id')
    assert.equal((await project.ask('two.localhost')).text, '1')
    await project.must('apps', 'reload', 'two')
    assert.equal((await project.ask('two.localhost')).text, '1')
    // What it was told of outlives its process.
    await command('docker', ['restart', '--time', '5', project.container('gateway')])
    await patiently(
      'two is back',
      async () => (await project.ask('two.localhost').catch(() => undefined))?.status === 200,
    )
    await project.must('apps', 'add', 'three', '../elsewhere')
    assert.equal((await project.ask('three.localhost')).text, 'from outside')
    assert.notEqual(await project.inspect('workers', '.Id'), workers)

    project.configure([{ name: 'one', path: './one', env: { WORD: 'saved ' } }])
    await patiently('what was saved is served', async () => /^saved /.test((await project.ask('one.localhost')).text))
    project.configure([{ name: 'one', path: './one', timeout_ms: 'long' }])
    await patiently('a mistake is told of', () => /timeout_ms .*the apps are as they were/.test(running.said().stderr))
    assert.match((await project.ask('one.localhost')).text, /^saved /)

    project.configure([{ name: 'one', path: './one' }])
    await project.must('apps', 'rm', 'one')
    assert.deepEqual(await project.states(), {})
    assert.deepEqual(
      (await project.onEngine('container')).filter((name) => name.includes('workers-1')),
      [],
    )
    await project.must('down')
    assert.equal((await running.ended).code, 0)
  })
}
