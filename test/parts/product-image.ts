/** The product's image for tests, made of this checkout as it is now; files unchanged, a second test takes what the first has built. */
import { createHash } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { engineVersion } from './engine.ts'
import { BASE_IMAGE } from './images.ts'
import { type Part, run, runs } from './part.ts'

const ROOT = join(import.meta.dirname, '../..')

const REPOSITORY = 'hyper-sandbox-test/product'

const PULLS = process.env.HYPER_TEST_IMAGES === 'official'

/** Of other states of the checkout, after so many hours. */
const STALE_HOURS = 24

const MADE_OF = [
  '{adapters,cli,compose,server}/**/*.{ts,cjs,js}',
  'compose/image/Dockerfile',
  'build.ts',
  'package{,-lock}.json',
]

/** Beforehand, so that a test which counts images sees none appear. */
export const product: Part = {
  name: 'image of the product',
  version: 'of this checkout',
  isThere: () => isBuilt(nameNow()),
  get: () => build(nameNow()),
}

/** @throws Error when it cannot be built where it should be */
export async function productImage(): Promise<{ name: string } | { missing: string }> {
  if (!(await engineVersion())) return { missing: 'no Docker engine answers: npm run parts -- npm test' }
  const name = nameNow()
  if (await isBuilt(name)) return { name }
  if (!PULLS && !(await runs('docker', 'image', 'inspect', BASE_IMAGE))) {
    return { missing: `there is no image ${BASE_IMAGE}: npm run parts` }
  }
  await build(name)
  return { name }
}

/** Where images are pulled, the Dockerfile's own default is one of them. */
async function build(name: string): Promise<void> {
  const libraries = PULLS ? [] : ['--libraries', BASE_IMAGE]
  await execa(process.execPath, [join(ROOT, 'compose/image/build.ts'), '--tag', name, ...libraries])
  await removeStale()
}

async function isBuilt(name: string): Promise<boolean> {
  return await runs('docker', 'image', 'inspect', name)
}

function nameNow(): string {
  return `${REPOSITORY}:${digestOfSources()}`
}

function digestOfSources(): string {
  const hash = createHash('sha256')
  for (const path of MADE_OF.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).sort()) {
    hash.update(`${path}\n`).update(readFileSync(join(ROOT, path)))
  }
  return hash.digest('hex').slice(0, 12)
}

async function removeStale(): Promise<void> {
  const lines = await run('docker', ['images', '--format', '{{.Repository}}:{{.Tag}}\t{{.CreatedAt}}', REPOSITORY])
  for (const [name = '', created = ''] of lines.split('\n').map((line) => line.split('\t'))) {
    // Such as `2026-11-21 17:08:12 +0000 UTC`.
    const age = Date.now() - Date.parse(created.replace(/ [A-Z]+$/, ''))
    if (age > STALE_HOURS * 3_600_000) await runs('docker', 'image', 'rm', name) // unless a container uses it
  }
}
