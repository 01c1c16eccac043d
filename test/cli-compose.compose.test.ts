/** The real command line on a real Docker engine, with images made for tests: every verb, and nothing left of any of them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Docker from 'dockerode'
import { get, post, type TestProject, test } from './helpers/cli.ts'
import { ComposeProject, type StackImages, stackImages, testsOn } from './helpers/compose-project.ts'

testsOn('the command line on containers', await stackImages(), allOn)

const docker = new Docker()

/** With nothing trusted but this authority. */
async function statusOver(url: string, ca: Buffer): Promise<number | undefined> {
  return await new Promise((done, failed) => {
    request(`${url}/health`, { ca }, (response) => {
      response.resume()
      done(response.statusCode)
    })
      .once('error', failed)
      .end()
  })
}

/** Containers may take a while on a busy machine. */
async function patiently(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 120_000
  while (!(await is())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(50)
  }
}

/** Says what the engine has of it, and what it has said itself. */
class Project extends ComposeProject {
  readonly name: string
  readonly #said: string[] = []

  constructor(images: StackImages) {
    const name = `cli-test-${randomUUID().slice(0, 8)}`
    super(images, { name })
    this.name = name
  }

  configure(images: StackImages): void {
    this.write('hyper-sandbox.yaml', JSON.stringify({ name: this.name, images }))
  }

  /** As long as it takes. */
  override async run(...args: Parameters<TestProject['run']>): ReturnType<TestProject['run']> {
    const ended = await this.start(...args).ended
    this.#said.push(ended.stdout, ended.stderr)
    return ended
  }

  /** Runs what must end well. */
  async do(...args: string[]): Promise<{ stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await this.run(args)
    assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    return { stdout, stderr }
  }

  get url(): string {
    return this.state().url
  }

  async containers(): Promise<Docker.ContainerInfo[]> {
    const filters = { label: [`io.hyper63.sandbox.directory=${this.directory}`] }
    return await docker.listContainers({ all: true, filters })
  }

  async everything(): Promise<string[]> {
    return await this.onEngine('container', 'network', 'volume')
  }

  /** No secret of the project was in any output so far. */
  expectNoSecretSaid(): void {
    const { token, signingKey, parts } = JSON.parse(readFileSync(this.file('.hyper-sandbox/secrets.json'), 'utf8'))
    const said = this.#said.join('\n')
    for (const secret of [token, signingKey, ...Object.values(parts as object)]) assert.ok(!said.includes(secret))
  }
}

