import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readFiles } from '../adapters/apps/workerd/read-files.ts'

/** Each on the files as they were read: what is done to them, and whether that is seen. */
const CHANGES: Record<string, [(directory: string) => void, boolean]> = {
  nothing: [() => {}, true],
  'other content of the same length and time': [
    (directory) => {
      writeFileSync(join(directory, 'app/index.js'), 'b')
      utimesSync(join(directory, 'app/index.js'), 1, 1)
    },
    false,
  ],
  'another file beside it': [(directory) => writeFileSync(join(directory, 'app/index.ts'), ''), false],
  'a package.json above it': [(directory) => writeFileSync(join(directory, 'package.json'), '{}'), false],
  'a file above it that nothing is read from': [(directory) => writeFileSync(join(directory, 'notes.txt'), ''), true],
  'no file any more': [(directory) => rmSync(join(directory, 'app'), { recursive: true }), false],
}

for (const [what, [change, areAsRead]] of Object.entries(CHANGES)) {
  test(`after ${what}, files are ${areAsRead ? 'as they were' : 'to be read again'}`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'hyper-read-files-'))
    t.after(() => rmSync(directory, { recursive: true, force: true }))
    mkdirSync(join(directory, 'app'))
    const file = join(directory, 'app/index.js')
    writeFileSync(file, 'a')
    utimesSync(file, 1, 1)
    await sleep(100)
    const files = readFiles([file], Date.now())
    change(directory)
    assert.equal(files.areAsRead(), areAsRead)
  })
}

test('what was written a moment before it was read may have been written after', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'hyper-read-files-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(join(directory, 'index.js'), 'a')
  assert.equal(readFiles([join(directory, 'index.js')], Date.now()).areAsRead(), false)
})
