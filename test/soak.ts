/**
 * `npm run soak`: every test that counts by HYPER_TEST_SCALE, one after the other, at ten times what `npm test` runs; and those
 * that take long and ask what `npm test` asks in another way.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const self = import.meta.filename
const files = readdirSync(import.meta.dirname)
  .map((name) => join(import.meta.dirname, name))
  .filter(
    (file) =>
      file.endsWith('.ts') &&
      file !== self &&
      (file.endsWith('.soak.ts') || /env\.HYPER_TEST_SCALE|helpers\/mutants/.test(readFileSync(file, 'utf8'))),
  )

const reporter = pathToFileURL(join(import.meta.dirname, 'reporter.ts'))
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=1', `--test-reporter=${reporter}`, ...files],
  {
    env: { HYPER_TEST_SCALE: '10', ...process.env },
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1
