/** Which engine a command means, and what it says where that one cannot be had. Real code on real sockets; no Docker needed. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { delimiter, join } from 'node:path'
import { TestProject, test } from './helpers/cli.ts'
import { nanoCache } from './helpers/nano-directory.ts'
import { startServer } from './parts/servers.ts'

const NO_ENGINE = 'unix:///nonexistent/docker.sock'

/** A project that leaves the choice of the engine open, on a machine where Docker is what the test says. */
function openProject(dockerHost = NO_ENGINE): TestProject {
  const project = new TestProject()
  delete project.env.HYPER_SANDBOX_ENGINE
  project.env.DOCKER_HOST = dockerHost
  return project
}

/** What the project remembers, as an earlier start wrote it. */
function remember(project: TestProject, value: object | string): void {
  mkdirSync(project.file('.hyper-sandbox'), { recursive: true })
  project.write('.hyper-sandbox/lock.json', typeof value === 'string' ? value : JSON.stringify(value))
}

/** An engine of this version at a socket of its own, as far as anyone asks it for its version. */
async function engineOfVersion(project: TestProject, version: object): Promise<AsyncDisposable & { host: string }> {
  const path = join(project.root, 'docker.sock')
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(version))
  })
  await new Promise<void>((listening) => server.listen(path, listening))
  return {
    host: `unix://${path}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** A PATH whose `docker` is this script, or is not there. */
function pathWith(project: TestProject, script: string | undefined): string {
  const directory = join(project.root, 'bin')
  mkdirSync(directory, { recursive: true })
  const rest = (process.env.PATH ?? '').split(delimiter)
  if (script !== undefined) {
    writeFileSync(join(directory, 'docker'), `#!/bin/sh\n${script}\n`)
    chmodSync(join(directory, 'docker'), 0o755)
    return [directory, ...rest].join(delimiter)
  }
  return directory
}

test('without Docker up says why it is embedded, remembers that, and keeps to it', async () => {
  await using project = openProject()
  const first = await project.run(['up', '--detach', '--port', '0', '--data'])
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stderr, /engine embedded, because the Docker engine at unix:\/\/\/nonexistent.* does not answer/)
  assert.match(first.stderr, /hyper-sandbox .*, engine embedded\n/)
  await project.down()
  assert.equal(JSON.parse(readFileSync(project.file('.hyper-sandbox/lock.json'), 'utf8')).engine, 'embedded')
  const { data } = await project.json(['config'])
  assert.equal(data.engine, 'embedded')
})

test('a project whose data is on compose is not started on another engine when Docker is gone', async () => {
  await using project = openProject()
  remember(project, { engine: 'compose', stack: 'shop' })
  for (const args of [['up', '--detach'], ['status'], ['logs'], ['down', '--volumes', '--yes']]) {
    const { code, error } = await project.json(args)
    assert.deepEqual([code, error?.code], [4, 'ENGINE_UNAVAILABLE'], args.join(' '))
    assert.match(error?.actions.join() ?? '', /--engine embedded/, args.join(' '))
  }
  const list = await project.json(['purge', '--yes'])
  assert.deepEqual([list.code, list.error?.code], [7, 'NOT_RUNNING'])
  nanoCache(project.root, { cache_test: [] })
  const imported = await project.json(['import', project.root])
  assert.deepEqual([imported.code, imported.error?.code], [2, 'USAGE'], imported.error?.message)
})

test('asked for by name, the other engine starts, and says what becomes of the data of the first', async () => {
  await using project = openProject()
  remember(project, { engine: 'compose', stack: 'shop' })
  const up = await project.run(['up', '--detach', '--port', '0', '--data', '--engine', 'embedded'])
  assert.equal(up.code, 0, up.stderr)
  assert.match(up.stderr, /what the engine compose keeps of this project stays there.*up --engine compose/)
  const running = await project.run(['up', '--detach', '--engine', 'compose'])
  assert.equal(running.code, 0, running.stderr)
  assert.match(running.stderr, /runs on the engine embedded, not compose: to change that, hyper-sandbox down/)
  const volumes = await project.json(['down', '--volumes', '--yes'])
  assert.equal(volumes.code, 4, 'data in volumes cannot be removed without Docker, so nothing is')
  assert.equal((await project.json(['status'])).data.running, true)
  await project.down()
})

