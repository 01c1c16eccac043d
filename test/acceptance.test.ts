/** The acceptance cases against the real command line, on both URL structures; and the table of what they cover. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { cases, registerCases } from './acceptance/cases.ts'
import { serverOfThisFile } from './server-process.ts'

const server = await serverOfThisFile()
registerCases({ test, origin: () => server.url })

test('COVERAGE.md leaves no rule without a case, names only what exists, and names every case', () => {
  const table = readFileSync(new URL('./acceptance/COVERAGE.md', import.meta.url), 'utf8')
  const rows = table.split('\n').filter((line) => /^\| (hyper-api|design) /.test(line))
  const known = new Set(cases.map(({ name }) => name))
  const named = new Set<string>()
  assert.ok(rows.length > 150, `only ${rows.length} rules are listed`)
  for (const row of rows) {
    const [, rule = ''] = row.split(' | ', 1)[0]?.split('| ') ?? []
    const names = [...row.matchAll(/`([^`]+)`(?=\s*(?:<br>|\|$))/g)].map(([, name = '']) => name)
    assert.notEqual(names.length, 0, `no case for ${rule}`)
    for (const name of names) {
      named.add(name)
      const [file, title] = name.split(' › ')
      if (title === undefined) assert.ok(known.has(name), `${rule}: there is no case '${name}'`)
      else assert.ok(source(file).includes(title), `${rule}: ${file} has no test '${title}'`)
    }
  }
  assert.deepEqual(
    [...known].filter((name) => !named.has(name)),
    [],
  )
})

function source(file = ''): string {
  return readFileSync(new URL(file, import.meta.url), 'utf8')
}
