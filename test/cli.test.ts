import assert from 'node:assert/strict'
import { TestProject, test } from './helpers/cli.ts'

const VERBS = [
  'up',
  'down',
  'restart',
  'status',
  'list',
  'logs',
  'wait',
  'purge',
  'import',
  'env',
  'open',
  'config',
  'version',
]

test('without arguments it prints help and ends with 0', async () => {
  await using project = new TestProject()
  const { code, stdout } = await project.run([])
  assert.equal(code, 0)
  for (const verb of VERBS) assert.match(stdout, new RegExp(`^  ${verb} +\\S`, 'm'))
  assert.equal(project.hasState(), false)
})

test('every verb has help with examples, in 80 columns, by three spellings', async () => {
  await using project = new TestProject()
  for (const verb of [undefined, ...VERBS]) {
    const { code, stdout } = await project.run(verb ? [verb, '--help'] : ['--help'])
    assert.equal(code, 0)
    assert.match(stdout, /^Usage:/m)
    assert.match(stdout, /^Examples:\n {2}hyper-sandbox /m, `help of ${verb}`)
    for (const line of stdout.split('\n')) assert.ok(line.length <= 80, `${verb}: ${line}`)
  }
  const [long, word, short] = await Promise.all(
    [
      ['up', '--help'],
      ['help', 'up'],
      ['up', '-h'],
    ].map((args) => project.run(args)),
  )
  assert.equal(word?.stdout, long?.stdout)
  assert.equal(short?.stdout, long?.stdout)
})

test('version says the same as --version', async () => {
  await using project = new TestProject()
  const [verb, flag] = await Promise.all([project.run(['version']), project.run(['--version'])])
  assert.match(verb.stdout, /^hyper-sandbox \d+\.\d+\.\d+ \(node v/)
  assert.equal(flag.stdout, verb.stdout)
})

test('mistakes of usage end with 2 and say what was meant', async () => {
  await using project = new TestProject()
  const cases: [string[], RegExp][] = [
    [['stats'], /no command 'stats' \(did you mean 'status'\?\)/],
    [['constructor'], /no command 'constructor'/],
    [['__proto__'], /no command '__proto__'/],
    [['up', '--domian', 'x'], /--domian.*Did you mean --domain/],
    [['up', '--port', 'abc'], /--port must be a number from 0 to 65535, not 'abc'/],
    [['up', '--port', '65536'], /--port must be/],
    [['up', '--port', '-1'], /--port must be/],
    [['up', '--port', '1e3'], /--port must be/],
    [['up', '--port'], /--port <n>' argument missing/],
    [['up', '--domain', 'Not/Valid'], /--domain must be lowercase .*, not 'Not\/Valid'/],
    [['up', '--domain', '..'], /--domain must be/],
    [['up', '--domain='], /--domain needs a value/],
    [['up', '--engine', 'docker'], /--engine must be auto, embedded or compose, not 'docker'/],
    [['up', '--timeout', 'soon'], /--timeout must be a duration/],
    [['up', '--timeout', '0'], /--timeout must be a duration/],
    [['up', '--only', 'data,cahce'], /no service 'cahce' \(did you mean 'cache'\?\)/],
    [['up', '--only', 'data', '--cache'], /--cache asks for a service that --only or --exclude leaves out/],
    [['up', '--purge=cache', '--data'], /--purge names cache, which does not run/],
    [['up', '-x', 'data,cache,storage,search,queue'], /no service is left to run/],
    [['up', '--queue', '--only', 'search'], /--queue asks for a service that --only or --exclude leaves out/],
    [['up', 'data'], /too many arguments/],
    [['up', '--exposed'], /unknown option '--exposed' \(Did you mean --expose\?\)/],
    [['purge', 'dat'], /no service 'dat' \(did you mean 'data'\?\)/],
    [['purge', '--all', '--domain', 'x'], /exclude each other/],
    [['import'], /missing required argument 'directory'/],
    [['import', '.', '--only', 'cahce'], /no service 'cahce' \(did you mean 'cache'\?\)/],
    [['logs', '-n', 'many'], /--tail must be a number of lines/],
    [['wait', 'nothing'], /no service 'nothing'/],
    [['--portt', '1'], /no flag --portt \(did you mean 'port'\?\)/],
  ]
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await project.run(args)
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, message)
    assert.equal(stdout, '')
  }
  assert.equal(project.hasState(), false)
})

test('with --json stdout is one envelope, also for a mistake', async () => {
  await using project = new TestProject()
  for (const args of [['nonsense'], ['up', '--prot', '1'], ['up', '--port', 'x'], ['status'], ['env'], ['open']]) {
    const { code, error, stderr, envelope } = await project.json(args)
    assert.ok(error, args.join(' '))
    assert.equal(envelope.command, args[0])
    assert.ok(code === 2 || code === 7, `${args.join(' ')}: ${code}`)
    assert.equal(error.category, 'user')
    assert.equal(error.retryable, false)
    assert.ok(error.actions.length > 0, args.join(' '))
    assert.equal(stderr, '')
  }
})

test('verbs that need a running sandbox end with 7, down and wait as they say', async () => {
  await using project = new TestProject()
  for (const verb of ['status', 'env', 'open']) {
    const { code, stderr } = await project.run([verb])
    assert.equal(code, 7, verb)
    assert.match(stderr, /not running\nStart it with: hyper-sandbox up --detach/)
  }
  const down = await project.run(['down'])
  assert.equal(down.code, 0)
  assert.match(down.stderr, /nothing was running/)
  const waited = await project.run(['wait', '--timeout', '0.2s'])
  assert.equal(waited.code, 6)
  assert.match(waited.stderr, /not ready after 0.2 s: it is not running/)
  assert.equal(project.hasState(), false)
})

test('colour and spinners are only for terminals', async () => {
  await using project = new TestProject()
  const { stdout, stderr } = await project.run(['status'], { env: { FORCE_COLOR: '1' } })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
  assert.doesNotMatch(stdout + stderr, /\u001b/)
})
