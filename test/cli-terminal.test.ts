import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { accepts, ENTRY, eventually, get, post, slowStart, TestProject, test } from './helpers/cli.ts'

const terminal = {
  skip: spawnSync('script', ['--version']).status === 0 ? false : 'needs script(1) to make a terminal',
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
const ESCAPE = /\u001b/

test('at a terminal the log is pretty, and closing the terminal ends the sandbox', terminal, async () => {
  await using project = new TestProject()
  const up = project.start([], { command: inTerminal(['up', '--data', '--port', '0', '--log-requests']) })
  await up.says('Ctrl-C stops it')
  const { tcpPort, url } = project.state()
  await get(`${url}/data/test/nothing`)
  await up.says('/data/test/nothing')
  assert.match(up.said().stdout, /WARN.*GET \/data\/test\/nothing 404/)
  up.child.kill('SIGKILL')
  await eventually('the sandbox has noticed', async () => !(await accepts(tcpPort)))
  await eventually('and is gone', () => !project.hasState())
})

test('at a terminal purge asks, and no means no', terminal, async () => {
  await using project = new TestProject()
  const run = await project.up('--data')
  await post(`${run.url}/data/test`, { _id: 'a' })
  const purge = project.start([], { command: ['sh', '-c', `echo n | ${inTerminal(['purge']).map(quoted).join(' ')}`] })
  const { stdout } = await purge.ended
  assert.match(stdout, /Empty every service of the domain 'test' in .*\? \[y\/N\]/)
  assert.equal(await get(`${run.url}/data/test/a`), 200)
  await project.down()
})

test('at a terminal Ctrl-C leaves the question, with 130 and nothing changed', terminal, async () => {
  await using project = new TestProject()
  const run = await project.up('--data')
  await post(`${run.url}/data/test`, { _id: 'a' })
  const asking = inTerminal(['purge']).map(quoted).join(' ')
  const purge = project.start([], { command: ['sh', '-c', `(sleep 2; printf '\\003'; sleep 1) | ${asking}`] })
  assert.equal((await purge.ended).code, 130)
  assert.match(purge.said().stdout, /interrupted; nothing was changed/)
  assert.equal(await get(`${run.url}/data/test/a`), 200)
  await project.down()
})

test('what takes over a second shows a spinner at a terminal, else one plain line', terminal, async () => {
  await using project = new TestProject()
  const slow = { env: { NODE_OPTIONS: slowStart(project, 1_500) } }
  const line = ['up', '--detach', '--port', '0']
  const seen = await project.run([], { ...slow, command: inTerminal(line, 'stty cols 80 && ') })
  assert.match(seen.stdout, /[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏].*starting/)
  await project.down()
  const piped = await project.run(line, slow)
  assert.match(piped.stderr, /^starting …$/m)
  assert.doesNotMatch(piped.stderr, ESCAPE)
  await project.down()
  for (const env of [{ NO_COLOR: '1' }, { CI: 'true' }, { TERM: 'dumb' }]) {
    const plain = await project.run([], { env: { ...slow.env, ...env }, command: inTerminal(line) })
    assert.match(plain.stdout, /^starting …\r?$/m)
    assert.doesNotMatch(plain.stdout, ESCAPE)
    await project.down()
  }
})

test('a terminal without a width gets the plain line, not an endless one', terminal, async () => {
  await using project = new TestProject()
  const env = { NODE_OPTIONS: slowStart(project, 1_500) }
  const { stdout } = await project.run([], {
    env,
    command: inTerminal(['up', '--detach', '--port', '0'], 'stty cols 0 && '),
  })
  assert.match(stdout, /^starting …\r?$/m)
  await project.down()
})

test('Ctrl-C at the terminal ends up with 130, in order', terminal, async () => {
  await using project = new TestProject()
  const up = inTerminal(['up', '--port', '0']).map(quoted).join(' ')
  const pressed = `until [ -e ${quoted(project.file('ready'))} ]; do sleep 0.1; done; printf '\\003'; sleep 2`
  const terminalRun = project.start([], { command: ['sh', '-c', `(${pressed}) | ${up}`] })
  await terminalRun.says('Ctrl-C stops it')
  project.write('ready', '')
  assert.equal((await terminalRun.ended).code, 130)
  assert.match(terminalRun.said().stdout, /stopping; Ctrl-C again ends it at once/)
  assert.equal(project.hasState(), false)
})

/** A command line whose standard streams are a terminal. */
function inTerminal(args: string[], before = ''): string[] {
  return ['script', '-qec', before + [process.execPath, ENTRY, ...args].map(quoted).join(' '), '/dev/null']
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
