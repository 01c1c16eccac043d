/** The rules that keep the parts apart (CONTRIBUTING.md). A failure names the file and what it may not do. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { CODES } from '../server/error.ts'
import { ROOT, sourceFiles } from './source-files.ts'

const sources = sourceFiles('{adapters,cli,compose,server}/**/*.ts')
const tests = sourceFiles('test/**/*.ts')

const HEXAGON = /^server\/(error|port|validation|json-text|ports\/[a-z-]+)\.ts$/

/** The client libraries of each adapter's folder; an adapter is a technology, so the list is short. */
const ADAPTER_LIBRARIES: Record<string, readonly string[]> = {
  apps: ['acorn', 'esbuild', 'magic-string', 'undici'],
  data: [
    ...['ajv', 'mingo', 'mongodb'],
    ...['@turf/boolean-intersects', '@turf/boolean-point-in-polygon', '@turf/distance'],
  ],
  cache: ['ioredis'],
  queue: ['bullmq', 'ioredis'],
  search: ['meilisearch', 'tinyqueue'],
  shared: ['ioredis'],
  storage: ['@aws-sdk/client-s3'],
}

/** Every import of the files that `from` picks must pass `may`. */
function expectImports(from: (path: string) => boolean, may: (target: string, path: string) => boolean): void {
  const files = sources.filter(({ path }) => from(path))
  assert.ok(files.length > 0, 'the rule is about no file')
  const edges = files.flatMap(({ path, imports }) =>
    imports.filter((target) => !may(target, path)).map((target) => `${path} -> ${target}`),
  )
  assert.deepEqual(edges, [])
}

const inFolder = (folder: string) => (path: string) => path.startsWith(`${folder}/`)
const isNode = (target: string) => target.startsWith('node:')

test('the hexagon imports zod, Node and itself', () => {
  expectImports(
    (path) => HEXAGON.test(path),
    (target) => HEXAGON.test(target) || isNode(target) || target === 'zod',
  )
})

test('adapters import the hexagon, what adapters share, Node and their own client libraries', () => {
  expectImports(inFolder('adapters'), (target, path) => {
    if (HEXAGON.test(target) || isNode(target)) return true
    const [, folder = ''] = path.split('/')
    if (path === 'adapters/registry.ts') return target.startsWith('adapters/')
    if (target.startsWith('adapters/'))
      return target.startsWith(`adapters/${folder}/`) || inFolder('adapters/shared')(target)
    return ADAPTER_LIBRARIES[folder]?.includes(target) === true
  })
})

test('the server imports no adapter, no engine and no command line', () => {
  expectImports(inFolder('server'), (target) => !/^(adapters|cli|compose|test|bench)\//.test(target))
})

test('the compose engine imports the words of errors and services, Node, and what it reads, writes and drives Docker with', () => {
  const LIBRARIES = ['dockerode', 'execa', 'yaml', 'zod']
  expectImports(inFolder('compose'), (target) => {
    if (inFolder('compose')(target) || isNode(target)) return true
    return target === 'server/error.ts' || target === 'server/services.ts' || LIBRARIES.includes(target)
  })
})

test('nothing that ships imports tests or benchmarks', () => {
  expectImports(
    () => true,
    (target) => !/^(test|bench)\//.test(target),
  )
})

test('every file that is imported exists', () => {
  const known = new Set([...sources, ...tests].map(({ path }) => path))
  const missing = [...sources, ...tests].flatMap(({ path, imports }) =>
    imports.filter((target) => /\.ts$/.test(target) && !known.has(target)).map((target) => `${path} -> ${target}`),
  )
  assert.deepEqual(missing, [])
})

test('the process is ended, written to and read from in one place each', () => {
  const allowed: [RegExp, string, string[]][] = [
    [/\bprocess\.exit\b/, 'process.exit', ['cli/main.ts']],
    [/\bconsole\./, 'console', []],
    [/\bprocess\.(stdout|stderr)\.write\b/, 'process.stdout', ['cli/output.ts', 'cli/show-logs.ts']],
    // main.ts hands it on as an argument; sandbox.ts is hyper nano's `main`, which honours PORT.
    [/\bprocess\.env\b/, 'process.env', ['cli/main.ts', 'cli/sandbox.ts']],
  ]
  for (const [pattern, what, places] of allowed) {
    const found = sources.filter(({ code, path }) => pattern.test(code) && !places.includes(path))
    assert.deepEqual(
      found.map(({ path }) => `${path} uses ${what}`),
      [],
    )
  }
})

test('no file is a drawer for everything', () => {
  const drawers = [...sources, ...tests].filter(({ path }) =>
    /^(utils?|misc|common-utils|helpers?|index)\.ts$/.test(basename(path)),
  )
  assert.deepEqual(
    drawers.map(({ path }) => path),
    [],
  )
})

test('every error code is used, and every used one is in the catalogue', () => {
  const catalogue = Object.keys(CODES)
  const users = sources.filter(({ path }) => path !== 'server/error.ts')
  const unused = catalogue.filter((code) => !users.some(({ text }) => text.includes(`'${code}'`)))
  assert.deepEqual(unused, [])
  const named = users.flatMap(({ text }) =>
    [...text.matchAll(/(?:new HyperError\(\s*|ruledString\(\s*|\bcode: )'([A-Z][A-Z_]+)'/g)].map(
      ([, code = '']) => code,
    ),
  )
  assert.ok(named.length > 20)
  assert.deepEqual(
    named.filter((code) => !catalogue.includes(code)),
    [],
  )
})

test('every dependency is imported, and every import is a dependency', () => {
  /** Run by name, read by other tools, or types of one that is imported. */
  const TOOLS = [
    '@biomejs/biome',
    '@seriousme/openapi-schema-validator',
    'hyper-connect',
    '@types/node',
    'node',
    'typescript',
    'workerd',
    // An example's own.
    'hono',
  ]
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const listed = Object.keys({ ...dependencies, ...devDependencies })
  const everything = [...sources, ...tests, ...sourceFiles('{*.ts,bench/**/*.ts}')]
  const imported = new Set(everything.flatMap(({ imports }) => imports).filter((name) => !/^node:|\.\w+$/.test(name)))
  assert.deepEqual(
    [...imported].filter((name) => !listed.includes(name)),
    [],
  )
  const idle = listed.filter((name) => !TOOLS.includes(name) && !imported.has(name.replace(/^@types\//, '')))
  assert.deepEqual(idle, [])
})

test('the lock file works on every platform and with every registry', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>
  }
  const entries = Object.entries(packages)
  assert.deepEqual(
    entries.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
    [],
  )
  // npm drops those it could not look up, and then `npm ci` refuses the file.
  const optional = entries.flatMap(([, { optionalDependencies }]) => Object.keys(optionalDependencies ?? {}))
  assert.deepEqual(
    optional.filter((name) => !entries.some(([path]) => path.endsWith(`node_modules/${name}`))),
    [],
  )
})
