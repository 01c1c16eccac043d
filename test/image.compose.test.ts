/** The product's image, as CI services and stacks start it. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sendRaw } from './acceptance/http.ts'
import { testsOn } from './helpers/compose-project.ts'
import { run } from './parts/part.ts'
import { productImage } from './parts/product-image.ts'

const LARGEST_IMAGE_BYTES = 350_000_000
const READY_MS = 30_000

await testsOn('the image', await productImage(), ({ name }) => allOn(name))

interface Container extends AsyncDisposable {
  name: string
  /** Where the host reaches it; a start may change it. */
  url(): Promise<string>
  /** Until `/readyz` says so. */
  ready(): Promise<void>
  inspect(format: string): Promise<string>
  /** Everything it wrote. */
  logs(): Promise<string>
}

async function docker(...args: string[]): Promise<string> {
  return await run('docker', args, { all: true })
}

/** @param flags of `docker run` */
async function start(
  image: string,
  flags: readonly string[] = [],
  command: readonly string[] = [],
): Promise<Container> {
  const name = `hyper-image-test-${randomUUID().slice(0, 8)}`
  await docker('run', '--detach', '--name', name, '--publish', '127.0.0.1::6363', ...flags, image, ...command)
  const url = async () => `http://${await docker('port', name, '6363')}`
  const logs = async () => {
    const { execa } = await import('execa')
    return (await execa('docker', ['logs', name], { all: true })).all
  }
  return {
    name,
    url,
    logs,
    inspect: (format) => docker('inspect', '--format', format, name),
    async ready() {
      const deadline = performance.now() + READY_MS
      for (;;) {
        const answer = await fetch(`${await url()}/readyz`).catch(() => undefined)
        if (answer?.ok) return
        assert.ok(performance.now() < deadline, `not ready after ${READY_MS / 1000} s: ${await logs()}`)
        await sleep(50)
      }
    },
    [Symbol.asyncDispose]: async () => void (await docker('rm', '--force', '--volumes', name)),
  }
}

