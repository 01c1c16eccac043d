/** The package as its users get it: packed, installed into an empty project, run from there. */
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ROOT } from './source-files.ts'

const LARGEST_TARBALL_BYTES = 1_500_000
const OURS = Number(process.versions.node.split('.')[0])
const PATIENCE_MS = 120_000
const FREE_LICENCES = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD']

const project = mkdtempSync(join(tmpdir(), 'hyper-sandbox-pack-'))
const home = mkdtempSync(join(tmpdir(), 'hyper-sandbox-home-'))
const installed = join(project, 'node_modules/hyper-sandbox')

/** This Node first on the PATH, npm's own settings but nothing of the script that it runs us by. */
const env: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(NODE_|HYPER_|PORT$|INIT_CWD$|npm_(?!config_(cache|registry|userconfig)$))/.test(name),
    ),
  ),
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
  HYPER_SANDBOX_HOME: home,
  HYPER_SANDBOX_ENGINE: 'embedded',
}

interface Packed {
  filename: string
  size: number
  files: { path: string }[]
}
let packed: Packed

function run(command: string, args: readonly string[], cwd = project) {
  return promisify(execFile)(command, args, { cwd, env, timeout: PATIENCE_MS, killSignal: 'SIGKILL' })
}

function sandbox(...args: string[]) {
  return run(join(project, 'node_modules/.bin/hyper-sandbox'), args)
}

before(async () => {
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', project], ROOT)
  packed = (Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))) as [Packed])[0]
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
  // Its dependencies from here: no registry takes part.
  const offline = ['--offline', '--install-links', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', ['install', ...offline, ...installedFor(ROOT), join(project, packed.filename)])
})

after(() => {
  for (const directory of [project, home]) rmSync(directory, { recursive: true, force: true })
})

/** The directories of what a package needs, and of what those need, as far as this platform has it. */
function installedFor(directory: string, seen: Set<string> = new Set()): string[] {
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    readFileSync(join(directory, 'package.json'), 'utf8'),
  ) as { dependencies?: object; optionalDependencies?: object }
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const installed = join(ROOT, 'node_modules', name)
    if (seen.has(installed) || !existsSync(installed)) continue
    seen.add(installed)
    installedFor(installed, seen)
  }
  return [...seen]
}

test('the package is small and holds what runs, nothing else', () => {
  assert.ok(packed.size < LARGEST_TARBALL_BYTES, `${packed.size} bytes`)
  const expected = [
    /^dist\/(cli\/main|sandbox|ports|conformance|chunks\/[\w.-]+)\.js$/,
    /^dist\/types\/(cli|server|test\/conformance)\/[\w/-]+\.d\.ts$/,
    /^dist\/chunks\/runtime\/[\w-]+\.js$/,
    /^dist\/LICENSES\.txt$/,
    /^cli\/(launcher|nano)\.cjs$/,
    /^(schema|package|devcontainer\/devcontainer)\.json$/,
    /^(README|CHANGELOG)\.md$|^LICENSE$/,
  ]
  const paths = packed.files.map(({ path }) => path)
  assert.deepEqual(
    paths.filter((path) => !expected.some((pattern) => pattern.test(path))),
    [],
  )
  assert.deepEqual(
    expected.filter((pattern) => !paths.some((path) => pattern.test(path))),
    [],
  )
})

test('every library inside has a free licence, and its text', () => {
  const sections = readFileSync(join(installed, 'dist/LICENSES.txt'), 'utf8').split(`\n${'-'.repeat(80)}\n\n`)
  const licences = sections.flatMap((section) => {
    const [names = ''] = section.split('\n\n', 1)
    return names
      .trimEnd()
      .split('\n')
      .map((line) => /^(?<name>\S+) \S+ \((?<licence>.+)\)$/.exec(line)?.groups)
  })
  const names = licences.map((found) => found?.name)
  for (const library of ['fastify', 'zod', 'mingo', 'pino', 'yaml']) assert.ok(names.includes(library), library)
  assert.deepEqual(
    licences.filter((found) => !FREE_LICENCES.includes(found?.licence ?? '')),
    [],
  )
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    const { license } = JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'))
    assert.ok(FREE_LICENCES.includes(license), `${name}: ${license}`)
  }
})

test('both bins are there', async () => {
  assert.match((await sandbox('version')).stdout, /^hyper-sandbox \d/)
  const mistaken = await run(join(project, 'node_modules/.bin/hyper-nano'), ['--port', 'x']).catch((error) => error)
  assert.match(mistaken.stderr, /--port must be a number/)
})

test('what each service keeps makes the round trip', () => roundTrip(process.execPath))

