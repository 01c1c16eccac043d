/** What `npm run parts` promises: every part is there in CI, a second run only looks, and an engine it started ends with it. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { execa } from 'execa'
import { PARTS_DIRECTORY } from './parts/cache.ts'
import { engineVersion, ensureEngine } from './parts/engine.ts'
import { BASE_IMAGE, TEST_IMAGES } from './parts/images.ts'
import { isRoot, run, runs } from './parts/part.ts'
import { IMAGES, PROGRAMS } from './parts/table.ts'

const INSTALL = join(import.meta.dirname, 'parts/install.ts')

const hasEngine = (await engineVersion()) !== undefined

const needed = [...PROGRAMS, ...(hasEngine ? IMAGES : [])].filter(
  ({ instead = [] }) => instead.length === 0 || !instead.every((variable) => process.env[variable]),
)

test('a Docker engine answers', (t) => {
  if (hasEngine) return
  assert.ok(!process.env.CI, 'no Docker engine answers')
  t.skip('npm run parts -- npm test starts one')
})

for (const part of needed) {
  test(`${part.name} is there`, async (t) => {
    if (await part.isThere()) return
    assert.ok(part.optional || !process.env.CI, 'the parts have not been brought: npm run parts')
    t.skip(part.optional ?? 'npm run parts brings it')
  })
}

test('a second run looks, takes nothing, and leaves nothing', async (t) => {
  if (!hasEngine) return t.skip('no Docker engine answers')
  for (const part of needed) {
    if (!part.optional && !(await part.isThere())) {
      assert.ok(!process.env.CI, `no ${part.name}`)
      return t.skip(`no ${part.name}: npm run parts`)
    }
  }
  const kept = async () => ({ files: readdirSync(PARTS_DIRECTORY), images: await imageIds() })
  const before = await kept()
  const { stderr, stdout } = await execa(process.execPath, [INSTALL, 'echo', 'done'])
  assert.equal(stdout, 'done')
  assert.doesNotMatch(stderr, /brought|missing/)
  assert.deepEqual(await kept(), before)
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith('hyper-image-')),
    [],
  )
})

test('where nothing can be had, every part is named with its reason, no command runs, and no file is left', async () => {
  const home = mkdtempSync(join(tmpdir(), 'hyper-parts-test-'))
  try {
    const bin = join(home, 'bin')
    symlinkSync(dirname(process.execPath), bin)
    const { exitCode, stdout, stderr } = await execa(process.execPath, [INSTALL, 'echo', 'done'], {
      env: { PATH: bin, HOME: home },
      extendEnv: false,
      reject: false,
    })
    assert.equal(exitCode, 1)
    assert.equal(stdout, '')
    for (const { name } of PROGRAMS) assert.ok(stderr.includes(`✖ ${name} `), `${name} in ${stderr}`)
    assert.match(stderr, /there is no apt-get on this machine/)
    assert.match(stderr, /there is no go on this machine/)
    const parts = join(home, '.cache/hyper-sandbox/parts')
    assert.deepEqual(
      readdirSync(parts).filter((name) => name !== 'dockerd.log'),
      [],
    )
  } finally {
    rmSync(home, { recursive: true })
  }
})

test('an engine that was started is stopped, with its processes; one that runs already is left alone', async (t) => {
  if (!isRoot() || !(await runs('dockerd', '--version'))) return t.skip('dockerd cannot be started here')
  const home = mkdtempSync(join(tmpdir(), 'hyper-dockerd-'))
  const host = process.env.DOCKER_HOST
  try {
    process.env.DOCKER_HOST = `unix://${home}/docker.sock`
    // In a network of its own, as dockerd without a bridge takes another's down.
    const command = [
      ...['unshare', '--net', 'dockerd', '--bridge', 'none', '--iptables=false', '--ip6tables=false'],
      ...['--host', process.env.DOCKER_HOST, '--data-root', join(home, 'data'), '--exec-root', join(home, 'exec')],
      ...['--pidfile', join(home, 'dockerd.pid')],
    ]
    const ours = await ensureEngine(command)
    const found = await ensureEngine(command)
    assert.deepEqual([ours.isOurs, found.isOurs, found.version], [true, false, ours.version])
    await found[Symbol.asyncDispose]()
    assert.equal(await engineVersion(), ours.version)
    await ours[Symbol.asyncDispose]()
    assert.equal(await engineVersion(), undefined)
    assert.equal(existsSync(join(home, 'dockerd.pid')), false)
    assert.deepEqual(await processesNaming(home), [])
  } finally {
    if (host === undefined) delete process.env.DOCKER_HOST
    else process.env.DOCKER_HOST = host
    rmSync(home, { recursive: true, force: true })
  }
})

async function imageIds(): Promise<string[]> {
  const names = [BASE_IMAGE, ...Object.values(TEST_IMAGES)]
  return await Promise.all(names.map((name) => run('docker', ['images', '--quiet', '--no-trunc', name])))
}

async function processesNaming(text: string): Promise<string[]> {
  const lines = (await run('ps', ['-eo', 'args'])).split('\n')
  return lines.filter((line) => line.includes(text) && !line.startsWith('ps '))
}
