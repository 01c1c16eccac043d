import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import vm from 'node:vm'
import { packageFile, TestProject } from './helpers/cli.ts'

const LAUNCHER = packageFile('cli/launcher.cjs')

test('the launcher passes on to the command line, and its exit code back', async () => {
  await using project = new TestProject()
  const command = [process.execPath, LAUNCHER]
  assert.match((await project.run(['version'], { command })).stdout, /^hyper-sandbox /)
  assert.equal((await project.run(['nonsense'], { command })).code, 2)
})

test('an old Node gets one line that says what to do', () => {
  const source = readFileSync(LAUNCHER, 'utf8').replace(/^#!.*/, '')
  for (const [version, refused] of [
    ['10.24.1', true],
    ['20.20.2', true],
    ['22.17.1', true],
    ['22.18.0', false],
    ['24.0.0', false],
  ] as const) {
    const lines: string[] = []
    const ended = new Error('ended')
    const process = {
      versions: { node: version },
      version: `v${version}`,
      exit(code: number) {
        assert.equal(code, 1)
        throw ended
      },
    }
    const require = () => {
      throw new Error('went on')
    }
    const run = () =>
      vm.runInNewContext(source, { process, require, console: { error: (line: string) => lines.push(line) } })
    assert.throws(run, refused ? ended : /went on/, version)
    assert.deepEqual(lines.length, refused ? 1 : 0)
    if (refused)
      assert.match(lines[0] ?? '', new RegExp(`^hyper-sandbox needs Node 22\\.18 or newer; this is v${version}\\.`))
  }
})
