/** What `up --engine compose` says when the machine is to blame: one clear message, its exit code, and everything as it was before. */
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { ENTRY, get, post, type TestProject, test } from './helpers/cli.ts'
import { ComposeProject, type StackImages, stackImages, testsOn } from './helpers/compose-project.ts'
import { run, runs } from './parts/part.ts'

const UP = ['up', '--detach', '--cache', '--port', '0']
const NOBODY = 65_534
/** The beginning of a 64-bit program for a processor that no machine of ours has, SPARC. */
const FOREIGN_PROGRAM = Buffer.alloc(120)
FOREIGN_PROGRAM.set([0x7f, ...Buffer.from('ELF'), 2, 1, 1])
FOREIGN_PROGRAM.set([2, 0, 2, 0], 16)

const isRoot = process.getuid?.() === 0
const notAnotherUser = !(isRoot && (await runs('setpriv', '--version'))) && 'only root with setpriv can be another user'

testsOn('faults of the machine, on containers', await stackImages(), allOn)

/** As long as it takes. */
class Patient extends ComposeProject {
  override async run(...args: Parameters<TestProject['run']>): ReturnType<TestProject['run']> {
    return await this.start(...args).ended
  }

  async everything(): Promise<string[]> {
    return await this.onEngine('container', 'network', 'volume')
  }
}

/** Everything below a directory, by its name. */
function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()
}

