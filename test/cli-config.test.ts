import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { packageFile, TestProject, test } from './helpers/cli.ts'

type Config = {
  name: string
  domain: string
  listen: { host: string; port: number; allowed_hosts: string[] }
  services: object
  log_requests: boolean
  create: string[]
  uncreated: string[]
}

async function config(
  project: TestProject,
  args: string[] = [],
  env: NodeJS.ProcessEnv = {},
  cwd = project.directory,
): Promise<Config> {
  const { code, data, error } = await project.json(['config', ...args], { env, cwd })
  assert.equal(code, 0, error?.message)
  return data as unknown as Config
}

test('flag wins over environment, over project file, over what is remembered, over the default', async () => {
  await using project = new TestProject()
  const port = async (args: string[] = [], env: NodeJS.ProcessEnv = {}) =>
    (await config(project, args, env)).listen.port
  assert.equal(await port(), 6363)
  const { tcpPort } = await project.up()
  await project.down()
  assert.equal(await port(), tcpPort)
  project.write('hyper-sandbox.yaml', 'listen: { port: 7001 }\n')
  assert.equal(await port(), 7001)
  project.write('hyper-sandbox.local.yaml', 'listen: { port: 7002 }\n')
  assert.equal(await port(), 7002)
  assert.equal(await port([], { PORT: '7003' }), 7003)
  assert.equal(await port([], { PORT: '7003', HYPER_SANDBOX_PORT: '7004' }), 7004)
  assert.equal(await port(['--port', '7005'], { PORT: '7003', HYPER_SANDBOX_PORT: '7004' }), 7005)
})

test('every flag of up has its variable', async () => {
  await using project = new TestProject()
  const found = await config(project, [], {
    HYPER_SANDBOX_DATA: '1',
    HYPER_SANDBOX_CACHE: 'off',
    HYPER_SANDBOX_DOMAIN: 'shop',
    HYPER_SANDBOX_HOST: '::1',
    HYPER_SANDBOX_LOG_REQUESTS: 'yes',
    HYPER_SANDBOX_EPHEMERAL: '',
  })
  assert.deepEqual(found.create, ['data'])
  assert.deepEqual(found.services, { data: {} })
  assert.deepEqual([found.domain, found.listen.host, found.log_requests], ['shop', '::1', true])
  const { code, stderr } = await project.run(['up'], { env: { HYPER_SANDBOX_DETACH: '1', HYPER_SANDBOX_PORT: '0' } })
  assert.equal(code, 0, stderr)
  await project.down()
})

test('a wrong variable ends with 8 and names itself', async () => {
  await using project = new TestProject()
  const cases: [NodeJS.ProcessEnv, RegExp][] = [
    [{ HYPER_SANDBOX_PORT: 'many' }, /^HYPER_SANDBOX_PORT must be a number from 0 to 65535, not 'many'$/],
    [{ PORT: '70000' }, /^PORT must be a number/],
    [{ HYPER_SANDBOX_DATA: 'maybe' }, /^HYPER_SANDBOX_DATA is neither on nor off: 'maybe'$/],
    [{ HYPER_SANDBOX_DOMAIN: 'A B' }, /^HYPER_SANDBOX_DOMAIN must be lowercase/],
    [{ HYPER_SANDBOX_STORAGE: '1', HYPER_SANDBOX_ONLY: 'data' }, /^HYPER_SANDBOX_STORAGE asks for a service that/],
  ]
  for (const [env, message] of cases) {
    const { code, error } = await project.json(['up'], { env })
    assert.equal(code, 8, error?.message)
    assert.match(error?.message ?? '', message)
    assert.ok(error?.actions[0])
  }
  assert.equal(project.hasState(), false)
})

test('a misspelt variable is warned of', async () => {
  await using project = new TestProject()
  const { envelope } = await project.json(['config'], { env: { HYPER_SANDBOX_PROT: '1', HYPER_SANDBOX_YES: '1' } })
  assert.deepEqual(envelope.warnings, ["HYPER_SANDBOX_PROT means nothing here (did you mean 'HYPER_SANDBOX_PORT'?)"])
  const { stdout } = await project.run(['status'], { env: { HYPER_SANDBOX_JSON: '1' } })
  assert.equal(JSON.parse(stdout).error.code, 'NOT_RUNNING')
})

