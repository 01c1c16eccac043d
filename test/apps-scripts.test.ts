/** `run`, `eval` and `repl` (worker-runtime §§1.1, 1.5). */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { ENTRY, TestProject, test } from './helpers/cli.ts'

test('a file is run until nothing of it is open', async () => {
  await using project = new TestProject()
  project.write('greeting.js', "export const greeting = 'hello'")
  project.write(
    'script.js',
    `import { greeting } from './greeting.js'
     console.log(greeting, { a: 1 })
     console.warn('careful')
     setTimeout(() => console.log('later', new URL('http://a/b').pathname()), 150)
     const value = await new Promise((resolve) => setTimeout(resolve, 20, 7))
     console.log(value, typeof process, typeof crypto.randomUUID())
     fetch('http://127.0.0.1:1/').catch((error) => console.log(String(error)))
     export default { fetch() { console.log('never') } }`,
  )
  const { code, stdout, stderr } = await project.run(['run', 'script.js'])
  assert.deepEqual([code, stderr], [0, '[WARN] careful\n'])
  const lines = stdout.trim().split('\n')
  assert.deepEqual(lines.slice(0, 2), ['hello {"a":1}', '7 undefined string'])
  assert.equal(lines.at(-1), 'later /b')
  assert.match(lines[2] ?? '', /BlockedHost/)
  assert.equal(lines.length, 4)
})

test('a file that throws ends with 1 and says where; none at all with 2', async () => {
  await using project = new TestProject()
  const failing = async (source: string) => {
    project.write('script.js', source)
    return await project.run(['run', 'script.js'])
  }
  for (const source of [
    'console.log(1)\nnull.x',
    "await 0\nthrow new TypeError('no')",
    'setTimeout(() => {\nnull.x })',
  ]) {
    const { code, stderr } = await failing(source)
    assert.equal(code, 1, source)
    assert.match(stderr, /TypeError: [\s\S]*script\.js:2:/)
  }
  assert.match((await failing('Promise.reject("plain")')).stderr, /plain/)
  const syntax = await failing('let a = ;')
  assert.deepEqual([syntax.code, syntax.stdout], [1, ''])
  assert.match(syntax.stderr, /script\.js:1:9: .*\n1 \| let a = ;\n/)
  const missing = await project.run(['run', 'nowhere.js'])
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /nowhere\.js does not exist/)
  assert.equal((await project.run(['run'])).code, 2)
})

test('eval prints what a source comes to, or one line of error', async () => {
  await using project = new TestProject()
  const evaluated = async (source: string) => {
    const { code, stdout, stderr } = await project.run(['eval', source])
    return [code, stdout, stderr]
  }
  assert.deepEqual(await evaluated('[1, 2].map((n) => n * 2)'), [0, '2,4\n', ''])
  assert.deepEqual(await evaluated("new Promise((r) => setTimeout(r, 10, 'late'))"), [0, 'late\n', ''])
  assert.deepEqual(await evaluated('undefined'), [0, 'undefined\n', ''])
  assert.deepEqual(await evaluated('null.x'), [
    1,
    '',
    "Error at line 1, column 6: TypeError: Cannot read properties of null (reading 'x')\n",
  ])
  assert.match(String((await evaluated('let a = ;'))[2]), /^Error.*SyntaxError: Unexpected token ';'\n$/)
  assert.match(String((await evaluated('function f() {'))[2]), /^Error.*Unexpected end of input\n$/)
  assert.equal((await project.run(['eval'])).code, 2)
})

test('the repl keeps names, waits for promises, takes several lines for one, and is left', async () => {
  await using project = new TestProject()
  project.write(
    'lines.js',
    [
      'const base = 5',
      'function more(n) {',
      '  return n + base }',
      'more(2)',
      '({ a: 1 })',
      "let kept = new Promise((r) => setTimeout(r, 10, 'kept'))",
      'kept',
      'throw new Error("no")',
      'console.log("printed")',
      'exit',
      '"never"',
    ].join('\n'),
  )
  const { code, stdout, stderr } = await project.run([], {
    command: ['sh', '-c', `${line('repl')} < lines.js`],
  })
  assert.equal(code, 0)
  assert.deepEqual(
    stdout
      .trim()
      .split('\n')
      .filter((text) => text !== 'printed'),
    ['undefined', 'undefined', '7', '[object Object]', 'undefined', 'kept', 'undefined'],
  )
  assert.match(stdout, /^printed$/m)
  assert.equal(stderr, 'Error at line 1: Error: no\n')
  // The end of input is an end too.
  assert.equal((await project.run([], { command: ['sh', '-c', `echo 1 | ${line('repl')}`] })).stdout, '1\n')
})

const terminal = {
  skip: spawnSync('script', ['--version']).status === 0 ? false : 'needs script(1) to make a terminal',
}

test('at a terminal the repl prompts, and Ctrl-C drops what was typed', terminal, async () => {
  await using project = new TestProject()
  const typed =
    "sleep 2; printf '6*7\\n'; sleep 1; printf 'function f() {\\n'; sleep 1; printf '\\003'; sleep 1; printf '8*8\\n'; sleep 1; printf '\\004'; sleep 1"
  const command = ['sh', '-c', `(${typed}) | script -qec ${JSON.stringify(line('repl'))} /dev/null`]
  const { stdout } = await project.run([], { command })
  for (const part of ['nano REPL', 'nano> ', '42', '...  ', '^C', '64']) assert.ok(stdout.includes(part), part)
})

function line(verb: string): string {
  return `'${process.execPath}' '${ENTRY}' ${verb}`
}