/** An image as `docker save` writes one, for any processor, of a Redis and a shell. */
async function loadImage(image: string, architecture: string, program: Buffer): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'hyper-sandbox-image-'))
  const file = (name: string) => join(directory, name)
  try {
    mkdirSync(file('root/bin'), { recursive: true })
    for (const name of ['redis-server', 'sh']) writeFileSync(file(`root/bin/${name}`), program, { mode: 0o755 })
    await run('tar', ['--create', '--file', file('layer.tar'), '--directory', file('root'), 'bin'])
    const digest = await run('sha256sum', [file('layer.tar')])
    const config = JSON.stringify({
      architecture,
      os: 'linux',
      config: { Env: ['PATH=/bin', 'REDIS_VERSION=7.0.15'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest.slice(0, 64)}`] },
    })
    const name = `${createHash('sha256').update(config).digest('hex')}.json`
    writeFileSync(file(name), config)
    writeFileSync(file('manifest.json'), JSON.stringify([{ Config: name, RepoTags: [image], Layers: ['layer.tar'] }]))
    await run('tar', [
      '--create',
      '--file',
      file('image.tar'),
      '--directory',
      directory,
      name,
      'manifest.json',
      'layer.tar',
    ])
    await run('docker', ['load', '--quiet', '--input', file('image.tar')])
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** A small disk of its own for the project's state. */
async function onSmallDisk(project: Patient, pages: number, work: () => Promise<void>): Promise<void> {
  const state = project.file('.hyper-sandbox')
  mkdirSync(state, { recursive: true })
  await run('mount', ['-t', 'tmpfs', '-o', `size=${pages * 4}k`, 'tmpfs', state])
  try {
    await work()
  } finally {
    await run('umount', [state])
  }
}

function allOn(images: StackImages): void {
  test('an engine that this user may not use', { skip: notAnotherUser }, async () => {
    await using project = new Patient(images)
    for (const name of ['', ...filesIn(project.root)]) chownSync(join(project.root, name), NOBODY, NOBODY)
    const before = filesIn(project.directory)
    const up = await project.json(UP, {
      command: ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath, ENTRY],
      env: { HOME: project.root },
    })
    assert.deepEqual([up.code, up.error?.code], [4, 'ENGINE_UNAVAILABLE'])
    assert.match(up.error?.message ?? '', /^this user may not use the Docker engine at unix:\/\/\S+$/)
    assert.match(up.error?.actions.join() ?? '', /usermod -aG docker|--engine embedded/)
    assert.deepEqual(filesIn(project.directory), before)
    assert.deepEqual(await project.everything(), [])
  })

  test('a full disk under the project, however far it comes', {
    skip: !isRoot && 'only root can make a small disk',
  }, async () => {
    await using project = new Patient(images)
    const said = new Set<string>()
    for (let pages = 1, isUp = false; !isUp; pages += 1) {
      assert.ok(pages < 40, 'it is never large enough')
      await onSmallDisk(project, pages, async () => {
        const up = await project.json(UP)
        isUp = up.code === 0
        if (isUp) {
          assert.equal(await get(`${project.state().url}/readyz`), 200)
          assert.equal((await project.run(['down'])).code, 0)
          return
        }
        const { message = '', actions = [] } = up.error ?? {}
        assert.deepEqual([up.code, up.error?.code], [8, 'CONFIG_INVALID'], message)
        const [, file = ''] = /\.hyper-sandbox\/(\S+) cannot be (?:written|used): the disk is full$/.exec(message) ?? []
        assert.notEqual(file, '', message)
        assert.deepEqual(actions, ['Free some disk space and try again.'])
        said.add(file)
        assert.deepEqual(await project.everything(), [])
        assert.deepEqual(
          filesIn(project.directory).filter((name) => name.endsWith('.tmp')),
          [],
        )
      })
    }
    // From the first that is written to what is written when all answers.
    for (const file of ['images.lock.json', 'compose.yaml', 'state.json']) assert.ok(said.has(file), [...said].join())
  })

  test('a full disk under the data', async () => {
    await using project = new Patient(images)
    assert.equal((await project.run(UP)).code, 0)
    assert.equal((await project.run(['down'])).code, 0)
    const [kept = ''] = await project.everything()
    const volume = kept.replace(/^volume /, '')
    const labels = JSON.parse(await run('docker', ['volume', 'inspect', volume, '--format', '{{json .Labels}}']))
    await run('docker', ['volume', 'rm', volume])
    const labelled = Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`])
    const small = ['type=tmpfs', 'device=tmpfs', 'o=size=4k'].flatMap((option) => ['--opt', option])
    await run('docker', ['volume', 'create', ...labelled, ...small, volume])
    const full = await project.json(UP)
    assert.deepEqual([full.code, full.error?.code], [4, 'BACKEND_UNAVAILABLE'])
    assert.match(
      full.error?.message ?? '',
      /^redis ended with exit code 1: the disk is full; its last lines:\n.*No space left/s,
    )
    assert.match(full.error?.actions.join() ?? '', /docker system df .* docker system prune/)
    assert.deepEqual(await project.everything(), [kept], 'no container, and the volume that was there before')
    assert.equal(project.hasState(), false)
  })

  test('an image for another processor, whether it says so or not', async () => {
    const own = await run('docker', ['version', '--format', '{{.Server.Arch}}'])
    const other = own === 'arm64' ? 'amd64' : 'arm64'
    const image = `faults-test:${randomUUID().slice(0, 8)}`
    for (const [architecture, message] of [
      [
        other,
        new RegExp(`^the image of redis cannot be had:\n +${image}: is built for ${other}, this engine runs ${own}$`),
      ],
      [own, /^redis ended with exit code [1-9]\d*: its image is for another processor;/],
    ] as const) {
      await loadImage(image, architecture, FOREIGN_PROGRAM)
      try {
        await using project = new Patient({ ...images, redis: image })
        const up = await project.json(UP)
        assert.equal(up.code, 4)
        assert.match(up.error?.message ?? '', message)
        assert.match(
          up.error?.actions.join() ?? '',
          /^Name (?:an image|images) for this machine with images: in hyper-sandbox.yaml/,
        )
        assert.deepEqual(await project.everything(), [])
        assert.equal(project.hasState(), false)
      } finally {
        await run('docker', ['image', 'rm', image])
      }
    }
  })

  test('a volume that a newer version has written', async () => {
    await using project = new Patient(images)
    const { redis = '' } = images
    const configure = (image: string) =>
      project.write('hyper-sandbox.yaml', stringify({ images: { ...images, redis: image } }))
    const newer = `faults-test:${randomUUID().slice(0, 8)}`
    await run('docker', ['build', '--quiet', '--tag', newer, '-'], {
      input: `FROM ${redis}\nENV REDIS_VERSION=99.0.1\n`,
      stdin: 'pipe',
    })
    try {
      configure(newer)
      assert.equal((await project.run(UP)).code, 0)
      assert.equal(await post(`${project.state().url}/cache/test`, { key: 'a', value: {} }), 201)
      assert.equal((await project.run(['down'])).code, 0)
      const before = [filesIn(project.directory), await project.everything()]
      configure(redis)
      const refused = await project.json(UP)
      assert.deepEqual([refused.code, refused.error?.code], [8, 'CONFIG_INVALID'])
      assert.match(
        refused.error?.message ?? '',
        /^the data of redis was written by redis 99\.0\.1; redis .* would not open it safely$/,
      )
      assert.match(
        refused.error?.actions.join() ?? '',
        /set images\.redis .* redis 99\.0\.1\. Or .*: hyper-sandbox down --volumes$/,
      )
      assert.deepEqual([filesIn(project.directory), await project.everything()], before)
      configure(newer)
      assert.equal((await project.run(UP)).code, 0)
      assert.equal(await get(`${project.state().url}/cache/test/a`), 200, 'it is all there')
      assert.equal((await project.run(['down', '--volumes', '--yes'])).code, 0)
    } finally {
      await run('docker', ['image', 'rm', newer])
    }
  })
}
