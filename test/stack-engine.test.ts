/** Where the Docker engine is looked for, and what is said when there is none. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { endpoints } from '../compose/endpoint.ts'
import { findEngine } from '../compose/engine.ts'
import type { HyperError } from '../server/error.ts'

const home = mkdtempSync(join(tmpdir(), 'hyper-engine-'))
const bin = join(home, 'bin')
const socket = join(home, 'engine.sock')
const deadSocket = join(home, 'dead.sock')
let api = { Version: '20.10.24', ApiVersion: '1.41', Arch: 'amd64' }
let engine: Server

before(async () => {
  mkdirSync(bin)
  engine = createServer((request, reply) => {
    assert.equal(request.url, '/version')
    reply.setHeader('content-type', 'application/json').end(JSON.stringify(api))
  })
  await new Promise<void>((resolve) => engine.listen(socket, resolve))
  // A file where a socket was: nobody listens.
  writeFileSync(deadSocket, '')
})

after(() => {
  engine.close()
  rmSync(home, { recursive: true, force: true })
})

/** The docker command, saying of its Compose plugin what a test wants. */
function dockerCommand(script: string): string {
  writeFileSync(join(bin, 'docker'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bin, 'docker'), 0o755)
  return bin
}

function context(name: string, host: string, isCurrent = false): void {
  const id = createHash('sha256').update(name).digest('hex')
  const directory = join(home, '.docker/contexts/meta', id)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }))
  writeFileSync(join(home, '.docker/config.json'), JSON.stringify(isCurrent ? { currentContext: name } : {}))
}

async function refusal(env: NodeJS.ProcessEnv): Promise<HyperError> {
  const error = await findEngine({ HOME: home, PATH: bin, ...env }).then(
    () => assert.fail('an engine was found'),
    (error: HyperError) => error,
  )
  assert.equal(error.code, 'ENGINE_UNAVAILABLE')
  assert.ok(error.hint)
  return error
}

test('DOCKER_HOST wins over everything, then DOCKER_CONTEXT, and no other place is tried', () => {
  context('other', 'unix:///other.sock', true)
  const hosts = (env: NodeJS.ProcessEnv) => endpoints({ HOME: home, ...env }, 'linux').map(({ host }) => host)
  assert.deepEqual(hosts({ DOCKER_HOST: 'unix:///x.sock', DOCKER_CONTEXT: 'other' }), ['unix:///x.sock'])
  assert.deepEqual(hosts({ DOCKER_HOST: '127.0.0.1:2375' }), ['tcp://127.0.0.1:2375'])
  assert.deepEqual(hosts({ DOCKER_CONTEXT: 'other' }), ['unix:///other.sock'])
  assert.equal(hosts({ DOCKER_CONTEXT: 'default' })[0], 'unix:///var/run/docker.sock')
})

test('the current context comes first, then the places where engines put their sockets', () => {
  context('mine', 'unix:///mine.sock', true)
  const found = endpoints({ HOME: home, XDG_RUNTIME_DIR: '/run/user/1000' }, 'linux').map(({ host }) => host)
  assert.deepEqual(found.slice(0, 4), [
    'unix:///mine.sock',
    'unix:///var/run/docker.sock',
    'unix:///run/user/1000/docker.sock',
    `unix://${home}/.docker/run/docker.sock`,
  ])
  for (const name of ['.colima/default/docker.sock', '.orbstack/run/docker.sock', '.rd/docker.sock'])
    assert.ok(found.includes(`unix://${home}/${name}`), name)
  assert.equal(found.at(-1), 'unix:///run/user/1000/podman/podman.sock')
})

test('an engine is found at a socket, and the docker command is pointed at the same one', async () => {
  const PATH = dockerCommand(
    'test "$DOCKER_HOST" = "$EXPECTED" && test -z "$DOCKER_CONTEXT$COMPOSE_FILE" && echo 2.24.0',
  )
  context('live', `unix://${socket}`)
  const expected = { EXPECTED: `unix://${socket}`, COMPOSE_FILE: 'other.yaml' }
  for (const env of [{ DOCKER_HOST: `unix://${socket}` }, { DOCKER_CONTEXT: 'live' }]) {
    const found = await findEngine({ HOME: home, PATH, ...expected, ...env })
    assert.equal(found.host, `unix://${socket}`)
    assert.equal(found.apiVersion, '1.41')
    assert.equal(found.composeVersion, '2.24.0')
  }
})

test('a current context whose socket is dead is passed over', async () => {
  dockerCommand('echo v5.5.0')
  const runtime = join(home, 'run')
  mkdirSync(runtime)
  const live = createServer((_request, reply) => reply.end(JSON.stringify(api)))
  await new Promise<void>((resolve) => live.listen(join(runtime, 'docker.sock'), resolve))
  try {
    context('dead', `unix://${deadSocket}`, true)
    const found = await findEngine({ HOME: home, PATH: bin, XDG_RUNTIME_DIR: runtime })
    assert.notEqual(found.host, `unix://${deadSocket}`)
    assert.equal(found.composeVersion, '5.5.0')
  } finally {
    live.close()
  }
})

test('what stands in the way is said in one sentence, with its reason', async () => {
  dockerCommand('echo 2.40.1')
  const on = { DOCKER_HOST: `unix://${socket}` }
  const dead = await refusal({ DOCKER_HOST: `unix://${deadSocket}` })
  assert.match(dead.message, /dead\.sock \(DOCKER_HOST\) does not answer/)
  assert.equal(dead.meta?.reason, 'stopped')
  assert.equal((await refusal({ DOCKER_HOST: 'ssh://host.example' })).meta?.reason, 'remote')
  assert.match((await refusal({ DOCKER_HOST: 'tcp://10.0.0.1:2375' })).message, /another machine, tcp:\/\/10/)
  assert.equal((await refusal({ DOCKER_HOST: 'tcp://127.0.0.1:1' })).meta?.reason, 'stopped')
  assert.match((await refusal({ DOCKER_HOST: 'what is this' })).message, /DOCKER_HOST is no address of an engine/)
  assert.match((await refusal({ DOCKER_CONTEXT: 'none-such' })).message, /no Docker context 'none-such'/)

  dockerCommand('echo 2.23.3-desktop.1')
  assert.match((await refusal(on)).message, /Docker Compose 2\.23\.3-desktop\.1 is too old: 2\.24/)
  dockerCommand('echo "docker: \'compose\' is not a docker command" >&2; exit 1')
  assert.equal((await refusal(on)).meta?.reason, 'no-compose')
  assert.equal((await refusal({ ...on, PATH: home })).meta?.reason, 'no-command')

  api = { ...api, Version: '19.03.1', ApiVersion: '1.40' }
  assert.match((await refusal(on)).message, /Docker 19\.03\.1 \(API 1\.40\) is too old: API 1\.41/)
  api = { ...api, ApiVersion: '1.41' }
})

test('a socket that this user may not use is said to be that', async () => {
  const isRoot = process.getuid?.() === 0
  // Root may use every socket.
  if (isRoot) process.seteuid?.('nobody')
  else chmodSync(socket, 0)
  try {
    // Another spelling: connections that are open already are used again.
    const { meta, hint } = await refusal({ DOCKER_HOST: `unix://${home}/./engine.sock` })
    assert.equal(meta?.reason, 'permission')
    assert.match(hint ?? '', /usermod -aG docker/)
  } finally {
    if (isRoot) process.seteuid?.(0)
    else chmodSync(socket, 0o600)
  }
})
