/**
 * `npm run build`: what is published, in `dist/` or in the directory that is named. Every library is bundled, because few files
 * load faster than two hundred; what a start does not need stays in chunks of its own, loaded by the `import()` that asks for it.
 * zod is a dependency all the same: the types of the ports speak of it.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type Metafile, type Plugin } from 'esbuild'

const ROOT = import.meta.dirname
const DIST = resolve(process.argv[2] ?? join(ROOT, 'dist'))

/**
 * What libraries ask for and we have no use for: dockerode in order to build images and to reach engines by SSH, bullmq in order
 * to keep queues in PostgreSQL and to add jobs by the calendar.
 */
const UNUSED = /^(?:ssh2|tar-fs|protobufjs|@grpc\/[\w-]+|@balena\/dockerignore|cron-parser|\.{1,2}\/postgres)$/

/** Names of hosts are Node's to spell; the tables of tr46 would be a quarter of a megabyte. */
const NODE_TR46 = `
  const { domainToASCII, domainToUnicode } = require('node:url')
  module.exports = { toASCII: (name) => domainToASCII(name) || null, toUnicode: (name) => ({ domain: domainToUnicode(name), error: false }) }
`

const slimLibraries: Plugin = {
  name: 'slim-libraries',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: UNUSED }, ({ path }) => ({ path, namespace: 'unused' }))
    onLoad({ filter: /./, namespace: 'unused' }, () => ({ contents: 'module.exports = {}' }))
    onLoad({ filter: /[\\/]node_modules[\\/]tr46[\\/]index\.js$/ }, () => ({ contents: NODE_TR46 }))
  },
}

rmSync(DIST, { recursive: true, force: true })

const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: {
    'cli/main': 'cli/main.ts',
    sandbox: 'cli/sandbox.ts',
    ports: 'server/ports/published.ts',
    conformance: 'test/conformance/published.ts',
    // Beside the chunks that start them.
    'chunks/query.worker': 'adapters/data/query.worker.ts',
    'chunks/judge.worker': 'adapters/data/mongodb/judge.worker.ts',
  },
  outdir: DIST,
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.18',
  minify: true,
  // Errors are told apart by their names.
  keepNames: true,

  legalComments: 'none',
  // What only apps need: programs that are found beside their packages, and what would make ours too large.
  external: ['acorn', 'croner', 'esbuild', 'magic-string', 'undici', 'workerd'],
  plugins: [slimLibraries],
  // CommonJS libraries ask for Node's modules by `require`.
  banner: { js: "import{createRequire as $require}from'node:module';const require=$require(import.meta.url);" },
  metafile: true,
})

// Beside the chunk that hands them to workerd.
cpSync(join(ROOT, 'adapters/apps/workerd/runtime'), join(DIST, 'chunks/runtime'), { recursive: true })

writeFileSync(join(DIST, 'LICENSES.txt'), licencesOf(metafile))
writeTypes(['cli/sandbox.d.ts', 'server/ports/published.d.ts', 'test/conformance/published.d.ts'])

/** The bundled libraries' licences, which all ask to be passed on with them. */
function licencesOf({ inputs }: Metafile): string {
  const packages = new Set<string>()
  for (const input of Object.keys(inputs)) {
    const [, directory] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input) ?? []
    if (directory) packages.add(directory)
  }
  // Most of them share a few texts, each of which stands once below the names of all that have it.
  const namesByText = new Map<string, string[]>()
  for (const directory of [...packages].sort()) {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, directory, 'package.json'), 'utf8'))
    const [file] = globSync('{LICEN[CS]E,licen[cs]e}*', { cwd: join(ROOT, directory) })
    const text = file === undefined ? '' : readFileSync(join(ROOT, directory, file), 'utf8').trim()
    namesByText.set(text, [...(namesByText.get(text) ?? []), `${name} ${version} (${license})`])
  }
  const sections = [...namesByText].map(([text, names]) => `${names.join('\n')}\n${text && `\n${text}\n`}`)
  return sections.join(`\n${'-'.repeat(80)}\n\n`)
}

/** Declarations of the entries and of what they import; the compiler writes those of the whole program. */
function writeTypes(entries: readonly string[]): void {
  const types = join(DIST, 'types')
  const compiler = join(ROOT, 'node_modules/.bin/tsc')
  execFileSync(compiler, ['-p', 'tsconfig.types.json', '--outDir', types], { cwd: ROOT, stdio: 'inherit' })
  const reached = new Set(entries)
  for (const file of reached) {
    const text = readFileSync(join(types, file), 'utf8')
    for (const [, path = ''] of text.matchAll(/(?:from |import\()['"](\.[^'"]+)\.ts['"]/g)) {
      reached.add(join(file, '..', `${path}.d.ts`))
    }
  }
  for (const file of globSync('**/*.d.ts', { cwd: types })) {
    if (!reached.has(file)) rmSync(join(types, file))
  }
}