const nodes = nodesOnPath()
const other = nodes.find(
  ({ version: [major, minor] }) => (major === 22 && minor >= 18) || (major > 22 && major !== OURS),
)

test(
  'what each service keeps makes the round trip on another Node',
  { skip: other === undefined && 'no other Node from 22.18 is on the PATH' },
  () => roundTrip(other?.path ?? ''),
)

async function roundTrip(node: string): Promise<void> {
  const command = (...args: string[]) => run(node, [join(installed, 'cli/launcher.cjs'), ...args])
  const { stdout } = await command(
    ...'up --detach --port 0 --data --cache --storage --search --queue --json'.split(' '),
  )
  try {
    const { url } = JSON.parse(stdout).data as { url: string }
    const post = (path: string, body: unknown) => send(`${url}${path}`, 'POST', body)
    assert.deepEqual(await post('/data/test', { _id: 'd', n: 1, tags: ['a'] }), { ok: true, id: 'd' })
    assert.deepEqual(await send(`${url}/data/test/d`), { _id: 'd', n: 1, tags: ['a'] })
    assert.deepEqual(await post('/cache/test', { key: 'k', value: { n: 2 } }), { ok: true })
    assert.deepEqual(await send(`${url}/cache/test/k`), { n: 2 })

    const put = (path: string, body: unknown) => send(`${url}${path}`, 'PUT', body)
    assert.deepEqual(await post('/storage/test/a/b.json', { n: 3 }), { ok: true })
    assert.deepEqual(await send(`${url}/storage/test/a/b.json`), { n: 3 })
    assert.deepEqual(await put('/search/test', { fields: ['t'] }), { ok: true })
    assert.deepEqual(await post('/search/test', { key: 'a', doc: { t: 'old boots' } }), { ok: true })
    assert.match(JSON.stringify(await post('/search/test/_query', { query: 'boots' })), /"id":"a"/)
    assert.deepEqual(await put('/queue/test', { target: `${url}/data/test` }), { ok: true })
    assert.deepEqual(await post('/queue/test', { _id: 'sent' }), { ok: true, id: 2 })
    while (!(await fetch(`${url}/data/test/sent`)).ok) await sleep(20)

    // Each of these loads a chunk that a start leaves alone; the first runs in the worker.
    const selectors = [{ tags: { $regex: '^A', $options: 'i' } }, { $expr: { $eq: ['$n', 1] } }]
    for (const selector of selectors) {
      assert.deepEqual(await post('/data/test/_query', { selector, fields: ['_id'] }), {
        ok: true,
        docs: [{ _id: 'd' }],
      })
    }
    assert.deepEqual(
      await post('/data/test/_query', { selector: { $jsonSchema: { required: ['tags'] } }, fields: ['n'] }),
      {
        ok: true,
        docs: [{ n: 1 }],
      },
    )
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^process_cpu_seconds_total /m)
    assert.equal((await fetch(`${url}/docs`)).status, 200)
    assert.equal(readFileSync(join(project, '.hyper-sandbox/logs/start.log'), 'utf8'), '')
  } finally {
    await command('down', '--volumes', '--yes')
  }
}

test('what is installed serves an app', async () => {
  writeFileSync(join(project, 'app.js'), 'export default { fetch: (request) => new Response(request.url()) }')
  writeFileSync(join(project, 'hyper-sandbox.yaml'), 'apps: [{ name: app, path: ./app.js }]')
  const { stdout } = await sandbox('up', '--detach', '--port', '0', '--ephemeral', '--json')
  try {
    const { url } = JSON.parse(stdout).data as { url: string }
    assert.equal(await (await fetch(`${url}/_app/app/here`)).text(), `${url}/here`)
  } finally {
    await sandbox('down')
    rmSync(join(project, 'hyper-sandbox.yaml'))
  }
})

