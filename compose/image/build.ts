/**
 * `npm run image [-- --tag hyper-sandbox --libraries debian:bookworm-slim]`: the product's image, of what this checkout holds.
 * `libraries` names an image with glibc, libstdc++ and a shell, of which only the libraries that Node needs are taken.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'

const HERE = import.meta.dirname
const ROOT = join(HERE, '../..')

/** Programs that stand in the package for this platform too, and what only other programs read. */
const UNUSED = ['esbuild/bin', 'workerd/bin', 'workerd/worker.mjs', 'workerd/workerd.capnp']

const { values } = parseArgs({
  options: {
    tag: { type: 'string', default: 'hyper-sandbox' },
    libraries: { type: 'string' },
    label: { type: 'string', multiple: true, default: [] },
  },
})

const context = mkdtempSync(join(tmpdir(), 'hyper-sandbox-image-'))
try {
  fill(context)
  const { version, license } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const labels = [
    'org.opencontainers.image.title=hyper-sandbox',
    `org.opencontainers.image.version=${version}`,
    `org.opencontainers.image.licenses=${license}`,
    ...values.label,
  ]
  docker(
    ...['build', '--tag', values.tag],
    ...labels.flatMap((label) => ['--label', label]),
    ...(values.libraries ? ['--build-arg', `LIBRARIES=${values.libraries}`] : []),
    context,
  )
} finally {
  rmSync(context, { recursive: true, force: true })
}

/** The built package as it is published, short of what only other programs import, with its libraries; and Node out of its npm package. */
function fill(directory: string): void {
  const app = join(directory, 'app')
  mkdirSync(join(app, 'cli'), { recursive: true })
  execFileSync(process.execPath, [join(ROOT, 'build.ts'), join(app, 'dist')], { stdio: 'inherit' })
  for (const unused of ['types', 'conformance.js', 'ports.js', 'sandbox.js']) {
    rmSync(join(app, 'dist', unused), { recursive: true })
  }
  copyFileSync(join(ROOT, 'cli/launcher.cjs'), join(app, 'cli/launcher.cjs'))
  copyFileSync(join(ROOT, 'package.json'), join(app, 'package.json'))
  for (const name of libraries()) {
    const source = join(ROOT, 'node_modules', name)
    cpSync(source, join(app, 'node_modules', name), {
      recursive: true,
      dereference: true,
      filter: (path) => !UNUSED.includes(relative(join(ROOT, 'node_modules'), path)),
    })
  }
  copyFileSync(join(HERE, 'healthcheck.cjs'), join(app, 'healthcheck.cjs'))
  copyFileSync(join(HERE, 'Dockerfile'), join(directory, 'Dockerfile'))
  cpSync(join(ROOT, 'node_modules/node/bin/node'), join(directory, 'node'), { dereference: true })
}

/** What the package does not bundle, all the way down, for this platform. */
function libraries(): string[] {
  const needed = (directory: string) => {
    const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
    return Object.keys({ ...dependencies, ...optionalDependencies })
  }
  // zod is bundled; it is a dependency for the sake of its types.
  const found = new Set(needed(ROOT).filter((name) => name !== 'zod'))
  for (const name of found) {
    const directory = join(ROOT, 'node_modules', name)
    if (!existsSync(directory)) found.delete(name)
    else for (const one of needed(directory)) found.add(one)
  }
  return [...found]
}

function docker(...args: string[]): void {
  execFileSync('docker', args, { stdio: 'inherit' })
}
