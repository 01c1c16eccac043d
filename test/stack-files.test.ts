/** The files a stack is written down in: what anyone may read of them, and what Docker Compose makes of them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { fromEnvFile } from '../compose/part.ts'
import { plannedFiles } from '../compose/planned.ts'
import { seenFromContainer } from '../compose/services/gateway.ts'
import type { StackConfig } from '../compose/stack.ts'
import { testProject } from './helpers/stack-config.ts'

interface ComposeFile {
  name: string
  include?: string[]
  services: Record<string, Service>
  networks: Record<string, { labels: Record<string, string> }>
  volumes?: Record<string, { labels: Record<string, string> }>
}

interface Service {
  image: string
  environment: Record<string, string>
  ports?: { target: number; published?: string; host_ip: string }[]
  volumes?: { type: string }[]
  labels: Record<string, string>
  init: boolean
  mem_limit: string
  extra_hosts: string[]
  container_name?: string
  depends_on?: Record<string, { condition: string }>
}

function written(changes: Partial<StackConfig> = {}): { file: ComposeFile; text: string; env: string } {
  using project = testProject(changes)
  const { compose, env } = plannedFiles(project.config)
  return { file: parse(compose) as ComposeFile, text: compose, env }
}

/** What Compose understands of the files, or nothing where there is no Compose. */
function resolved(config: StackConfig): ComposeFile | undefined {
  const { compose, env } = plannedFiles(config)
  writeFileSync(join(config.stateDirectory, 'compose.yaml'), compose)
  writeFileSync(join(config.stateDirectory, '.env'), env)
  const args = ['compose', '--file', join(config.stateDirectory, 'compose.yaml'), 'config', '--format', 'json']
  return JSON.parse(execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }))
}

const compose = (() => {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' })
    return false
  } catch {
    return !process.env.CI && 'docker compose is not installed'
  }
})()

test('only the gateway is published, on the address asked for', () => {
  const { services } = written().file
  assert.deepEqual(Object.keys(services), ['mongo', 'redis', 'minio', 'meilisearch', 'gateway'])
  const published = Object.entries(services).filter(([, { ports }]) => ports)
  assert.deepEqual(
    published.map(([part]) => part),
    ['gateway'],
  )
  assert.deepEqual(services.gateway?.ports, [
    { target: 6363, published: fromEnvFile('SANDBOX_PORT'), host_ip: '127.0.0.1' },
  ])
})

test('what is exposed is on free ports of the loopback address, whatever the gateway listens on', () => {
  const { services } = written({ expose: true, listen: { host: '0.0.0.0', tcpPort: 80 } }).file
  const { gateway, ...backends } = services
  assert.equal(gateway?.ports?.[0]?.host_ip, '0.0.0.0')
  for (const { ports } of Object.values(backends)) {
    assert.equal(ports?.length, 1)
    assert.equal(ports?.[0]?.host_ip, '127.0.0.1')
    assert.equal(ports?.[0]?.published, undefined)
  }
})

test('no secret is in the file that anyone may read, each is in the other', () => {
  const { text, env } = written({
    services: { data: { url: 'mongodb://user:secret-of-theirs@db.example/' }, cache: {}, search: {}, storage: {} },
  })
  assert.doesNotMatch(text, /secret-of/)
  for (const secret of ['theirs', 'redis', 'minio', 'meilisearch', 'the-gateway'])
    assert.match(env, new RegExp(`secret-of-${secret}`))
  // Of a part that has no container, nothing is written at all.
  assert.doesNotMatch(env, /secret-of-mongo/)
})

test('every part is limited, labelled and has no name of its own, and none has the Docker socket', () => {
  const { file, text } = written()
  assert.doesNotMatch(text, /docker\.sock|container_name|privileged/)
  for (const [part, service] of Object.entries(file.services)) {
    assert.equal(service.init, true, part)
    assert.match(service.mem_limit, /^\d+[mg]$/, part)
    assert.deepEqual(service.extra_hosts, ['host.docker.internal:host-gateway'], part)
    assert.equal(service.labels['io.hyper63.sandbox.project'], 'stack-test', part)
    assert.equal(service.labels['io.hyper63.sandbox.service'], part)
    for (const volume of service.volumes ?? []) assert.equal(volume.type, 'volume', part)
  }
  const others = [...Object.values(file.networks), ...Object.values(file.volumes ?? {})]
  assert.equal(others.length, 5)
  for (const { labels } of others) assert.equal(labels['io.hyper63.sandbox.project'], 'stack-test')
  const waitsFor = Object.values(file.services.gateway?.depends_on ?? {}).map(({ condition }) => condition)
  assert.deepEqual(new Set(waitsFor), new Set(['service_started']))
})