test('createSandbox and main work from code, with types that stand on their own', async () => {
  writeFileSync(
    join(project, 'use.ts'),
    `import { createSandbox, main, type Sandbox } from 'hyper-sandbox'
     import { createRequire } from 'node:module'
     import { cacheSuite, dataSuite, queueSuite, searchSuite, storageSuite } from 'hyper-sandbox/conformance'
     import { type CachePort, HyperError, cachePort, guard } from 'hyper-sandbox/ports'
     const sandbox: Sandbox = await createSandbox({ services: { cache: true, search: { fields: ['t'] } }, domain: 'd' })
     const reply = await fetch(\`\${sandbox.url}/cache/d\`, {
       method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"key":"k","value":{}}' })
     await sandbox.close()
     const nano = await main({ port: 0, services: { data: true } })
     await nano.close()
     const adapter: Pick<CachePort, 'open'> = { async open() { throw new HyperError('BACKEND_UNAVAILABLE', 'gone') } }
     const code: unknown = await guard(cachePort, { ...adapter, ...Object.fromEntries(
       [...Object.keys(cachePort), 'check', 'close'].map((name) => [name, async () => {}])) } as CachePort).open().catch((error) => error.code)
     const rules: string[] = []
     for (const suite of [cacheSuite, dataSuite, queueSuite, searchSuite, storageSuite]) suite({ test: (name) => rules.push(name), create: async () => { throw code } })
     const schema = createRequire(import.meta.url)('hyper-sandbox/schema.json') as { title: string }
     console.log(JSON.stringify([reply.status, sandbox.connectionString.endsWith('/d'), code, schema.title, rules.length > 50]))`,
  )
  const { stdout } = await run(process.execPath, ['use.ts'])
  assert.deepEqual(JSON.parse(stdout), [201, true, 'BACKEND_UNAVAILABLE', 'hyper-sandbox.yaml', true])

  const options = [
    '--strict',
    '--noEmit',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    '--lib',
    'es2024,esnext.disposable',
  ]
  const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')]
  await run(join(ROOT, 'node_modules/.bin/tsc'), [...options, ...types, 'use.ts']).catch(({ stdout }) =>
    assert.fail(stdout),
  )
})

test('HTTPS and credentials, whose libraries are loaded only for them, work from the package too', async () => {
  writeFileSync(
    join(project, 'secure.js'),
    `import { createHmac } from 'node:crypto'
     import { readFileSync } from 'node:fs'
     import { get } from 'node:https'
     import { createSandbox } from 'hyper-sandbox'
     await using sandbox = await createSandbox({ services: ['data'], tls: 'auto', auth: { key: 'k', secret: 's' } })
     const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
     const signed = encode({ alg: 'HS256' }) + '.' + encode({ sub: 'k', exp: Date.now() / 1000 + 60 })
     const status = (secret) => new Promise((resolve, reject) => {
       const authorization = \`Bearer \${signed}.\${createHmac('sha256', secret).update(signed).digest('base64url')}\`
       const options = { ca: readFileSync(sandbox.https.authorityFile), agent: false, headers: { authorization } }
       get(\`\${sandbox.https.url}/data/test\`, options, (reply) => resolve(reply.resume().statusCode)).on('error', reject)
     })
     console.log(await status('s'), await status('x'))`,
  )
  const { stdout } = await run(process.execPath, ['secure.js'])
  assert.equal(stdout, '200 401\n')
})

const outdated = nodes.find(({ version: [major] }) => major < 22)

test('an old Node is told what to do, in one line', {
  skip: outdated === undefined && 'no Node older than 22 is on the PATH',
}, async () => {
  const error = await run(outdated?.path ?? '', [join(installed, 'cli/launcher.cjs'), 'up']).catch((error) => error)
  assert.equal(error.code, 1)
  assert.match(error.stderr, /^hyper-sandbox needs Node 22\.18 or newer; this is v\d.*\n$/)
})

test('the tests of the command line pass on the installed package', {
  skip: !process.env.CI && 'takes as long as they do; runs with CI=true',
}, async () => {
  // Containers run the image's own copy, whoever starts them.
  const files = globSync('test/{cli*,apps-up}.test.ts', { cwd: ROOT }).filter((file) => !file.includes('.compose.'))
  const args = ['--test', '--test-reporter=./test/reporter.ts', ...files]
  const cli = { ...env, HYPER_TEST_CLI: join(installed, 'cli/launcher.cjs') }
  const child = promisify(execFile)(process.execPath, args, { cwd: ROOT, env: cli })
  const { stdout } = await child.catch((error) => assert.fail(error.stdout))
  assert.match(stdout, /\n[1-9]\d* passed, 0 failed, \d+ skipped\n$/)
})

async function send(url: string, method = 'GET', body?: unknown): Promise<unknown> {
  const headers = { 'content-type': 'application/json' }
  const reply = await fetch(url, body === undefined ? { method } : { method, headers, body: JSON.stringify(body) })
  return await reply.json()
}

interface Node {
  path: string
  version: [major: number, minor: number]
}

function nodesOnPath(): Node[] {
  const directories = new Set((process.env.PATH ?? '').split(delimiter))
  const paths = [...directories].map((directory) => join(directory, 'node'))
  return paths
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => {
      const [, major, minor] = /^v(\d+)\.(\d+)/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' })) ?? []
      return { path, version: [Number(major), Number(minor)] }
    })
}
