/** Stacks on a real Docker engine: what is made, adopted, repaired, watched and removed. What answers in them is not the matter here. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ContainerInspectInfo } from 'dockerode'
import { createStack } from '../compose/create-stack.ts'
import { type Engine, findEngine } from '../compose/engine.ts'
import { findStacks } from '../compose/find-stacks.ts'
import type { LogLine, PullProgress, Stack, StackConfig } from '../compose/stack.ts'
import type { HyperError } from '../server/error.ts'
import { startRegistry } from './helpers/registry.ts'
import { testProject } from './helpers/stack-config.ts'
import { BASE_IMAGE, TEST_IMAGES } from './parts/images.ts'

const DOWN_MS = 20_000
const RANDOM_STARTS = 4 * Number(process.env.HYPER_TEST_SCALE ?? 1)

const engine = await findEngine(process.env).catch((error: HyperError) => error.message)
const skip = await reasonToSkip()

if (skip !== undefined) {
  test('stacks on a Docker engine', (t) => {
    if (process.env.CI) assert.fail(skip)
    t.skip(skip)
  })
} else {
  allOn(engine as Engine)
}

async function reasonToSkip(): Promise<string | undefined> {
  if (typeof engine === 'string') return engine
  const isThere = (image: string) =>
    engine.docker
      .getImage(image)
      .inspect()
      .then(
        () => true,
        () => false,
      )
  return (await isThere(TEST_IMAGES.redis))
    ? undefined
    : `there is no image ${TEST_IMAGES.redis}: npm run parts -- npm test`
}

interface Running extends AsyncDisposable {
  stack: Stack
  config: StackConfig
  /** The same sandbox with another configuration, as the next command would see it. */
  with(changes: Partial<StackConfig>): Stack
  /** Every container of the Compose project, by service. */
  containers(): Promise<Record<string, ContainerInspectInfo>>
  /** Names of all that the engine has of it. */
  everything(): Promise<string[]>
}