async function allOn(image: string): Promise<void> {
  test('without a command it serves the embedded engine on 6363, for a user without rights', async (t) => {
    const begun = performance.now()
    await using container = await start(image)
    await container.ready()
    t.diagnostic(`ready ${Math.round(performance.now() - begun)} ms after docker run`)
    assert.equal(await container.inspect('{{.Config.User}}'), '65532:65532')
    const said = await container.logs()
    assert.match(said, /ready in/)
    assert.doesNotMatch(said, /warning|error/i)

    const url = await container.url()
    assert.equal((await fetch(`${url}/data/shelf`, { method: 'PUT' })).status, 201)
    const changed = (await docker('diff', container.name)).split('\n').map((line) => line.slice(2))
    assert.deepEqual(
      changed.filter((path) => !/^\/(data|tmp)(\/|$)/.test(path)),
      [],
    )
    assert.match(
      await sendRaw(url, 'GET /data/shelf HTTP/1.1\r\nHost: hyper\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1.1 200 /,
    )
  })

  test('it is small, and has neither a shell nor a volume of its own to leave behind', async (t) => {
    const [bytes = '', volumes] = (await docker('inspect', '--format', '{{.Size}} {{.Config.Volumes}}', image)).split(
      ' ',
    )
    t.diagnostic(`${Math.round(Number(bytes) / 1e6)} MB`)
    assert.ok(Number(bytes) < LARGEST_IMAGE_BYTES, `${bytes} bytes`)
    assert.equal(volumes, 'map[]')
    await assert.rejects(docker('run', '--rm', '--entrypoint', 'sh', image, '-c', 'true'), /executable file not found/)
  })

  test('its own check says healthy, and unhealthy to a gateway that does not answer', async () => {
    await using container = await start(image, ['--health-interval', '1s', '--health-retries', '1'])
    const becomes = async (state: string) => {
      const deadline = performance.now() + READY_MS
      while ((await container.inspect('{{.State.Health.Status}}')) !== state) {
        assert.ok(performance.now() < deadline, `never ${state}: ${await container.inspect('{{json .State.Health}}')}`)
        await sleep(200)
      }
    }
    await becomes('healthy')
    const probe = ['exec', '--env', 'HYPER_SANDBOX_PORT=1', container.name, 'node', '/app/healthcheck.cjs']
    await assert.rejects(docker(...probe))
  })

  test('it ends by itself when stopped, and keeps on its volume what it acknowledged, also when killed', async (t) => {
    const volume = `hyper-image-test-${randomUUID().slice(0, 8)}`
    after(() => docker('volume', 'rm', '--force', volume))
    const flags = ['--read-only', '--tmpfs', '/tmp', '--volume', `${volume}:/data`, '--cap-drop', 'ALL']
    {
      await using container = await start(image, flags)
      await container.ready()
      const url = await container.url()
      await fetch(`${url}/cache/shelf`, { method: 'PUT' })
      const body = JSON.stringify({ key: 'k', value: { n: 1 } })
      const headers = { 'content-type': 'application/json' }
      assert.equal((await fetch(`${url}/cache/shelf`, { method: 'POST', headers, body })).status, 201)
      await docker('kill', container.name)
      await docker('start', container.name)
      await container.ready()
      assert.deepEqual(await (await fetch(`${await container.url()}/cache/shelf/k`)).json(), { n: 1 })
      const begun = performance.now()
      await docker('stop', container.name)
      t.diagnostic(`stopped in ${Math.round(performance.now() - begun)} ms`)
      assert.equal(await container.inspect('{{.State.ExitCode}}'), '0') // 137 after Docker's patience
    }
    await using another = await start(image, flags)
    await another.ready()
    assert.deepEqual(await (await fetch(`${await another.url()}/cache/shelf/k`)).json(), { n: 1 })
  })

  test('through a published port admin calls need the token that its environment names', async () => {
    await using container = await start(image, ['--env', 'HYPER_SANDBOX_TOKEN=known-to-both'])
    await container.ready()
    const url = await container.url()
    const purge = async (headers: Record<string, string>) =>
      (await fetch(`${url}/_sandbox/purge`, { method: 'POST', headers, body: '{"all":true}' })).status
    assert.equal(await purge({}), 401)
    assert.equal(await purge({ authorization: 'Bearer known-to-both' }), 200)
    assert.doesNotMatch(await container.logs(), /known-to-both/)
  })

  test('it runs apps that are mounted into it, reloads them when they are saved, and nothing of them outlives it', async () => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'hyper-image-test-')))
    after(() => rmSync(directory, { recursive: true, force: true }))
    // For a user of the container, who is nobody here.
    chmodSync(directory, 0o755)
    mkdirSync(join(directory, 'apps/hello'), { recursive: true })
    const app = (word: string) =>
      writeFileSync(
        join(directory, 'apps/hello/index.ts'),
        `export default { fetch: (_: Request, env: { HYPER: string }): Response => new Response(${JSON.stringify(word)} + env.HYPER) }`,
      )
    app('first ')
    writeFileSync(join(directory, 'hyper-sandbox.yaml'), 'apps: [{ name: hello, path: /apps/hello }]\n')
    await using container = await start(image, [
      ...['--volume', `${join(directory, 'apps')}:/apps:ro`, '--cap-drop', 'ALL'],
      ...['--volume', `${join(directory, 'hyper-sandbox.yaml')}:/data/hyper-sandbox.yaml:ro`],
    ])
    await container.ready()
    const url = await container.url()
    const ask = async () => await sendRaw(url, 'GET / HTTP/1.1\r\nHost: hello.localhost\r\nConnection: close\r\n\r\n')
    assert.match(await ask(), /first http:\/\/hyper\.internal\/test$/)
    app('second ')
    const deadline = performance.now() + READY_MS
    while (!/second /.test(await ask())) {
      assert.ok(performance.now() < deadline, await container.logs())
      await sleep(50)
    }
    const [pid = ''] = (await docker('top', container.name, '-o', 'pid,comm'))
      .split('\n')
      .filter((line) => /workerd/.test(line))
      .map((line) => line.trim().split(/ +/)[0])
    await docker('kill', container.name)
    assert.equal(existsSync(`/proc/${pid}`), false)
  })

  test('other commands of the tool run in it too', async () => {
    await using container = await start(image)
    await container.ready()
    assert.match(await docker('run', '--rm', image, 'version'), /^hyper-sandbox \d/)
    assert.match(await docker('exec', container.name, 'node', '/app/cli/launcher.cjs', 'status'), /6363/)
  })

  const judged = await start(image)
  after(() => judged[Symbol.asyncDispose]())
  await judged.ready()
  const url = await judged.url()
  process.env.HYPER_TEST_TARGET_HOST = await judged.inspect('{{.NetworkSettings.Gateway}}')
  const { registerCases } = await import('./acceptance/cases.ts')
  registerCases({ test, origin: () => url })
}