test('the project file is found upwards, and rules the whole project', async () => {
  await using project = new TestProject()
  project.write(
    'hyper-sandbox.yaml',
    'name: shop\ndomain: orders\nservices: { cache: false }\nlisten: { allowed_hosts: [shop.test] }\n',
  )
  const below = project.file('src/deep')
  mkdirSync(below, { recursive: true })
  const found = await config(project, [], {}, below)
  assert.equal(found.name, 'shop')
  assert.equal(found.domain, 'orders')
  assert.deepEqual(found.services, { data: {}, storage: {}, search: {}, queue: {} })
  assert.deepEqual(found.listen.allowed_hosts, ['shop.test'])
  const { code } = await project.run(['up', '-d', '--port', '0'], { cwd: below })
  assert.equal(code, 0)
  assert.equal((await project.json(['status'])).data.name, 'shop')
  await project.down()
  assert.deepEqual((await config(project, ['--cache'])).services, { cache: {} }, 'a flag wins over the file')
})

test('--config names another file, whose directory is the project then', async () => {
  await using project = new TestProject()
  mkdirSync(project.file('other'))
  project.write('other/ci.yaml', 'domain: ci\n')
  project.write('other/ci.local.yaml', 'services: { cache: false }\n')
  const found = await config(project, ['--config', 'other/ci.yaml'])
  assert.equal(found.domain, 'ci')
  assert.deepEqual(found.services, { data: {}, storage: {}, search: {}, queue: {} })
  const missing = await project.run(['up', '--config', 'none.yaml'])
  assert.equal(missing.code, 8)
  assert.match(missing.stderr, /no project file none\.yaml/)
})

test('a wrong project file ends with 8 and names line and key', async () => {
  await using project = new TestProject()
  const cases: [string, RegExp][] = [
    ['domian: shop', /^hyper-sandbox\.yaml:1: unknown key 'domian' \(did you mean 'domain'\?\)$/],
    ['name: shop\nlisten:\n  port: 1\n  prot: 2', /yaml:4: unknown key 'listen\.prot' \(did you mean 'port'\?\)$/],
    ['services:\n  chache: true', /yaml:2: unknown key 'services\.chache' \(did you mean 'cache'\?\)$/],
    [
      'services:\n  data:\n    adaptor: x',
      /yaml:3: unknown key 'services\.data\.adaptor' \(did you mean 'adapter'\?\)$/,
    ],
    [
      'services:\n  queue:\n    atempts: 2',
      /yaml:3: unknown key 'services\.queue\.atempts' \(did you mean 'attempts'\?\)$/,
    ],
    ['services:\n  queue:\n    attempts: 0', /yaml:3: services\.queue\.attempts must be a whole number from 1 to 100$/],
    [
      'services: { queue: { target: "ftp://a/b" } }',
      /yaml:1: services\.queue\.target must be an http or https address$/,
    ],
    [
      'services: { cache: { url: "mongodb://a" } }',
      /yaml:1: services\.cache\.url must begin with redis:\/\/ or rediss:\/\/$/,
    ],
    ['services: { search: { fields: title } }', /yaml:1: services\.search\.fields must be array$/],
    [
      'services: { search: 1 }',
      /search must be true, false or \{ adapter: …, url: …, key: …, fields: …, storeFields: … \}$/,
    ],
    [
      `services:\n  queue:\n    secret: "\${NO_SUCH}"`,
      /yaml:3: services\.queue\.secret names the variable \$\{NO_SUCH\}, which is not set$/,
    ],
    ['services:\n  data: "yes"', /yaml:2: services\.data must be true, false or \{ adapter: …, url: … \}$/],
    ['domain: Not Valid', /yaml:1: domain must be lowercase/],
    ['domain: 12', /yaml:1: domain must be string/],
    ['listen: { port: many }', /yaml:1: listen\.port must be a number from 0 to 65535/],
    ['listen: { port: 65536 }', /yaml:1: listen\.port must be a number from 0 to 65535/],
    ['listen: { port: 1.5 }', /yaml:1: listen\.port must be a number from 0 to 65535/],
    ['engine: docker', /yaml:1: engine must be auto, embedded or compose/],
    ['\n\nservices: [data]', /yaml:3: services must be object/],
    ['- a\n- b', /yaml:1: the file must be object/],
    ['just text', /yaml:1: the file must be object/],
    ['name: a\nname: b', /yaml:2: Map keys must be unique/],
    ['name: "open', /yaml:2: Missing closing/],
    ['a: b: c', /yaml:1: /],
    ['__proto__: { name: x }', /yaml:1: unknown key '__proto__'$/],
    ['constructor: 1', /yaml:1: unknown key 'constructor'/],
  ]
  for (const [text, message] of cases) {
    project.write('hyper-sandbox.yaml', `${text}\n`)
    const { code, error } = await project.json(['up'])
    assert.equal(code, 8, `${text}: ${error?.message}`)
    assert.match(error?.message ?? '', message)
    assert.ok(error?.actions[0], text)
  }
  for (const fine of ['', '# only a comment', 'services: { storage: false }', 'name: shop']) {
    project.write('hyper-sandbox.yaml', fine)
    await config(project)
  }
  project.write('hyper-sandbox.local.yaml', 'listen:\n  porto: 1\n')
  const { error } = await project.json(['up'])
  assert.match(error?.message ?? '', /^hyper-sandbox\.local\.yaml:2: unknown key 'listen\.porto'/)
  assert.equal(project.hasState(), false)
})

