/** Apps from the command line, embedded: what `up` and `status` tell of them, `apps`, and changes of the project file. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Reply, send } from './acceptance/http.ts'
import { eventually, TestProject, test } from './helpers/cli.ts'

const GREETING = (word: string) => `export default { fetch: () => new Response(${JSON.stringify(word)}) }\n`

class AppsProject extends TestProject {
  app(file: string, text: string): void {
    mkdirSync(dirname(this.file(file)), { recursive: true })
    this.write(file, text)
  }

  yaml(): string {
    return readFileSync(this.file('hyper-sandbox.yaml'), 'utf8')
  }

  ask(hostname: string, path = '/'): Promise<Reply> {
    return send('GET', `${this.state().url}${path}`, { headers: { host: hostname } })
  }

  async answers(hostname: string, text: string): Promise<void> {
    await eventually(`${hostname} says ${text}`, async () => (await this.ask(hostname)).text === text)
  }
}

test('up tells each app with its address; one that does not load is shown with its place, and the rest serves', async () => {
  await using project = new AppsProject()
  project.app('good/index.js', GREETING('good'))
  project.app('bad/index.js', 'export const a = 1\ncons b = 2\n')
  project.write(
    'hyper-sandbox.yaml',
    'apps:\n  - { name: good, path: ./good }\n  - { name: bad, path: ./bad }\n  - { name: gone, path: ./gone }\n',
  )
  const { code, stderr } = await project.run(['up', '--detach', '--port', '0', '--cache'])
  assert.equal(code, 0, stderr)
  const { tcpPort } = project.state()
  assert.match(stderr, new RegExp(`app +http://good\\.localhost:${tcpPort} {2}good$`, 'm'))
  assert.match(stderr, /bad: does not run$/m)
  assert.match(stderr, /bad: CompilationFailed: .*\n +at index\.js:2:6\n +2 \| cons b = 2\n +\| +\^/)
  assert.match(stderr, /gone: FileNotFound: .*gone does not exist/)
  assert.equal((await project.ask('good.localhost')).text, 'good')
  assert.equal((await project.ask('bad.localhost')).status, 503)

  const { data } = await project.json(['status'])
  const apps = data.apps as { name: string; state: string; url: string; error?: { name: string; message: string } }[]
  assert.deepEqual(
    apps.map(({ name, state, error }) => [name, state, error?.name]),
    [
      ['good', 'running', undefined],
      ['bad', 'failed', 'CompilationFailed'],
      ['gone', 'failed', 'FileNotFound'],
    ],
  )
  assert.match(apps[1]?.error?.message ?? '', /found "b"/)
  assert.match((await project.run(['status'])).stdout, /app +http:\/\/bad\.localhost:\d+ {2}bad: does not run/)

  // An older version stays, and status says so.
  project.app('good/index.js', 'export default {')
  await eventually('good is broken', async () => {
    const { data } = await project.json(['apps', 'list'])
    return (data.apps as { name: string; state: string }[])[0]?.state === 'broken'
  })
  assert.equal((await project.ask('good.localhost')).text, 'good')
  await project.down()
})

test('apps add and rm change apps: in the project file, keep its comments, and take effect in a running sandbox', async () => {
  await using project = new AppsProject()
  project.app('one/index.js', GREETING('one'))
  project.app('two/index.ts', 'export default { fetch: (): Response => new Response("two") }\n')
  project.write('hyper-sandbox.yaml', '# The shop.\nlisten: { port: 0 } # any\n')
  const stopped = await project.run(['apps', 'add', 'one', './one'])
  assert.equal(stopped.code, 0, stopped.stderr)
  assert.match(stopped.stderr, /added one to hyper-sandbox\.yaml; it is served with: hyper-sandbox up/)
  assert.deepEqual((await project.json(['apps', 'list'])).data, {
    running: false,
    apps: [{ name: 'one', url: 'http://one.localhost:0', state: 'stopped', requests: 0, errors: 0, memoryBytes: 0 }],
  })
  await project.up('--cache')

  const added = await project.run(['apps', 'add', 'two', 'two', '--hostname', 'two.example.com'])
  assert.equal(added.code, 0, added.stderr)
  assert.equal((await project.ask('two.example.com')).text, 'two')
  assert.equal(
    project.yaml(),
    '# The shop.\nlisten: { port: 0 } # any\napps:\n  - name: one\n    path: ./one\n  - name: two\n    path: ./two\n    hostname: two.example.com\n',
  )

  const before = project.yaml()
  for (const [args, message] of [
    [['add', 'two', './one'], /there is an app 'two' already/],
    [['add', 'three', './one', '--hostname', 'One.localhost:80'], /the app one has the host one\.localhost already/],
    [['add', 'three', './nowhere'], /there is no .*nowhere/],
    [['add', 'th ree', './one'], /the name must be letters/],
    [['add', 'three'], /takes 2 arguments/],
    [['rm', 'twoo'], /there is no app 'twoo' \(did you mean 'two'\?\)/],
    [['relaod'], /there is no action 'relaod' \(did you mean 'reload'\?\)/],
  ] as const) {
    const refused = await project.run(['apps', ...args])
    assert.equal(refused.code, 2, refused.stderr)
    assert.match(refused.stderr, message)
  }
  assert.equal(project.yaml(), before)

  const removed = await project.run(['apps', 'rm', 'one'])
  assert.equal(removed.code, 0, removed.stderr)
  await eventually('one is gone', async () => (await project.ask('one.localhost', '/no-such-thing')).status === 404)
  assert.equal((await project.ask('two.example.com')).text, 'two')
  assert.doesNotMatch(project.yaml(), /one/)
  assert.match(project.yaml(), /^# The shop\.$/m)
  await project.down()
})

test('apps reload starts a new process though nothing has changed, and apps logs shows what each said', async () => {
  await using project = new AppsProject()
  const counting = (word: string) =>
    `let n = 0\nexport default { fetch() { n += 1; console.log('${word}', n); return new Response(String(n)) } }\n`
  project.app('one/index.js', counting('first'))
  project.app('two/index.js', counting('second'))
  project.write('hyper-sandbox.yaml', 'apps: [{ name: one, path: ./one }, { name: two, path: ./two }]\n')
  await project.up('--cache')
  const counts = async () => [(await project.ask('one.localhost')).text, (await project.ask('two.localhost')).text]
  assert.deepEqual(
    [await counts(), await counts()],
    [
      ['1', '1'],
      ['2', '2'],
    ],
  )
  const reloaded = await project.run(['apps', 'reload', 'one'])
  assert.equal(reloaded.code, 0, reloaded.stderr)
  assert.deepEqual(await counts(), ['1', '3'])

  const said = async (...names: string[]) => {
    const { data } = await project.json(['apps', 'logs', ...names])
    return (data.records as { app: string; msg: string }[]).map(({ app, msg }) => `${app}: ${msg}`)
  }
  const onlyOne = await said('one')
  assert.deepEqual(
    onlyOne.filter((line) => /first/.test(line)),
    ['one: first 1', 'one: first 2', 'one: first 1'],
  )
  assert.ok(onlyOne.every((line) => line.startsWith('one: ')))
  assert.ok((await said()).includes('two: second 3'))
  assert.match((await project.run(['apps', 'logs', 'two', '-n', '1'])).stdout, /second 3/)

  await project.down()
  assert.equal((await project.run(['apps', 'reload'])).code, 7)
})

test('what a running sandbox has for apps follows the project file; a file with a mistake changes nothing and is told of', async () => {
  await using project = new AppsProject()
  project.app('one/index.js', 'export default { fetch: (_, env) => new Response(env.WORD ?? "none") }\n')
  project.write('hyper-sandbox.yaml', 'listen: { port: 0 }\n')
  const running = project.start(['up', '--cache'])
  await running.says('ready in')
  assert.equal((await project.ask('one.localhost', '/no-such-thing')).status, 404)

  project.write('hyper-sandbox.yaml', 'apps: [{ name: one, path: ./one, env: { WORD: a } }]\n')
  await project.answers('one.localhost', 'a')
  project.write('hyper-sandbox.yaml', 'apps: [{ name: one, path: ./one, env: { WORD: b } }]\n')
  await project.answers('one.localhost', 'b')

  project.write('hyper-sandbox.yaml', 'apps: [{ name: one, path: ./one, env: { WORD: c }, pth: 1 }]\n')
  const log = async () => JSON.stringify((await project.json(['logs'])).data)
  await eventually('the mistake is told of', async () => /unknown key '[^']*pth'.*as they were/.test(await log()))
  assert.equal((await project.ask('one.localhost')).text, 'b')
  project.write(
    'hyper-sandbox.yaml',
    'apps:\n  - { name: one, path: ./one }\n  - { name: two, path: ./one, hostname: one.localhost }\n',
  )
  await eventually('the second is told of', async () => /both have the host one\.localhost/.test(await log()))
  assert.equal((await project.ask('one.localhost')).text, 'b')

  project.write('hyper-sandbox.yaml', 'apps: [{ name: one, path: ./one, env: { WORD: d } }]\n')
  await project.answers('one.localhost', 'd')
  rmSync(project.file('hyper-sandbox.yaml'))
  await project.down()
  assert.equal((await running.ended).code, 0)
})

test('with --production clients are told nothing of what went wrong', async () => {
  await using project = new AppsProject()
  project.app('bad/index.js', 'cons b = 2\n')
  project.app('throws/index.js', 'export default { fetch() { throw new Error("secret detail") } }\n')
  project.write('hyper-sandbox.yaml', 'apps: [{ name: bad, path: ./bad }, { name: throws, path: ./throws }]\n')
  const see = async () => [await project.ask('bad.localhost'), await project.ask('throws.localhost')]
  await project.up('--cache')
  const [bad, throws] = await see()
  assert.match(bad?.text ?? '', /CompilationFailed/)
  assert.match(throws?.text ?? '', /secret detail/)
  await project.down()

  await project.up('--cache', '--production')
  for (let round = 0; round < 2; round += 1) {
    const [bad, throws] = await see()
    assert.deepEqual([bad?.status, bad?.json()], [503, { error: 'App unavailable' }])
    assert.deepEqual([throws?.status, throws?.text], [500, 'Internal Server Error'])
    // Nor after a reload from a command line that knows nothing of it.
    assert.equal((await project.run(['apps', 'reload'])).code, 0)
  }
  assert.match(JSON.stringify((await project.json(['apps', 'logs', 'throws'])).data), /secret detail/)
  await project.down()
})

test('with --inspect a debugger sees the files of an app, and may stop in it for longer than a request may take', async () => {
  await using project = new AppsProject()
  project.app(
    'one/index.ts',
    `export default {\n  async fetch(): Promise<Response> {\n    const word: string = 'one'\n    debugger\n    await new Promise((resolve) => setTimeout(resolve, 50))\n    return new Response(word)\n  },\n}\n`,
  )
  project.app('two/index.js', GREETING('two'))
  project.write(
    'hyper-sandbox.yaml',
    'apps: [{ name: one, path: ./one, timeout_ms: 100, wall_ms: 200 }, { name: two, path: ./two }]\n',
  )
  const wrong = await project.run(['up', '--inspect=onee'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--inspect: there is no app 'onee' \(did you mean 'one'\?\)/)

  const { stderr } = await project.run(['up', '--detach', '--port', '0', '--cache', '--inspect=one'])
  const [, address = ''] = /inspect +devtools:\/\/devtools\/\S*[?&]ws=(\S+)/.exec(stderr) ?? []
  assert.equal(stderr.match(/devtools:\/\//g)?.length, 1)
  const { data } = await project.json(['status'])
  assert.match((data.apps as { devtools?: string }[])[0]?.devtools ?? '', new RegExp(`ws=${address}$`))

  const socket = new WebSocket(`ws://${address}`)
  const heard: { method?: string; params?: Record<string, unknown> }[] = []
  socket.addEventListener('message', ({ data }) => heard.push(JSON.parse(String(data))))
  await new Promise((opened, failed) => {
    socket.addEventListener('open', opened)
    socket.addEventListener('error', failed)
  })
  const event = (name: string) => heard.find(({ method }) => method === `Debugger.${name}`)?.params
  const tell = (id: number, method: string, params: object = {}) => socket.send(JSON.stringify({ id, method, params }))
  tell(1, 'Debugger.enable')
  const mapped = () =>
    heard.find(({ params }) => String(params?.sourceMapURL).startsWith('data:application/json;base64,'))?.params
  await eventually('its script is known', () => mapped() !== undefined)
  const map = JSON.parse(Buffer.from(String(mapped()?.sourceMapURL).split(',')[1] ?? '', 'base64').toString())
  assert.deepEqual(map.sources, ['index.ts'])

  const answering = project.ask('one.localhost')
  await eventually('it has stopped', () => event('paused') !== undefined)
  // Longer than even a process that does not run is waited for.
  await sleep(4_000)
  tell(2, 'Debugger.resume')
  const { status, text } = await answering
  assert.deepEqual([status, text], [200, 'one'])
  socket.close()
  await project.down()
})
