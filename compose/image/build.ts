/**
 * `npm run image [-- --tag hyper-sandbox --libraries debian:bookworm-slim]`: the product's image, of what this checkout holds.
 * `libraries` names an image with glibc, libstdc++ and a shell, of which only the libraries that Node needs are taken.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const HERE = import.meta.dirname
const ROOT = join(HERE, '../..')

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

/** The built package as it is published, short of what only other programs import, and Node out of its npm package. */
function fill(directory: string): void {
  const app = join(directory, 'app')
  mkdirSync(join(app, 'cli'), { recursive: true })
  execFileSync(process.execPath, [join(ROOT, 'build.ts'), join(app, 'dist')], { stdio: 'inherit' })
  for (const unused of ['types', 'conformance.js', 'ports.js', 'sandbox.js']) {
    rmSync(join(app, 'dist', unused), { recursive: true })
  }
  copyFileSync(join(ROOT, 'cli/launcher.cjs'), join(app, 'cli/launcher.cjs'))
  copyFileSync(join(ROOT, 'package.json'), join(app, 'package.json'))
  copyFileSync(join(HERE, 'healthcheck.cjs'), join(app, 'healthcheck.cjs'))
  copyFileSync(join(HERE, 'Dockerfile'), join(directory, 'Dockerfile'))
  cpSync(join(ROOT, 'node_modules/node/bin/node'), join(directory, 'node'), { dereference: true })
}

function docker(...args: string[]): void {
  execFileSync('docker', args, { stdio: 'inherit' })
}
