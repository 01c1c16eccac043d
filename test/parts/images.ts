/**
 * Images for tests where none can be pulled: a Debian base, and on it one image for each server, which behaves like the official
 * one as far as a generated stack relies on that (`test/images`). Each carries a digest of what it was made of.
 */
import { createHash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MINIO } from './built.ts'
import { findPart, keepPart } from './cache.ts'
import { compileLauncher, JARS, JVM_FLAGS, launcherPart } from './mongo/stand-in.ts'
import { makeOwnDirectory } from './own-directory.ts'
import { type Part, run, runAsRoot, runs } from './part.ts'
import { findMeilisearch, type ServerKind } from './server-kinds.ts'

const BASE = 'debian-bookworm-base-1'

/** What the servers need of Debian; nothing is fetched while images are built. */
const PACKAGES = ['curl', 'redis-server']

const DIGEST_LABEL = 'hyper-sandbox.test.made-of'

const IMAGES_DIRECTORY = join(import.meta.dirname, '..', 'images')

export const BASE_IMAGE = 'hyper-sandbox-test/base'

export const TEST_IMAGES: Record<ServerKind, string> = {
  mongo: 'hyper-sandbox-test/mongo',
  redis: 'hyper-sandbox-test/redis',
  minio: 'hyper-sandbox-test/minio',
  meilisearch: 'hyper-sandbox-test/meilisearch',
}

/** What goes beside the Dockerfile. */
interface Content {
  /** Of the server. */
  version: string
  /** What else decides what the image is. */
  madeOf?: string
  fill(directory: string): Promise<void>
}

const CONTENTS: Record<ServerKind, () => Promise<Content>> = {
  redis: async () => ({ version: '7.0.15', fill: async () => {} }),
  minio: async () => ({
    version: MINIO.replace('minio-', ''),
    fill: async (directory) => cpSync(join(needed(MINIO), 'minio'), join(directory, 'minio')),
  }),
  mongo: async () => ({
    version: '6.0.0',
    madeOf: `${JARS} ${launcherPart()}`,
    async fill(directory) {
      const standIn = join(directory, 'stand-in')
      cpSync(needed(JARS), standIn, { recursive: true })
      cpSync(await compileLauncher(needed(JARS)), join(standIn, 'classes'), { recursive: true })
      writeFileSync(join(standIn, 'jvm-flags'), `JVM_FLAGS='${JVM_FLAGS.join(' ')}'\n`)
      cpSync(await smallJava(), join(directory, 'java'), { recursive: true, verbatimSymlinks: true })
    },
  }),
  async meilisearch() {
    const program = await findMeilisearch()
    if (!program) throw new Error('there is no Meilisearch to put into it')
    const version = (await run(program, ['--version'])).replace('meilisearch ', '')
    return { version, fill: async (directory) => cpSync(program, join(directory, 'meilisearch')) }
  },
}

export const base: Part = {
  name: 'base image',
  version: BASE,
  isThere: async () => (await digestOf(BASE_IMAGE)) === BASE,
  async get() {
    const kept = await keepPart(BASE, makeBase)
    const label = `LABEL ${DIGEST_LABEL}=${BASE}`
    await run('docker', ['import', '--change', label, join(kept, 'base.tar.gz'), BASE_IMAGE])
  },
}

/** Without what only people read, and without what apt can download again. */
async function makeBase(directory: string): Promise<void> {
  const root = join(directory, 'root')
  const left = ['./usr/share/doc', './usr/share/man', './usr/share/locale', './var/cache/apt', './var/lib/apt/lists']
  await runAsRoot('debootstrap', ['--variant=minbase', `--include=${PACKAGES.join(',')}`, 'bookworm', root])
  try {
    await runAsRoot('tar', [
      ...['--create', '--numeric-owner', '--use-compress-program', 'gzip -1'],
      ...['--file', join(directory, 'base.tar.gz'), '--directory', root],
      ...left.map((path) => `--exclude=${path}/*`),
      '.',
    ])
  } finally {
    await runAsRoot('rm', ['-rf', root])
  }
}

export const serviceImages: readonly Part[] = (Object.keys(TEST_IMAGES) as ServerKind[]).map((kind) => ({
  name: `image of ${kind}`,
  version: BASE,
  ...(kind === 'meilisearch'
    ? { optional: 'no registry has a Meilisearch, and none was put into the parts cache' }
    : {}),
  async isThere() {
    const content = await CONTENTS[kind]().catch(() => undefined)
    return content !== undefined && (await digestOf(TEST_IMAGES[kind])) === digest(kind, content)
  },
  async get() {
    const content = await CONTENTS[kind]()
    const context = makeOwnDirectory(tmpdir(), `hyper-image-${kind}-`)
    try {
      cpSync(join(IMAGES_DIRECTORY, kind), context, { recursive: true })
      await content.fill(context)
      const before = await idOf(TEST_IMAGES[kind])
      await run('docker', [
        ...['build', '--quiet', '--tag', TEST_IMAGES[kind]],
        ...['--label', `org.opencontainers.image.version=${content.version}`],
        ...['--label', `${DIGEST_LABEL}=${digest(kind, content)}`],
        context,
      ])
      // Unless a container still uses it.
      if (before && before !== (await idOf(TEST_IMAGES[kind]))) await runs('docker', 'image', 'rm', before)
    } finally {
      rmSync(context, { recursive: true, force: true })
    }
  },
}))

/** Of the files that make an image and of the versions in it. */
function digest(kind: ServerKind, { version, madeOf = '' }: Content): string {
  const hash = createHash('sha256').update(`${BASE} ${version} ${madeOf}`)
  const files = readdirSync(join(IMAGES_DIRECTORY, kind)).sort()
  for (const file of files) hash.update(`\n${file}\n`).update(readFileSync(join(IMAGES_DIRECTORY, kind, file)))
  return hash.digest('hex').slice(0, 12)
}

async function digestOf(image: string): Promise<string> {
  const format = `{{index .Config.Labels "${DIGEST_LABEL}"}}`
  return await run('docker', ['image', 'inspect', '--format', format, image]).catch(() => '')
}

/** Empty when there is none. */
export async function idOf(image: string): Promise<string> {
  return await run('docker', ['image', 'inspect', '--format', '{{.Id}}', image]).catch(() => '')
}

/** The Java that the stand-in needs and no more: 40 MB instead of 200. */
async function smallJava(): Promise<string> {
  const modules = ['java.base', 'java.management', 'java.naming', 'java.sql', 'jdk.unsupported']
  const directory = await keepPart('java-17-small', async (unfinished) => {
    const args = ['--strip-java-debug-attributes', '--no-header-files', '--no-man-pages', '--compress=2']
    await run('jlink', [...args, '--add-modules', modules.join(','), '--output', join(unfinished, 'java')])
  })
  return join(directory, 'java')
}

function needed(part: string): string {
  const directory = findPart(part)
  if (!directory) throw new Error(`${part} is not in the parts cache`)
  return directory
}
