/** What an app may be made of: TypeScript, packages, files that are no code (worker-runtime §4.1, design §9). */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startAppHost } from './helpers/app-host.ts'

/** `(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))`, or with `i32.sub`. */
function wasm(operation: 'add' | 'sub'): Uint8Array {
  const operator = { add: 0x6a, sub: 0x6b }[operation]
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f],
    ...[3, 2, 1, 0],
    ...[7, 7, 1, 3, 0x61, 0x64, 0x64, 0, 0],
    ...[10, 9, 1, 7, 0, 0x20, 0, 0x20, 1, operator, 0x0b],
  ])
}

const answering = (expression: string) => `export default { fetch: () => Response.json(${expression}) }`

async function answerOf(files: Record<string, string | Uint8Array>, path?: string): Promise<unknown> {
  await using apps = await startAppHost({ app: { files, ...(path === undefined ? {} : { path }) } })
  const { status, text } = await apps.get('app')
  assert.equal(status, 200, text)
  return JSON.parse(text)
}

test('TypeScript, with what only TypeScript has, over several files', async () => {
  const files = {
    'index.ts': `
      import { Level, type Shape } from './lib/shape'
      import { twice } from './lib/twice.js'
      const shape: Shape = { level: Level.High, ...({} as object) }
      export default { async fetch(request: Request): Promise<Response> {
        return Response.json([shape.level satisfies Level, twice<number>(21), new URL(request.url).pathname])
      } } satisfies ExportedHandler`,
    'lib/shape.ts': 'export enum Level { Low, High }\nexport interface Shape { level: Level }',
    'lib/twice.ts': 'export function twice<T extends number>(n: T): number { return n * 2 }',
    'tsconfig.json': '{ "compilerOptions": { "strict": true } }',
  }
  assert.deepEqual(await answerOf(files), [1, 42, '/'])
})

test('packages: exports by condition, subpaths, scopes, module before main, and what they import themselves', async () => {
  const files = {
    'node_modules/conditional/package.json': JSON.stringify({
      name: 'conditional',
      exports: {
        '.': { node: './node.js', workerd: './workerd.js', default: './default.js' },
        './sub': './lib/sub.mjs',
      },
    }),
    'node_modules/conditional/workerd.js': `export default 'workerd'`,
    'node_modules/conditional/node.js': 'throw 1',
    'node_modules/conditional/default.js': 'throw 2',
    'node_modules/conditional/lib/sub.mjs': `export default 'sub'`,
    'node_modules/@scope/both/package.json': '{"name":"@scope/both","main":"./main.js","module":"./module.js"}',
    'node_modules/@scope/both/main.js': `module.exports = 'main'`,
    'node_modules/@scope/both/module.js': `import inner from 'inner'\nexport default 'module and ' + inner`,
    'node_modules/inner/package.json': '{"name":"inner","version":"1.0.0"}',
    'node_modules/inner/index.js': `module.exports = 'inner'`,
    'index.js': `import one from 'conditional'\nimport two from 'conditional/sub'\nimport three from '@scope/both'
      ${answering('[one, two, three]')}`,
  }
  assert.deepEqual(await answerOf(files), ['workerd', 'sub', 'module and inner'])
})

test('WebAssembly, data, text and JSON, of the app and of its packages', async () => {
  const files = {
    'index.js': `
      import module from './math/add.wasm'
      import other from 'maths/add.wasm?module'
      import bytes from './raw.bin'
      import text from './note.txt'
      import sql from './query.sql'
      import data from './data.json' with { type: 'json' }
      const run = async (wasm) => (await WebAssembly.instantiate(wasm)).exports.add(7, 5)
      export default { async fetch() {
        return Response.json([await run(module), await run(other), [...new Uint8Array(bytes)], text, sql, data])
      } }`,
    'math/add.wasm': wasm('add'),
    'node_modules/maths/package.json': '{"name":"maths"}',
    'node_modules/maths/add.wasm': wasm('sub'),
    'raw.bin': new Uint8Array([0, 255]),
    'note.txt': 'ein Text: ß',
    'query.sql': 'SELECT 1',
    'data.json': '{"n":[1]}',
  }
  assert.deepEqual(await answerOf(files), [12, 2, [0, 255], 'ein Text: ß', 'SELECT 1', { n: [1] }])
})

test('files that are no code are among those whose change reloads the app', async () => {
  await using apps = await startAppHost({
    app: {
      files: {
        'index.js': `import module from './add.wasm'\nimport text from './note.txt'
          export default { fetch: async () => new Response(text + (await WebAssembly.instantiate(module)).exports.add(7, 5)) }`,
        'add.wasm': wasm('add'),
        'note.txt': 'sum ',
      },
    },
  })
  const [status] = apps.host.status()
  const names = status?.inputs.map((input) => input.slice(join(apps.directory, 'app/').length)).sort()
  assert.deepEqual(names, ['add.wasm', 'index.js', 'note.txt'])
  assert.equal((await apps.get('app')).text, 'sum 12')
  writeFileSync(join(apps.directory, 'app/add.wasm'), wasm('sub'))
  const { changed } = await apps.apply({ app: {} })
  assert.deepEqual(changed, ['app'])
  assert.equal((await apps.get('app')).text, 'sum 2')
})

test('a folder is entered where its package.json says, unless it has one of the names that are known', async () => {
  const packages: [manifest: object, entry: string][] = [
    [{ main: 'lib/start.js' }, 'lib/start.js'],
    [{ main: 'lib/none.cjs', module: './lib/start.mjs' }, 'lib/start.mjs'],
    [{ exports: './start.ts', main: 'none.js' }, 'start.ts'],
    [{ exports: { '.': { types: './none.d.ts', node: './none.js', worker: './for/worker.js' } } }, 'for/worker.js'],
    [{ exports: { import: { default: './start.js' } } }, 'start.js'],
    [{ name: 'says-nothing' }, 'src/index.ts'],
    [{ main: 'none.js' }, 'index.js'],
  ]
  for (const [manifest, entry] of packages) {
    const files = { 'package.json': JSON.stringify(manifest), [entry]: answering(`'${entry}'`) }
    assert.equal(await answerOf(files), entry, JSON.stringify(manifest))
  }
})

test('a package.json that names no file, and a package that is not installed, are told of', async () => {
  await using apps = await startAppHost()
  const errorOf = async (files: Record<string, string>) => {
    rmSync(join(apps.directory, 'app'), { recursive: true, force: true })
    mkdirSync(join(apps.directory, 'app'), { recursive: true })
    const { failed } = await apps.apply({ app: { files } })
    return failed[0]?.error
  }
  const missing = await errorOf({ 'package.json': '{"main":"gone.js"}' })
  assert.equal(missing?.name, 'FileNotFound')
  assert.match(missing?.message ?? '', /package\.json names gone\.js/)
  const broken = await errorOf({ 'package.json': '{' })
  assert.equal(broken?.name, 'FileReadError')
  const absent = await errorOf({ 'index.js': `import x from 'not-installed'\n${answering('x')}` })
  assert.equal(absent?.name, 'CompilationFailed')
  assert.match(absent?.message ?? '', /Could not resolve "not-installed"/)
  assert.equal(absent?.location, 'index.js:1:15')
  const wasmless = await errorOf({ 'index.js': `import x from './none.wasm'\n${answering('x')}` })
  assert.match(wasmless?.message ?? '', /Could not resolve "\.\/none\.wasm"/)
})
