/** Apps that cannot be loaded, and errors of those that can: told at the place their author knows (worker-runtime §§4.1, 4.4). */
import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startAppHost, type TestApp } from './helpers/app-host.ts'
import { eventually } from './helpers/cli.ts'

const OK = `export default { fetch: () => new Response('ok') }`

interface Case {
  app: TestApp
  name: string
  message: RegExp
  /** `file:line:column` */
  location?: string
  /** The marked line. */
  frame?: string
}

const CASES: Record<string, Case> = {
  'a path that does not exist': { app: { path: './nowhere' }, name: 'FileNotFound', message: /nowhere does not exist/ },
  'a directory without an entry': {
    app: { files: { 'other.js': OK } },
    name: 'FileNotFound',
    message: /has no entry file: it should be index\.js/,
  },
  'a path that is too long': { app: { path: `./${'x'.repeat(300)}` }, name: 'PathTooLong', message: /name too long/ },
  'an entry of over 10 MB': {
    app: { files: { 'index.js': `${OK}\n//${'x'.repeat(10 * 1024 * 1024)}` } },
    name: 'ScriptTooLarge',
    message: /index\.js is over 10 MB/,
  },
  'a loop of links': { app: { path: './loop' }, name: 'FileReadError', message: /too many symbolic links/ },
  'a syntax error': {
    app: `export default {\n  fetch() { return new Response('x' }\n}`,
    name: 'CompilationFailed',
    message: /Expected "\)" but found "}"/,
    location: 'index.js:2:37',
    frame: `2 |   fetch() { return new Response('x' }\n  |                                     ^`,
  },
  'a syntax error in a file that is imported': {
    app: { files: { 'index.ts': `import './lib/x'\n${OK}`, 'lib/x.ts': '\nconst a: = 1' } },
    name: 'CompilationFailed',
    message: /Unexpected "="/,
    location: 'lib/x.ts:2:10',
    frame: '2 | const a: = 1\n  |          ^',
  },
  'an import that does not exist': {
    app: `import './missing.js'\n${OK}`,
    name: 'CompilationFailed',
    message: /Could not resolve "\.\/missing\.js"/,
    location: 'index.js:1:8',
    frame: `1 | import './missing.js'\n  |        ^^^^^^^^^^^^^^`,
  },
  'a package that is not installed': {
    app: `import x from 'no-such-package'\n${OK}`,
    name: 'CompilationFailed',
    message: /Could not resolve "no-such-package"/,
    location: 'index.js:1:15',
  },
  'an export that does not exist': {
    app: { files: { 'index.js': `import { gone } from './lib.js'\ngone()\n${OK}`, 'lib.js': 'export const x = 1' } },
    name: 'CompilationFailed',
    message: /No matching export in "lib\.js" for import "gone"/,
    location: 'index.js:1:10',
  },
  'a module of Node without asking for it': {
    app: `import fs from 'node:fs'\n${OK}`,
    name: 'CompilationFailed',
    message: /it needs compatibility_flags: \[nodejs_compat\]/,
    location: 'index.js:1:16',
  },
  'an error at the top level': {
    app: { files: { 'index.ts': `const count: number = 1\n\n\tthrow new Error('top ' + count)\n${OK}` } },
    name: 'ExecutionFailed',
    message: /^Error: top 1$/,
    location: 'index.ts:3:8',
    frame: `3 | \tthrow new Error('top ' + count)\n  | \t      ^`,
  },
  'an error at the top level of a stateful app': {
    app: { compat: ['stateful'], files: { 'index.js': `\n\nnull.x\n${OK}` } },
    name: 'ExecutionFailed',
    message: /^TypeError: Cannot read properties of null/,
    location: 'index.js:3:6',
  },
  'what is not allowed while a module is loaded': {
    app: `const id = crypto.randomUUID()\nexport default { fetch: () => new Response(id) }`,
    name: 'ExecutionFailed',
    message: /use them in a handler, or set compat: \[stateful\]/,
    location: 'index.js:1:19',
  },
  'a loop at the top level': { app: `for (;;) {}\n${OK}`, name: 'ExecutionFailed', message: /did not start within/ },
  'a top level that fills the heap': {
    app: { memory_mb: 16, files: { 'index.js': `const all = []\nfor (;;) all.push(new Array(1e5).fill(0.5))\n${OK}` } },
    name: 'OutOfMemory',
    message: /its heap was full/,
  },
  'no default export': { app: 'export const x = 1', name: 'InvalidExports', message: /must be an object/ },
  'a default export that is no object': {
    app: 'export default 5',
    name: 'InvalidExports',
    message: /must be an object/,
  },
  'no fetch': { app: 'export default { fetsch() {} }', name: 'MissingFetch', message: /has no fetch function/ },
  'a fetch that is no function': {
    app: 'export default { fetch: 5 }',
    name: 'FetchNotFunction',
    message: /not a function/,
  },
  'a compatibility date in the future': {
    app: { compatibility_date: '2999-01-01', files: { 'index.js': OK } },
    name: 'ExecutionFailed',
    message: /^This Worker requires compatibility date "2999-01-01"[^\n]*$/,
  },
  'an unknown compatibility flag': {
    app: { compatibility_flags: ['nonsense'], files: { 'index.js': OK } },
    name: 'ExecutionFailed',
    message: /^No such compatibility flag: nonsense$/,
  },
}