test('an engine that cannot be used is named with what is wrong, and what to do', async () => {
  await using project = openProject()
  const up = async (env: NodeJS.ProcessEnv) => await project.json(['up', '-d', '--engine', 'compose'], { env })
  const gone = await up({})
  assert.deepEqual([gone.code, gone.error?.code], [4, 'ENGINE_UNAVAILABLE'])
  const remote = await up({ DOCKER_HOST: 'tcp://build.internal:2375' })
  assert.match(remote.error?.message ?? '', /another machine/)
  {
    await using old = await engineOfVersion(project, { Version: '19.03.0', ApiVersion: '1.40', Arch: 'amd64' })
    assert.match((await up({ DOCKER_HOST: old.host })).error?.message ?? '', /Docker 19\.03\.0 .* too old/)
  }
  await using engine = await engineOfVersion(project, { Version: '28.0.4', ApiVersion: '1.48', Arch: 'amd64' })
  const cases: [string | undefined, RegExp][] = [
    [undefined, /docker command is not on the PATH/],
    ['echo "docker: \'compose\' is not a docker command" >&2; exit 1', /no Compose plugin/],
    ['echo 2.10.2', /Docker Compose 2\.10\.2 is too old: 2\.24 is needed/],
  ]
  for (const [script, message] of cases) {
    const { code, error } = await up({ DOCKER_HOST: engine.host, PATH: pathWith(project, script) })
    assert.equal(code, 4)
    assert.match(error?.message ?? '', message)
    assert.match(error?.actions.join() ?? '', /--engine embedded/)
  }
  assert.equal(project.hasState(), false)
})

test('memory that cannot be read ends with 8 and the next command, instead of a guess', async () => {
  await using project = openProject()
  remember(project, '{ "engine": "comp')
  const unread = await project.json(['up', '-d'])
  assert.deepEqual([unread.code, unread.error?.code], [8, 'CONFIG_INVALID'])
  assert.match(unread.error?.actions.join() ?? '', /rm '.*lock\.json'/)
  remember(project, {})
  project.write('.hyper-sandbox/running.lock', 'this is no lock, and longer than the header of one would have to be')
  const damaged = await project.json(['up', '-d', '--engine', 'embedded'])
  assert.deepEqual([damaged.code, damaged.error?.code], [8, 'CONFIG_INVALID'])
  assert.match(damaged.error?.actions.join() ?? '', /rm '.*running\.lock'/)
  remember(project, {})
  project.write('.hyper-sandbox/images.lock.json', 'no')
  const images = await project.json(['config', '--engine', 'compose'])
  assert.equal(images.code, 8, images.error?.message)
})

