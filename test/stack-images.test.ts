/** Which images a stack would take, and which data they may be started on. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { readImageLock } from '../compose/image-lock.ts'
import { imageCandidates } from '../compose/image-names.ts'
import { checkKeptData, passwordDigest } from '../compose/kept-data.ts'
import { LABEL } from '../compose/labels.ts'
import { checkOwner } from '../compose/owner.ts'
import type { Backend, DataFormat, StackImage } from '../compose/part.ts'
import { plannedFiles } from '../compose/planned.ts'
import { BACKENDS } from '../compose/services/backends.ts'
import { PARTS } from '../compose/stack.ts'
import { testProject } from './helpers/stack-config.ts'

const image = (reference: string, format: string, version: string): StackImage => ({ reference, format, version })

test('no image of ours has a tag that floats, and the first of each is pinned where a digest is known', () => {
  const { version } = { version: '1.2.3' }
  for (const part of PARTS) {
    for (const candidate of imageCandidates(part, { images: { override: {} }, version })) {
      assert.match(candidate, /:[^/:@]*\d+\.\d|:RELEASE\.\d{4}/, candidate)
      assert.match(candidate, /^[^@]+(@sha256:[\da-f]{64})?$/)
    }
  }
})

test("a user's image, or list of them, takes the place of ours, mirror or not", () => {
  const override = { mongo: ['mine/mongo', 'mine.example:5000/mongo', 'mongo:7', 'mongo@sha256:abc', 'sha256:abc'] }
  const mirror = 'mirror.example'
  assert.deepEqual(imageCandidates('mongo', { images: { override, mirror }, version: '1' }), [
    'mine/mongo:latest',
    'mine.example:5000/mongo:latest',
    'mongo:7',
    'mongo@sha256:abc',
    'sha256:abc',
  ])
})

test('a mirror stands before every image, in the place of its registry', () => {
  const images = { override: {}, mirror: 'mirror.example/hub/' }
  assert.deepEqual(imageCandidates('mongo', { images, version: '1' }).slice(0, 2), [
    'mirror.example/hub/mongo:8.0.30',
    'mirror.example/hub/library/mongo:8.0.30',
  ])
  const stores = imageCandidates('minio', { images, version: '1' })
  assert.match(stores[0] ?? '', /^mirror\.example\/hub\/pgsty\/silo:/)
  assert.match(stores[1] ?? '', /^mirror\.example\/hub\/minio\/minio:/)
  assert.equal(imageCandidates('gateway', { images, version: '1' })[0], 'mirror.example/hub/hyper63/hyper-sandbox:1')
})

test('an image of RustFS is started as RustFS', () => {
  using project = testProject({ images: { override: { minio: ['rustfs/rustfs:1.0.0'] } } })
  const { minio } = parse(plannedFiles(project.config).compose).services
  assert.equal(minio.environment.RUSTFS_ACCESS_KEY, 'hyper')
  assert.equal(minio.command, undefined)
})

/** [part, what wrote the data, the image now, whether it starts] */
const UPGRADES: [Backend, string, string, boolean][] = [
  ['mongo', '8.0.4', '8.0.30', true],
  ['mongo', '8.0.4', '8.2.1', true],
  ['mongo', '7.0.41', '8.0.30', false],
  ['mongo', '8.2.1', '8.0.30', false],
  ['mongo', '', '8.0.30', true],
  ['redis', '7.2.1', '8.10.1-alpine', true],
  ['redis', '8.10.1-alpine', '7.4', false],
  ['meilisearch', 'v1.53.1', 'v1.53.2', true],
  ['meilisearch', 'v1.53.1', 'v1.53.0', false],
  ['meilisearch', 'v1.50.0', 'v1.53.1', false],
  ['minio', 'RELEASE.2025-09-07T16-13-09Z', 'RELEASE.2026-09-16T00-00-00Z', true],
]