function allOn(engine: Engine): void {
  const { docker } = engine

  /** Stays up, and keeps nothing. */
  const standIn = `stack-test-gateway:${randomUUID().slice(0, 8)}`
  before(() => build(standIn, `FROM ${BASE_IMAGE}\nCMD ["redis-server", "--save", ""]\n`))
  after(() => removeImage(standIn))

  /** A sandbox with one backend, and in the gateway's place a server that stays up. It removes everything it made. */
  function sandbox(changes: Partial<StackConfig> = {}): Running {
    const project = testProject({
      name: `stack-test-${randomUUID().slice(0, 8)}`,
      services: { cache: {} },
      listen: { host: '127.0.0.1', tcpPort: 0 },
      images: { override: { redis: [TEST_IMAGES.redis], gateway: [standIn], mongo: [TEST_IMAGES.mongo] } },
      ...changes,
    })
    const { config } = project
    const stack = createStack(config, engine)
    const filters = { label: [`com.docker.compose.project=${config.name}`] }
    return {
      stack,
      config,
      with: (others) => createStack({ ...config, ...others }, engine),
      async containers() {
        const found = await docker.listContainers({ all: true, filters })
        const inspected = await Promise.all(found.map(({ Id }) => docker.getContainer(Id).inspect()))
        return Object.fromEntries(
          inspected.map((container) => [container.Config.Labels['com.docker.compose.service'] ?? '', container]),
        )
      },
      async everything() {
        const [containers, networks, { Volumes }] = await Promise.all([
          docker.listContainers({ all: true, filters }),
          docker.listNetworks({ filters }),
          docker.listVolumes({ filters }),
        ])
        const names = [containers.flatMap(({ Names }) => Names), networks.map(({ Name }) => Name)]
        return [...names.flat(), ...(Volumes ?? []).map(({ Name }) => Name)]
      },
      async [Symbol.asyncDispose]() {
        await stack.down({ volumes: true, timeoutMs: DOWN_MS })
        project[Symbol.dispose]()
      },
    }
  }

  const ids = (containers: Record<string, ContainerInspectInfo>) =>
    Object.fromEntries(Object.entries(containers).map(([part, { Id }]) => [part, Id]))

  test('up makes what is asked for, published on the loopback address only; a second changes nothing; down leaves the data', async () => {
    await using running = sandbox()
    const { stack, config } = running
    const progress: PullProgress[] = []
    await stack.pull({ onProgress: (step) => progress.push(step) })
    assert.deepEqual(new Set(progress.map(({ state }) => state)), new Set(['present']))
    const { tcpPort } = await stack.up({})

    const first = await running.containers()
    assert.deepEqual(Object.keys(first).sort(), ['gateway', 'redis'])
    for (const { HostConfig, State, Mounts } of Object.values(first)) {
      assert.equal(State.Status, 'running')
      const bindings = Object.values((HostConfig.PortBindings ?? {}) as Record<string, { HostIp: string }[]>).flat()
      for (const { HostIp } of bindings) assert.equal(HostIp, '127.0.0.1')
      assert.equal(HostConfig.Privileged, false)
      assert.ok((HostConfig.Memory ?? 0) > 0)
      for (const { Type, Destination } of Mounts) assert.equal(Type, 'volume', Destination)
    }
    assert.deepEqual(first.redis?.HostConfig.PortBindings, {})
    assert.equal(statSync(join(config.stateDirectory, '.env')).mode & 0o777, 0o600)

    assert.deepEqual(await stack.up({}), { tcpPort })
    assert.deepEqual(ids(await running.containers()), ids(first))

    const [found] = (await findStacks(engine)).filter(({ name }) => name === config.name)
    assert.deepEqual(found, {
      name: config.name,
      projectDirectory: config.projectDirectory,
      running: found?.running,
      parts: found?.parts,
      address: `127.0.0.1:${tcpPort}`,
    })
    assert.deepEqual(found?.running.toSorted(), ['gateway', 'redis'])

    assert.deepEqual(await stack.down({ volumes: false, timeoutMs: DOWN_MS }), { containers: 2, volumes: 0 })
    assert.deepEqual(await running.everything(), [`${config.name}_redis`])
    assert.deepEqual(await stack.down({ volumes: false, timeoutMs: DOWN_MS }), { containers: 0, volumes: 0 })
    // The address stays the project's own.
    assert.deepEqual(await stack.up({}), { tcpPort })
    assert.deepEqual(await stack.down({ volumes: true, timeoutMs: DOWN_MS }), { containers: 2, volumes: 1 })
    assert.deepEqual(await running.everything(), [])
  })

  test('a changed configuration makes anew only what it is about', async () => {
    await using running = sandbox()
    await running.stack.up({})
    const before = await running.containers()
    const { gatewayEnvironment } = running.config
    await running.with({ gatewayEnvironment: { ...gatewayEnvironment, HYPER_SANDBOX_X: '1' }, version: '1.2.4' }).up({})
    const after = await running.containers()
    assert.equal(after.redis?.Id, before.redis?.Id)
    assert.notEqual(after.gateway?.Id, before.gateway?.Id)

    await running.with({ expose: true }).up({})
    const states = await running.with({ expose: true }).parts({ usage: true })
    assert.match(states.find(({ part }) => part === 'redis')?.address ?? '', /^127\.0\.0\.1:\d+$/)
    for (const { memory = 0, memoryLimit = 0, cpu = -1, version } of states) {
      assert.ok(memory > 0 && memory < memoryLimit)
      assert.ok(cpu >= 0)
      assert.ok(version)
    }
  })

  const DAMAGES: [string, (running: Running) => Promise<unknown>][] = [
    [
      'paused, killed and stopped',
      async (running) => {
        const { redis, gateway } = await running.containers()
        await docker.getContainer(redis?.Id ?? '').pause()
        await docker.getContainer(gateway?.Id ?? '').kill()
      },
    ],
    [
      'removed',
      async (running) => {
        const { redis } = await running.containers()
        await docker.getContainer(redis?.Id ?? '').remove({ force: true })
      },
    ],
    [
      'stopped, and their network removed',
      async (running) => {
        for (const { Id } of Object.values(await running.containers())) await docker.getContainer(Id).stop({ t: 1 })
        await docker.getNetwork(`${running.config.name}_default`).remove()
      },
    ],
    [
      'taken down by hand',
      (running) =>
        promisify(execFile)('docker', [
          ...['compose', '--file', join(running.config.stateDirectory, 'compose.yaml'), 'down'],
        ]),
    ],
  ]

  for (const [what, damage] of DAMAGES) {
    test(`containers that were ${what} are brought back with their data`, async () => {
      await using running = sandbox()
      const { tcpPort } = await running.stack.up({})
      const { redis } = await running.containers()
      const volume = redis?.Mounts.find(({ Destination }) => Destination === '/data')?.Name
      await damage(running)
      assert.deepEqual(await running.stack.up({}), { tcpPort })
      const after = await running.containers()
      for (const { State } of Object.values(after)) assert.equal(State.Status, 'running')
      assert.equal(after.redis?.Mounts.find(({ Destination }) => Destination === '/data')?.Name, volume)
    })
  }

  test('down removes what is paused, half-made or without files', async () => {
    await using running = sandbox()
    await running.stack.up({})
    const { redis } = await running.containers()
    await docker.getContainer(redis?.Id ?? '').pause()
    await docker.createContainer({
      Image: TEST_IMAGES.redis,
      Labels: { 'com.docker.compose.project': running.config.name, 'io.hyper63.sandbox.service': 'mongo' },
    })
    for (const name of ['compose.yaml', '.env']) writeFileSync(join(running.config.stateDirectory, name), '')
    await running.stack.down({ volumes: true, timeoutMs: DOWN_MS })
    assert.deepEqual(await running.everything(), [])
  })

  test('an address in use is said, and nothing is made; a free one is found where any will do', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port: tcpPort } = server.address() as { port: number }
    try {
      await using running = sandbox({ listen: { host: '127.0.0.1', tcpPort } })
      await assert.rejects(running.stack.up({}), { code: 'ADDRESS_IN_USE', meta: { tcpPort } })
      assert.deepEqual(await running.everything(), [])

      writeFileSync(join(running.config.stateDirectory, '.env'), `SANDBOX_PORT="${tcpPort}"\n`)
      const other = await running.with({ listen: { host: '127.0.0.1', tcpPort: 0 } }).up({})
      assert.notEqual(other.tcpPort, tcpPort)
    } finally {
      server.close()
    }
  })

  test('a death ends the wait with its name, exit code and last lines, also one that was before', async () => {
    await using running = sandbox()
    await running.stack.up({})
    const { redis } = await running.containers()
    const failure = running.stack.failure(AbortSignal.timeout(20_000))
    failure.catch(() => {})
    await sleep(300)
    await docker.getContainer(redis?.Id ?? '').kill()
    const dead = { code: 'BACKEND_UNAVAILABLE', meta: { part: 'redis', exitCode: 137, oomKilled: false } }
    await assert.rejects(failure, (error: HyperError) => {
      assert.deepEqual({ code: error.code, meta: error.meta }, dead)
      assert.match(error.message, /Ready to accept connections/)
      return true
    })
    await assert.rejects(running.stack.failure(AbortSignal.timeout(20_000)), { message: /^redis ended with exit code/ })
  })

  test('a part that is restarted on purpose is no death', async () => {
    await using running = sandbox()
    await running.stack.up({})
    const stop = new AbortController()
    const failure = running.stack.failure(stop.signal)
    failure.catch(() => {})
    await sleep(300)
    await running.stack.restart(['redis'])
    await sleep(300)
    stop.abort(new Error('enough'))
    await assert.rejects(failure, { message: 'enough' })
  })

  test('logs come in the order of time, and go on over a restart', async () => {
    await using running = sandbox()
    await running.stack.up({})
    const signal = AbortSignal.timeout(20_000)
    const isReady = ({ text }: LogLine) => /Ready to accept connections/.test(text)
    // Both begin to write a moment after they were started.
    let lines: LogLine[] = []
    while (lines.filter(isReady).length < 2) {
      lines = await Array.fromAsync(running.stack.logs({ follow: false, signal }))
    }
    assert.deepEqual(
      lines.map(({ time }) => time),
      lines.map(({ time }) => time).toSorted(),
    )
    assert.deepEqual(new Set(lines.map(({ part }) => part)), new Set(['redis', 'gateway']))
    const last = await Array.fromAsync(running.stack.logs({ parts: ['redis'], follow: false, tail: 3, signal }))
    assert.deepEqual(last, lines.filter(({ part }) => part === 'redis').slice(-3))

    const followed: LogLine[] = []
    for await (const line of running.stack.logs({ parts: ['redis'], follow: true, tail: 1, signal })) {
      followed.push(line)
      if (followed.length === 1) running.stack.restart(['redis']).catch(assert.fail)
      else if (isReady(line)) break
    }
    assert.deepEqual(followed[0], last.at(-1))
    assert.deepEqual(new Set(followed.map(({ time }) => time)).size, followed.length)
  })

  test('a start that is interrupted, at whatever moment, leaves nothing, and the next succeeds', async () => {
    await using running = sandbox()
    for (let start = 0; start < RANDOM_STARTS; start += 1) {
      const afterMs = Math.round(Math.random() * 2_000)
      const outcome = await running.stack.up({ signal: AbortSignal.timeout(afterMs) }).then(
        () => 'up',
        (error: Error) => (error.name === 'HyperError' ? (error as HyperError).code : error.name),
      )
      if (outcome === 'up') await running.stack.down({ volumes: false, timeoutMs: DOWN_MS })
      else assert.ok(['INTERRUPTED', 'TimeoutError'].includes(outcome), outcome)
      const left = (await running.everything()).filter((name) => name !== `${running.config.name}_redis`)
      assert.deepEqual(left, [], `interrupted after ${afterMs} ms`)
    }
    await running.stack.up({})
  })

  test('what a start left that was killed, down finds', async () => {
    await using running = sandbox()
    const source = `const { createStack } = await import(${JSON.stringify(join(import.meta.dirname, '../compose/create-stack.ts'))})
      const { connectEngine } = await import(${JSON.stringify(join(import.meta.dirname, '../compose/engine.ts'))})
      await createStack(${JSON.stringify(running.config)}, await connectEngine(process.env)).up({})`
    for (let start = 0; start < RANDOM_STARTS; start += 1) {
      const killedMs = 300 + Math.round(Math.random() * 2_500)
      const options = { timeout: killedMs, killSignal: 'SIGKILL' } as const
      await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', source], options).catch(() => {})
      await running.stack.down({ volumes: true, timeoutMs: DOWN_MS })
      // Docker's own command may have outlived us by a moment.
      await sleep(1_000)
      assert.deepEqual(await running.everything(), [], `killed after ${killedMs} ms`)
    }
  })

  test('two starts at the same time both succeed, with one set of containers', async () => {
    await using running = sandbox()
    const outcomes = await Promise.allSettled([running.stack.up({}), running.with({}).up({})])
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason : 'up')),
      ['up', 'up'],
    )
    const containers = Object.values(await running.containers())
    assert.equal(containers.length, 2)
    for (const { State } of containers) assert.equal(State.Status, 'running')
  })

  test('every image that cannot be had is named, with each candidate and why', async () => {
    const none = ['127.0.0.1:1/none/a', '127.0.0.1:1/none/b:1']
    await using running = sandbox({ images: { override: { redis: none, gateway: [standIn] } } })
    await assert.rejects(running.stack.up({}), (error: HyperError) => {
      assert.equal(error.code, 'ENGINE_UNAVAILABLE')
      assert.match(error.message, /image of redis cannot be had:\n {2}127.0.0.1:1\/none\/a:latest: .*refused\n {2}127/)
      assert.equal(error.meta?.reason, 'images')
      return true
    })
    assert.deepEqual(await running.everything(), [])
  })

  test('the next candidate is taken where the first cannot be had, and then kept', async () => {
    const override = { redis: ['127.0.0.1:1/none/a', TEST_IMAGES.redis], gateway: [standIn] }
    await using running = sandbox({ images: { override } })
    const seen: string[] = []
    const onProgress = ({ part, state }: PullProgress) => {
      if (part === 'redis') seen.push(state)
    }
    await running.stack.pull({ onProgress, always: true })
    assert.deepEqual(seen, ['pulling', 'failed', 'pulling', 'failed'])
    const lock = JSON.parse(readFileSync(join(running.config.stateDirectory, 'images.lock.json'), 'utf8'))
    assert.equal(lock.images.redis.reference, `${TEST_IMAGES.redis}:latest`)
    seen.length = 0
    await running.stack.pull({ onProgress })
    assert.deepEqual(seen, ['present'])
  })

  test('an image is pulled with its bytes told, after passing faults, and from then on by its digest', async () => {
    await using registry = await startRegistry({ architecture: engine.architecture, env: ['REDIS_VERSION=9.9.9'] })
    // An engine asks twice before it gives up.
    registry.failures = 2
    const name = `${registry.image}:some-tag`
    await using running = sandbox({ images: { override: { redis: [name], gateway: [standIn] } } })
    const steps: PullProgress[] = []
    const onProgress = (step: PullProgress) => {
      if (step.part === 'redis') steps.push(step)
    }
    const pinned = `${name}@${registry.digest}`
    try {
      await running.stack.pull({ onProgress })
      assert.equal(registry.failures, 0)
      assert.equal(steps[0]?.state, 'pulling')
      assert.deepEqual(steps.at(-1), { part: 'redis', image: name, state: 'done' })
      const { current, total } = steps.at(-2) ?? {}
      assert.ok(total !== undefined && total > 3_000_000 && current === total)
      const lock = JSON.parse(readFileSync(join(running.config.stateDirectory, 'images.lock.json'), 'utf8'))
      assert.deepEqual(lock.images.redis, { reference: pinned, format: 'redis', version: '9.9.9', override: [name] })

      await removeImage(name)
      steps.length = 0
      await running.stack.pull({ onProgress })
      assert.deepEqual([steps[0]?.image, steps.at(-1)?.state], [pinned, 'done'])
    } finally {
      await removeImage(pinned)
    }
  })

  test('a registry that asks for a login gets what docker login has kept', async () => {
    await using registry = await startRegistry({ architecture: engine.architecture })
    registry.login = 'someone:secret'
    await using running = sandbox({ images: { override: { redis: [registry.image], gateway: [standIn] } } })
    const refused = { code: 'ENGINE_UNAVAILABLE', message: /no basic auth credentials|unauthorized/ }
    await assert.rejects(running.stack.pull({ onProgress() {} }), refused)
    const directory = running.config.projectDirectory
    const address = registry.image.split('/')[0] ?? ''
    const auths = { [address]: { auth: Buffer.from(registry.login).toString('base64') } }
    writeFileSync(join(directory, 'config.json'), JSON.stringify({ auths }))
    // The Compose plugin is looked for beside it.
    const own = join(process.env.DOCKER_CONFIG ?? join(homedir(), '.docker'), 'cli-plugins')
    if (existsSync(own)) symlinkSync(own, join(directory, 'cli-plugins'))
    const withLogin = { ...engine, env: { ...engine.env, DOCKER_CONFIG: directory } }
    await createStack(running.config, withLogin).pull({ onProgress() {} })
    await removeImage(`${registry.image}:latest`)
  })

  test('an image for another processor is refused by that reason', async () => {
    const other = engine.architecture === 'arm64' ? 'amd64' : 'arm64'
    await using registry = await startRegistry({ architecture: other })
    await using running = sandbox({ images: { override: { redis: [registry.image], gateway: [standIn] } } })
    await assert.rejects(running.stack.up({}), (error: HyperError) => {
      assert.equal(error.code, 'ENGINE_UNAVAILABLE')
      return error.message.includes(`is built for ${other}, this engine runs ${engine.architecture}`)
    })
    assert.deepEqual(await running.everything(), [])
    await removeImage(`${registry.image}:latest`)
  })

  test('data of another version is left alone', async () => {
    await using running = sandbox({ services: { data: {} } })
    await running.stack.up({})
    await running.stack.down({ volumes: false, timeoutMs: DOWN_MS })
    const newer = `stack-test-mongo:${running.config.name}`
    await build(newer, `FROM ${TEST_IMAGES.mongo}\nENV MONGO_VERSION=99.0.1\n`)
    try {
      const upgraded = running.with({ images: { override: { ...running.config.images.override, mongo: [newer] } } })
      await assert.rejects(upgraded.up({}), {
        code: 'CONFIG_INVALID',
        message: /mongodb 99\.0\.1 .* would not open it/,
      })
      // The lock that remembers it lost, the volume's labels still tell.
      writeFileSync(
        join(running.config.stateDirectory, 'images.lock.json'),
        JSON.stringify({ schemaVersion: 1, images: {}, data: {} }),
      )
      await assert.rejects(upgraded.up({}), { code: 'CONFIG_INVALID' })
      assert.deepEqual(await running.everything(), [`${running.config.name}_mongo`])
      await running.stack.up({})
    } finally {
      await removeImage(newer)
    }
  })

  test('a Compose project of the same name that is not ours is left alone', async () => {
    await using running = sandbox()
    const stranger = await docker.createContainer({
      Image: TEST_IMAGES.redis,
      Labels: {
        'com.docker.compose.project': running.config.name,
        'com.docker.compose.project.working_dir': import.meta.dirname,
      },
    })
    const taken = { code: 'CONFIG_INVALID', message: /is taken by the Compose project/ }
    try {
      await assert.rejects(running.stack.up({}), taken)
      await assert.rejects(running.stack.down({ volumes: true, timeoutMs: DOWN_MS }), taken)
      assert.equal((await stranger.inspect()).State.Status, 'created')
    } finally {
      await stranger.remove({ v: true })
    }
  })

  test("a user's own services come and go with the sandbox; a mistake in their file is told by its name", async () => {
    await using running = sandbox()
    const file = join(running.config.projectDirectory, 'extra.yaml')
    const extended = running.with({ include: [file] })
    writeFileSync(
      file,
      `services: { web: { image: "${TEST_IMAGES.redis}", volumes: ["site:/data"] } }\nvolumes: { site: }`,
    )
    await extended.up({})
    assert.equal((await running.containers()).web?.State.Status, 'running')
    writeFileSync(file, 'services: { web: { imag: a } }')
    await assert.rejects(extended.up({}), (error: HyperError) => {
      assert.equal(error.code, 'CONFIG_INVALID')
      return error.message.includes(file)
    })
    await extended.down({ volumes: true, timeoutMs: DOWN_MS })
    assert.deepEqual(await running.everything(), [])
  })

  async function removeImage(name: string): Promise<void> {
    await docker.getImage(name).remove({ force: true })
  }

  async function build(tag: string, dockerfile: string): Promise<void> {
    const child = promisify(execFile)('docker', ['build', '--quiet', '--tag', tag, '-'])
    child.child.stdin?.end(dockerfile)
    await child
  }
}