function allOn(images: StackImages): void {
  test('up, its verbs and down: the golden path', async () => {
    await using project = new Project(images)
    const up = await project.do('up', '--detach', '--wait', '--data', '--cache', '--port', '0')
    assert.match(up.stderr, new RegExp(`${project.name}, engine compose\n`))
    assert.match(up.stderr, /stored +in Docker volumes of/)
    const { url } = project
    assert.equal(await post(`${url}/data/test`, { _id: 'a', n: 1 }), 201)
    assert.equal(await post(`${url}/cache/test`, { key: 'a', value: { n: 1 } }), 201)

    const bound = (await project.containers()).flatMap(({ Ports }) => Ports).filter(({ PublicPort }) => PublicPort)
    assert.deepEqual([...new Set(bound.map(({ IP, PrivatePort }) => `${IP} ${PrivatePort}`))], ['127.0.0.1 6363'])

    const { stdout: status } = await project.do('status')
    assert.match(status, /^SERVICE +STATE +HEALTH +VERSION +ADDRESS +MEMORY +CPU$/m)
    assert.match(status, /^data +ready +\w+ +mongo \S+ +- +\d+ MB +\d+ %$/m)
    assert.match(status, /^queue +off/m)
    assert.match(status, new RegExp(`^gateway +running.* 127\\.0\\.0\\.1:${project.state().tcpPort} `, 'm'))
    const { stdout: list } = await project.do('list')
    assert.match(list, new RegExp(`^${project.name} +compose +running +${url}`, 'm'))
    assert.match((await project.do('env')).stdout, new RegExp(`^HYPER=${url}/test$`, 'm'))
    assert.match((await project.do('logs', 'gateway')).stdout, /^gateway +\| .*ready/m)
    assert.doesNotMatch((await project.do('logs', 'data')).stdout, /^gateway/m)

    const again = await project.json(['up', '--detach', '--cache'])
    assert.deepEqual([again.data.alreadyRunning, again.data.changed, again.data.url], [true, [], url])
    const more = await project.json(['up', '--detach', '--storage'])
    assert.deepEqual(more.data.services, ['data', 'cache', 'storage'], 'what ran runs on')
    assert.equal(await get(`${url}/data/test/a`), 200)

    await project.do('restart', 'cache')
    assert.equal(await get(`${url}/cache/test/a`), 200, 'the address and what was written stay')
    await project.do('restart')
    assert.equal(project.url, url)
    assert.equal(await get(`${url}/data/test/a`), 200)
    await project.do('wait', 'data', 'storage')
    assert.match((await project.do('purge', 'cache', '--yes')).stdout, /cache 'test' emptied: 1 key/)
    assert.equal(await get(`${url}/cache/test/a`), 404)

    assert.match((await project.do('down')).stderr, /removed 4 containers/)
    assert.match((await project.do('down')).stderr, /nothing was running/)
    for (const args of [['status'], ['purge', '--yes'], ['env']]) assert.equal((await project.run(args)).code, 7)
    await project.do('up', '--detach', '--data')
    assert.equal(project.url, url, 'on the port of last time')
    assert.equal(await get(`${url}/data/test/a`), 200)
    project.expectNoSecretSaid()
    await project.do('down', '--volumes', '--yes')
    assert.equal(existsSync(project.file('.hyper-sandbox')), false)
  })

  test('up mends what others took away, also the memory of it', async () => {
    await using project = new Project(images)
    await project.do('up', '--detach', '--data', '--cache', '--port', '0')
    const { url } = project
    await post(`${url}/data/test`, { _id: 'a' })
    const remove = async (service: string) => {
      const found = (await project.containers()).find(({ Names }) => Names[0]?.includes(`-${service}-`))
      await docker.getContainer(found?.Id ?? '').remove({ force: true })
    }
    await remove('gateway')
    const stopped = await project.run(['status'])
    assert.equal(stopped.code, 7)
    assert.match(stopped.stderr, /mongo +running/, 'what is left is named')
    await remove('mongo')
    await project.do('up', '--detach')
    assert.equal(await get(`${url}/data/test/a`), 200)

    writeFileSync(project.file('.hyper-sandbox/compose.yaml'), '# mine\n', { flag: 'a' })
    const edited = await project.do('up', '--detach')
    assert.match(edited.stderr, /compose\.yaml was edited by hand .* kept as .*compose\.edited\.yaml/s)
    assert.match(readFileSync(project.file('.hyper-sandbox/compose.edited.yaml'), 'utf8'), /# mine\n$/)

    // Passwords are found again where else they are written down.
    rmSync(project.file('.hyper-sandbox/secrets.json'))
    await project.do('up', '--detach')
    assert.equal(await get(`${url}/data/test/a`), 200)
    await project.do('down')
    rmSync(project.file('.hyper-sandbox/secrets.json'))
    rmSync(project.file('.hyper-sandbox/.env'))
    const lost = await project.json(['up', '--detach', '--data', '--cache'])
    assert.deepEqual([lost.code, lost.error?.code], [8, 'CONFIG_INVALID'], lost.error?.message)
    assert.match(`${lost.error?.message}${lost.error?.actions.join()}`, /password.*down --volumes/s)
    assert.deepEqual(await project.containers(), [], 'nothing half-made')

    rmSync(project.file('.hyper-sandbox'), { recursive: true })
    assert.match((await project.do('down', '--volumes', '--yes')).stderr, /removed \d volumes/)
  })

  test('what cannot start leaves nothing behind, and says why and what to type', async () => {
    await using project = new Project(images)
    const holder = createServer((_, response) => response.end())
    await new Promise<void>((done) => holder.listen(0, '127.0.0.1', done))
    const { port } = holder.address() as AddressInfo
    const taken = await project.json(['up', '-d', '--cache', '--port', String(port)])
    await new Promise((done) => holder.close(done))
    assert.deepEqual([taken.code, taken.error?.code], [5, 'ADDRESS_IN_USE'])
    assert.match(taken.error?.message ?? '', new RegExp(`by process ${process.pid} `))
    assert.deepEqual(await project.everything(), [])

    project.configure({ ...images, meilisearch: 'registry.invalid/none:1' })
    const missing = await project.json(['up', '-d', '--search'])
    assert.equal(missing.code, 4, missing.error?.message)
    assert.deepEqual(await project.everything(), [])

    // In the gateway's place one that serves nothing: it is never ready.
    project.configure({ ...images, gateway: images.redis ?? '' })
    const late = await project.json(['up', '-d', '--cache', '--port', '0', '--timeout', '25s'])
    assert.deepEqual([late.code, late.error?.code], [6, 'NOT_READY'], late.error?.message)
    assert.match(late.error?.message ?? '', /cache did not answer; the last lines of its containers:/)
    assert.deepEqual(await project.everything(), [], 'not even the volumes: there were none before')

    const interrupted = project.start(['up', '--cache', '--port', '0'])
    await patiently('a container runs', async () => (await project.containers()).length > 0)
    interrupted.child.kill('SIGINT')
    const ended = await interrupted.ended
    assert.equal(ended.code, 130, ended.stderr)
    assert.match(ended.stderr, /interrupted; what was started is stopped again/)
    assert.deepEqual(await project.everything(), [])
  })

  test('in the foreground until Ctrl-C; what is ephemeral is gone then', async () => {
    await using project = new Project(images)
    const up = project.start(['up', '--cache', '--port', '0', '--ephemeral', '--expose', '--tls'])
    await patiently('it is ready', () => up.said().stderr.includes('Ctrl-C stops it') || up.child.exitCode !== null)
    const { url } = project
    const { stderr } = up.said()
    assert.match(stderr, /redis +127\.0\.0\.1:\d+/)
    assert.match(stderr, /https +https:\/\/127\.0\.0\.1:[1-9]\d+\n/)
    const [, authority = ''] = /^NODE_EXTRA_CA_CERTS=(.*)$/m.exec((await project.do('env')).stdout) ?? []
    const { https } = JSON.parse(readFileSync(project.file('.hyper-sandbox/state.json'), 'utf8'))
    assert.equal(await statusOver(https.url, readFileSync(authority)), 200, "the user's authority answers for it")
    assert.match(stderr, /trust +NODE_EXTRA_CA_CERTS=/)
    assert.equal(await post(`${url}/cache/test`, { key: 'a', value: { n: 1 } }), 201)
    const second = await project.do('up', '--cache', '--ephemeral', '--expose', '--tls', '--port', '0')
    assert.match(second.stderr, /already running/)
    up.child.kill('SIGINT')
    assert.equal((await up.ended).code, 130)
    assert.deepEqual(await project.everything(), [])
    assert.equal(project.hasState(), false)
  })

  test('two starts at once are one sandbox, and another directory may not take its name', async () => {
    await using project = new Project(images)
    const both = await Promise.all([1, 2].map(() => project.run(['up', '-d', '--cache', '--port', '0'])))
    for (const { code, stderr } of both) assert.equal(code, 0, stderr)
    assert.equal((await project.containers()).length, 2)
    await using other = new Project(images)
    other.write('hyper-sandbox.yaml', readFileSync(project.file('hyper-sandbox.yaml'), 'utf8'))
    const refused = await other.json(['up', '-d', '--cache', '--port', '0'])
    assert.deepEqual([refused.code, refused.error?.code], [8, 'CONFIG_INVALID'])
    assert.equal(await get(`${project.url}/readyz`), 200)
    await project.do('down', '--volumes', '--yes')
  })

  test('engine auto: compose where Docker answers and its images are had, else embedded with a word on it', async () => {
    await using project = new Project(images)
    delete project.env.HYPER_SANDBOX_ENGINE
    project.configure({ ...images, gateway: 'registry.invalid/none:1' })
    const fallen = await project.run(['up', '-d', '--data', '--port', '0'])
    assert.equal(fallen.code, 0, fallen.stderr)
    assert.match(fallen.stderr, /warning: the engine compose cannot be had, so this is the embedded one: .*gateway/)
    assert.match(fallen.stderr, /up --engine compose/)
    await project.do('down')
    project.configure(images)
    assert.equal((await project.json(['config'])).data.engine, 'embedded', 'never switched silently')
    await project.do('down', '--volumes', '--yes')
    assert.equal((await project.json(['config'])).data.engine, 'compose')
  })
}