test('what search and queue are created with, and how the queue works, is in the project file; no secret is shown', async () => {
  await using project = new TestProject()
  const queue = 'target: "http://127.0.0.1:1/", secret: hush, concurrency: 2, attempts: 5, timeout_ms: 100'
  project.write(
    'hyper-sandbox.yaml',
    `services: { search: { fields: [title], storeFields: [n] }, queue: { ${queue} } }\n`,
  )
  const { services, create, uncreated } = await config(project, ['--search', '--queue'])
  assert.deepEqual(services, {
    search: { fields: ['title'], storeFields: ['n'] },
    queue: { target: 'http://127.0.0.1:1/', secret: '(set)', concurrency: 2, attempts: 5, timeoutMs: 100 },
  })
  assert.deepEqual([create, uncreated], [['search', 'queue'], []])
})

test('variables of the environment are filled in', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', `name: "\${PLACE}-\${KIND}"\ndomain: other\n`)
  project.write('hyper-sandbox.local.yaml', `domain: \${KIND}\nlisten: { host: "$\${KIND}" }\n`)
  const { name, domain, listen } = await config(project, [], { PLACE: 'shop', KIND: 'dev' })
  assert.deepEqual([name, domain, listen.host], ['shop-dev', 'dev', `\${KIND}`])
})

test('a broken project file does not keep down, status and logs from working', async () => {
  await using project = new TestProject()
  await project.up()
  project.write('hyper-sandbox.yaml', 'domian: x\n')
  assert.equal((await project.run(['status'])).code, 0)
  assert.equal((await project.run(['logs'])).code, 0)
  await project.down()
})

test('a third-party adapter is taken from the project', async () => {
  await using project = new TestProject()
  project.write('hyper-sandbox.yaml', 'services: { cache: { adapter: ./missing.mjs } }\n')
  const { code, error } = await project.json(['up', '-d', '--port', '0'])
  assert.equal(code, 8)
  assert.match(error?.message ?? '', /the cache adapter '\.\/missing\.mjs' cannot be loaded/)
})

test('variables say of a service what the project file may say, and are checked as it is', async () => {
  await using project = new TestProject()
  const wrong = [
    [
      'HYPER_SANDBOX_DATA_URL',
      'redis://a',
      /^HYPER_SANDBOX_DATA_URL must begin with mongodb:\/\/ or mongodb\+srv:\/\/, not 'redis:\/\/a'$/,
    ],
    ['HYPER_SANDBOX_QUEUE_TIMEOUT_MS', 'soon', /^HYPER_SANDBOX_QUEUE_TIMEOUT_MS must be a whole number/],
  ] as const
  for (const [variable, value, message] of wrong) {
    const { code, error } = await project.json(['up'], { env: { [variable]: value } })
    assert.equal(code, 8)
    assert.match(error?.message ?? '', message)
  }
})

test('the shipped JSON Schema is the current one', async () => {
  await using project = new TestProject()
  const { stdout } = await project.run(['config', '--schema'])
  const shipped = readFileSync(packageFile('schema.json'), 'utf8')
  assert.deepEqual(JSON.parse(shipped), JSON.parse(stdout), 'run: npm run schema')
})