test('apps have a container that nothing reaches but the gateway, and that reads what it is given and nothing more', () => {
  const workers = {
    environment: { PLAIN: 'a $b' },
    secrets: ['HYPER_SANDBOX_WORKERS_KEY'],
    mounts: [{ source: '/home/me/$shop', target: '/project' }],
    hidden: ['/project/.hyper-sandbox'],
    user: '1000:1000',
    memoryLimit: '4096m',
  }
  const gateway = { HYPER_SANDBOX_TOKEN: 'secret-of-the-gateway', HYPER_SANDBOX_WORKERS_KEY: 'secret-of-both' }
  using project = testProject({ workers })
  const secrets = { ...project.config.secrets, gateway }
  const { file, text, env } = written({ workers, secrets })
  assert.deepEqual(Object.keys(file.services), ['mongo', 'redis', 'minio', 'meilisearch', 'gateway', 'workers'])
  assert.doesNotMatch(text, /secret-of/)
  assert.match(env, /^HYPER_SANDBOX_WORKERS_KEY="secret-of-both"$/m)
  const { image, labels, ...service } = file.services.workers as Service
  assert.equal(image, file.services.gateway?.image)
  assert.equal(labels['io.hyper63.sandbox.service'], 'workers')
  assert.deepEqual(service, {
    command: ['_workers'],
    environment: { PLAIN: 'a $$b', HYPER_SANDBOX_WORKERS_KEY: fromEnvFile('HYPER_SANDBOX_WORKERS_KEY') },
    user: '1000:1000',
    volumes: [
      {
        ...{ type: 'bind', source: '/home/me/$$shop', target: '/project' },
        ...{ read_only: true, bind: { create_host_path: false } },
      },
      { type: 'tmpfs', target: '/project/.hyper-sandbox' },
    ],
    read_only: true,
    tmpfs: ['/tmp'],
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    healthcheck: { interval: '30s' },
    stop_grace_period: '5s',
    mem_limit: '4096m',
    init: true,
    extra_hosts: ['host.docker.internal:host-gateway'],
    restart: 'on-failure:5',
  })
})

test('a service whose server exists has no container, and the gateway gets its address', () => {
  const { file, env } = written({
    services: { cache: { url: 'redis://cache.example' }, queue: {}, data: { url: 'mongodb://localhost:27017/x' } },
  })
  assert.deepEqual(Object.keys(file.services), ['redis', 'gateway'])
  assert.deepEqual(Object.keys(file.volumes ?? {}), ['redis'])
  const { environment } = file.services.gateway as Service
  assert.equal(environment.HYPER_SANDBOX_ONLY, 'cache,queue,data')
  assert.equal(environment.HYPER_SANDBOX_CACHE_URL, fromEnvFile('HYPER_SANDBOX_CACHE_URL'))
  assert.match(env, /^HYPER_SANDBOX_CACHE_URL="redis:\/\/cache.example"$/m)
  assert.match(env, /^HYPER_SANDBOX_DATA_URL="mongodb:\/\/host.docker.internal:27017\/x"$/m)
  assert.equal(environment.HYPER_SANDBOX_QUEUE_URL, `redis://:${fromEnvFile('SANDBOX_REDIS_PASSWORD')}@redis:6379`)
})

test('with servers of their own for all services, only the gateway is left', () => {
  const { file } = written({ services: { storage: { url: 'https://s3.example' } } })
  assert.deepEqual(Object.keys(file.services), ['gateway'])
  assert.equal(file.volumes, undefined)
  assert.deepEqual(file.services.gateway?.depends_on ?? {}, {})
})

test('the loopback address is the host to containers, every other host and path stays', () => {
  const cases = {
    'mongodb://u:p@localhost:27017,127.0.0.1:27018,db.example/x':
      'mongodb://u:p@host.docker.internal:27017,host.docker.internal:27018,db.example/x',
    'http://[::1]:9000': 'http://host.docker.internal:9000',
    'http://127.0.0.1': 'http://host.docker.internal',
    'http://s3.example/localhost:1/': 'http://s3.example/localhost:1/',
    'redis://localhost.example:6379': 'redis://localhost.example:6379',
    'redis://:localhost@cache': 'redis://:localhost@cache',
  }
  for (const [url, expected] of Object.entries(cases)) assert.equal(seenFromContainer(url), expected)
})

test('Compose takes the files, and every value arrives as it was', { skip: compose }, () => {
  const odd = `a$b \${c} "d" 'e' \\ #f\ng\\`
  using project = testProject({
    expose: true,
    gatewayEnvironment: { HYPER_SANDBOX_ODD: odd },
    secrets: {
      ...{ mongo: 'm', redis: 'r', minio: 'i', meilisearch: 's' },
      gateway: { HYPER_SANDBOX_TOKEN: odd, HYPER_SANDBOX_EMPTY: '' },
    },
  })
  const file = resolved(project.config)
  assert.equal(file?.name, 'stack-test')
  const { environment = {}, ports } = file?.services.gateway ?? {}
  assert.equal(environment.HYPER_SANDBOX_ODD?.replaceAll('$$', '$'), odd)
  assert.equal(environment.HYPER_SANDBOX_TOKEN?.replaceAll('$$', '$'), odd)
  assert.equal(environment.HYPER_SANDBOX_EMPTY, '')
  assert.equal(environment.HYPER_SANDBOX_DATA_URL, 'mongodb://hyper:m@mongo:27017/?authSource=admin')
  assert.equal(ports?.[0]?.published, '6363')
})

test("a user's own file adds services, with paths as that file means them", { skip: compose }, () => {
  using project = testProject()
  const own = join(project.config.projectDirectory, 'extra.yaml')
  writeFileSync(own, 'services: { web: { image: "nginx:1", volumes: ["./site:/site"] } }')
  const file = resolved({ ...project.config, include: [own] })
  assert.deepEqual(
    file?.services.web?.volumes?.map((volume) => (volume as { source?: string }).source),
    [join(project.config.projectDirectory, 'site')],
  )
})