test('each app that cannot be loaded says why and where; the others serve', async (t) => {
  await using apps = await startAppHost()
  symlinkSync('loop', join(apps.directory, 'loop'))
  const named = Object.entries(CASES).map(([title, one], at) => ({ title, app: `app-${at}`, one }))
  await apps.apply({ ...Object.fromEntries(named.map(({ app, one }) => [app, one.app])), good: OK })
  for (const { title, app, one } of named) {
    await t.test(title, async () => {
      const error = apps.told.failed.find((failed) => failed.app === app)?.error
      assert.deepEqual([error?.name, error?.location], [one.name, one.location], error?.message)
      assert.match(error?.message ?? '', one.message)
      if (one.frame !== undefined) assert.equal(error?.frame, one.frame)
      const { status, text, headers } = await apps.get(app)
      assert.deepEqual([status, headers.get('content-type')], [503, 'text/plain; charset=utf-8'])
      assert.ok(text.startsWith(`The app ${app} cannot be loaded: ${one.name}: ${error?.message}`), text)
      if (one.location !== undefined) assert.ok(text.includes(`\n${one.location}\n`), text)
    })
  }
  assert.equal(apps.told.failed.length, named.length)
  assert.equal((await apps.get('good')).text, 'ok')
  assert.deepEqual(
    apps.host.status().map(({ state }) => state),
    [...named.map(() => 'failed'), 'running'],
  )
})

test('a browser gets the reason as a page, in which the app’s source is only text', async () => {
  await using apps = await startAppHost({ app: `const x = '</pre><script>alert(1)</script>\n${OK}` })
  const { status, headers, text } = await apps.get('app', '/', { headers: { accept: 'text/html,*/*;q=0.8' } })
  assert.deepEqual([status, headers.get('content-type')], [503, 'text/html; charset=utf-8'])
  assert.match(text, /<h1>The app app cannot be loaded<\/h1>/)
  assert.match(text, /index\.js:1:/)
  assert.ok(text.includes('&#60;script&#62;') && !text.includes('<script>'), text)
})

test('in production nobody is told', async () => {
  await using apps = await startAppHost(
    {
      app: `throw new Error('secret')\n${OK}`,
      throwing: `export default { fetch() { throw new Error('secret') } }`,
      mode: `export default { fetch: () => new Response(process.env.NODE_ENV) }`,
    },
    { host: { isProduction: true } },
  )
  for (const accept of ['text/html', '*/*']) {
    const { status, text, headers } = await apps.get('app', '/', { headers: { accept } })
    assert.deepEqual([status, text], [503, '{"error":"App unavailable"}'])
    assert.equal(headers.get('strict-transport-security'), null, 'the services’ headers are not the app’s')
  }
  assert.equal((await apps.get('mode')).text, 'production')
  const { status, text } = await apps.get('throwing')
  assert.deepEqual([status, text], [500, 'Internal Server Error'])
  assert.equal(apps.told.failed[0]?.error.message, 'Error: secret')
})

test('a version that cannot be loaded replaces nothing, and the next good one does', async () => {
  await using apps = await startAppHost({ app: OK })
  const { failed } = await apps.apply({ app: `export default {\n` })
  assert.deepEqual(
    failed.map(({ name, error }) => [name, error.name]),
    [['app', 'CompilationFailed']],
  )
  assert.equal((await apps.get('app')).text, 'ok')
  assert.equal(apps.host.status()[0]?.state, 'broken')
  await apps.apply({ app: `export default { fetch: () => new Response('better') }` })
  assert.equal((await apps.get('app')).text, 'better')
  assert.equal(apps.host.status()[0]?.state, 'running')
})

test('an uncaught error is logged with places in its author’s files, wherever it happens', async () => {
  await using apps = await startAppHost({
    app: {
      files: {
        'lib/deep.ts': `interface Thing {\n  name: string\n}\n\nexport function deep(thing: Thing): never {\n  throw new TypeError(thing.name)\n}`,
        'index.ts': `import { deep } from './lib/deep.ts'

export default {
  async fetch(request: Request, env: unknown, ctx: { waitUntil(promise: Promise<unknown>): void }): Promise<Response> {
    const { pathname } = new URL(request.url)
    if (pathname === '/fetch') deep({ name: 'in fetch' })
    if (pathname === '/timer') setTimeout(() => deep({ name: 'in a timer' }), 1)
    if (pathname === '/rejected') void Promise.reject(new Error('rejected'))
    if (pathname === '/logged') console.log(new Error('logged'))
    await new Promise((resolve) => setTimeout(resolve, 30))
    return new Response('done')
  },
}`,
      },
    },
  })
  const said = async (path: string) => {
    apps.told.console.length = 0
    const { status } = await apps.get('app', path)
    await eventually(`${path} is logged`, () => apps.told.console.length > 0)
    return { status, ...apps.told.console[0] }
  }
  const inFetch = await said('/fetch')
  assert.deepEqual([inFetch.status, inFetch.level], [500, 'error'])
  assert.equal(
    inFetch.message,
    'Uncaught TypeError: in fetch\n    at deep (lib/deep.ts:6:9)\n    at Object.fetch (index.ts:6:32)',
  )
  const inTimer = await said('/timer')
  assert.deepEqual([inTimer.status, inTimer.level], [200, 'error'])
  assert.match(
    inTimer.message ?? '',
    /^Uncaught TypeError: in a timer\n +at deep \(lib\/deep\.ts:6:9\)\n +at index\.ts:7:/,
  )
  assert.match((await said('/rejected')).message ?? '', /^Unhandled rejection: Error: rejected\n +at .*\(index\.ts:8:/)
  const logged = await said('/logged')
  assert.equal(logged.level, 'info')
  assert.match(logged.message ?? '', /^Error: logged\n +at .*\(index\.ts:9:/)
})