test('what is only for containers is said in the project file, and mistakes in it are named', async () => {
  await using project = openProject()
  project.write('extra.yaml', 'services: {}\n')
  project.write(
    'hyper-sandbox.yaml',
    'engine: compose\nimages: { redis: "mirror.example/redis:7", mongo: [one:1, two] }\nmirror: hub.example/x\ninclude: [extra.yaml]\n',
  )
  const { data } = await project.json(['config', '--data', '--cache', '--storage'])
  const { mongo, redis, minio } = data.images as Record<string, string[]>
  assert.deepEqual([mongo, redis], [['one:1', 'two:latest'], ['mirror.example/redis:7']])
  assert.match(minio?.[0] ?? '', /^hub\.example\/x\//)
  assert.deepEqual(data.include, [project.file('extra.yaml')])
  const cases: [string, RegExp][] = [
    ['images: { mongod: x }', /yaml:1: unknown key 'images\.mongod' \(did you mean 'mongo'\?\)/],
    ['images: { mongo: [] }', /yaml:1: images\.mongo must/],
    ['include: [none.yaml]', /include names none\.yaml, which does not exist/],
    ['services: { data: { url: "mongodb:///shop" } }', /services\.data\.url must name a host/],
    [
      'engine: compose\nservices: { data: { adapter: ./mine.ts } }',
      /services\.data\.adapter cannot be used on the engine compose/,
    ],
  ]
  for (const [text, message] of cases) {
    project.write('hyper-sandbox.yaml', text)
    const { code, error } = await project.json(['up', '-d'])
    assert.equal(code, 8, text)
    assert.match(error?.message ?? '', message)
  }
  assert.equal(project.hasState(), false)
})

test('the stack is exported without Docker and without a secret', async () => {
  await using project = openProject()
  project.write('hyper-sandbox.yaml', 'name: shop\nauth: { key: shop, secret: s3cr3t-of-shop }\n')
  const url = 'redis://user:p4ssw0rd@cache.internal:6379'
  const printed = await project.run(['export', 'compose', '--data', '--cache'], {
    env: { HYPER_SANDBOX_CACHE_URL: url },
  })
  assert.equal(printed.code, 0, printed.stderr)
  assert.match(printed.stdout, /^name: shop$/m)
  assert.match(printed.stdout, /SANDBOX_MONGO_PASSWORD/)
  assert.match(printed.stderr, /# HYPER_SANDBOX_CACHE_URL=$/m)
  for (const secret of ['p4ssw0rd', 's3cr3t-of-shop']) assert.ok(!`${printed.stdout}${printed.stderr}`.includes(secret))
  const { code, data } = await project.json(['export', 'compose', '--output', 'deploy'])
  assert.equal(code, 0)
  const files = data.files as { compose: string; env: string }
  assert.match(readFileSync(files.compose, 'utf8'), /^services:$/m)
  assert.match(readFileSync(files.env, 'utf8'), /^SANDBOX_MONGO_PASSWORD=$/m)
  assert.equal((await project.run(['export', 'nothing'])).code, 2)
  const pull = await project.run(['pull', '--engine', 'embedded'])
  assert.match(pull.stderr, /embedded engine needs no images/)
})

test('a service on a server that exists already: where it lives is shown, its password never', async () => {
  const redis = await startServer('redis')
  if ('missing' in redis) return assert.ok(!process.env.CI, redis.missing)
  await using _ = redis
  await using project = new TestProject()
  const { host } = new URL(redis.url)
  const env = { HYPER_SANDBOX_CACHE_URL: redis.url.replace('://', '://default:s3cr3t@') }
  const up = await project.run(['up', '-d', '--port', '0', '--data', '--cache'], {
    env: { ...env, HYPER_SANDBOX_CACHE_URL: redis.url },
  })
  assert.equal(up.code, 0, up.stderr)
  assert.match(up.stderr, new RegExp(`server +cache is kept on ${host}`))
  const status = await project.run(['status'])
  assert.match(status.stdout, new RegExp(`cache +ready, on ${host}`))
  const config = await project.run(['config', '--data', '--cache'], { env })
  assert.ok(config.stdout.includes(host) && !config.stdout.includes('s3cr3t'), config.stdout)
  await project.down()
})

test('logs can be narrowed to a service and to the last minutes', async () => {
  await using project = new TestProject()
  const { url } = await project.up('--data', '--cache', '--log-requests')
  for (const path of ['/data/test/none', '/cache/test/none', '/test/data/default/none']) await fetch(url + path)
  const urls = async (...args: string[]) => {
    const { data } = await project.json(['logs', ...args])
    return (data.records as { url?: string }[]).flatMap((record) => (record.url?.startsWith('/') ? [record.url] : []))
  }
  assert.deepEqual(await urls('data'), ['/data/test/none', '/test/data/default/none'])
  assert.deepEqual((await urls('cache', '--since', '10m')).length, 1)
  assert.deepEqual(await urls('--since', '2100-01-01T00:00:00Z'), [])
  assert.equal((await project.run(['logs', 'mongo'])).code, 2)
  assert.equal((await project.run(['logs', '--since', 'yesterday'])).code, 2)
  await project.down()
})