test('an image of another version starts only on data that it opens', () => {
  using project = testProject()
  for (const [part, then, now, opens] of UPGRADES) {
    const format = BACKENDS[part].formatOf('')
    const check = (written: Partial<Record<Backend, DataFormat>>, labels: Record<string, string>) =>
      checkKeptData(project.config, { [part]: { name: 'v', labels } }, { [part]: image('i', format, now) }, written)
    // By what the project remembers, and, that lost, by the labels of the volume.
    const ways = [
      () => check({ [part]: { format, version: then } }, {}),
      () => check({}, { [LABEL.format]: format, [LABEL.version]: then }),
    ]
    for (const way of ways) {
      if (opens) way()
      else
        assert.throws(way, (error: { code: string; message: string; hint: string }) => {
          assert.equal(error.code, 'CONFIG_INVALID', `${part} ${then} -> ${now}`)
          assert.ok(error.message.includes(then) && error.message.includes(now), error.message)
          return error.hint.includes(`images.${part}`) && error.hint.includes('down --volumes')
        })
    }
  }
})

test('another kind of server does not get the files of the first', () => {
  using project = testProject()
  const written = { minio: { format: 'minio', version: '' }, redis: { format: 'redis', version: '8.0' } }
  const volumes = { minio: { name: 'a', labels: {} }, redis: { name: 'b', labels: {} } }
  const check = (images: Partial<Record<Backend, StackImage>>) =>
    checkKeptData(project.config, volumes, images, written)
  check({ minio: image('pgsty/silo:1', BACKENDS.minio.formatOf('pgsty/silo:1'), '1') })
  const rustfs = image('rustfs/rustfs:1', BACKENDS.minio.formatOf('rustfs/rustfs:1'), '1')
  assert.throws(() => check({ minio: rustfs }), { code: 'CONFIG_INVALID' })
  const valkey = image('valkey/valkey:9', BACKENDS.redis.formatOf('valkey/valkey:9'), '9.0')
  assert.throws(() => check({ redis: valkey }), { code: 'CONFIG_INVALID' })
})

test('data whose password is lost is not started with another', () => {
  using project = testProject()
  const check = (password: string) => {
    const labels = { [LABEL.password]: passwordDigest(password) }
    const images = { mongo: image('mongo:8', 'mongodb', '8.0') }
    checkKeptData(project.config, { mongo: { name: 'v', labels } }, images, {})
  }
  check('secret-of-mongo')
  assert.throws(() => check('another'), /password .* is lost: .*secrets\.json/)
})

test('a lock file that is not as we wrote it is named, with the command that mends it', () => {
  using project = testProject()
  const file = join(project.config.stateDirectory, 'images.lock.json')
  assert.deepEqual(readImageLock(project.config.stateDirectory).images, {})
  for (const text of ['', '{', 'null', '{"schemaVersion":2}', '{"schemaVersion":1,"images":{"mongo":{}},"data":{}}']) {
    writeFileSync(file, text)
    assert.throws(
      () => readImageLock(project.config.stateDirectory),
      (error: { code: string; message: string; hint: string }) =>
        error.code === 'CONFIG_INVALID' && error.message.startsWith(file) && error.hint.includes(`rm '${file}'`),
      text,
    )
    assert.equal(readFileSync(file, 'utf8'), text)
  }
})

test('what another directory has made under this name is neither adopted nor removed', () => {
  using project = testProject()
  using other = testProject()
  const { config } = project
  const foreign = { code: 'CONFIG_INVALID', message: /is taken by the Compose project/ }
  checkOwner(config, [])
  checkOwner(config, [{ [LABEL.directory]: config.projectDirectory }, {}])
  assert.throws(() => checkOwner(config, [{ [LABEL.directory]: other.config.projectDirectory }]), foreign)
  assert.throws(() => checkOwner(config, [{ 'com.docker.compose.project.working_dir': '/' }]), foreign)
  // Of another tool, and without a word of where.
  assert.throws(() => checkOwner(config, [{}, undefined]), foreign)
  // Its directory was moved to where we are.
  const gone = join(other.config.projectDirectory, 'gone')
  assert.equal(existsSync(gone), false)
  checkOwner(config, [{ [LABEL.directory]: gone }])
})
