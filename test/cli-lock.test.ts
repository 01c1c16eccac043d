import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { acquireLock, isLocked } from '../cli/lock.ts'

const LOCK_MODULE = JSON.stringify(join(import.meta.dirname, '../cli/lock.ts'))

function inDirectory(run: (file: string) => Promise<void>) {
  return async () => {
    const directory = mkdtempSync(join(tmpdir(), 'hyper-sandbox-lock-'))
    try {
      await run(join(directory, 'running.lock'))
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

test(
  'one holder at a time, until it gives the lock up',
  inDirectory(async (file) => {
    assert.equal(isLocked(file), false)
    const lock = acquireLock(file)
    assert.ok(lock)
    assert.equal(isLocked(file), true)
    assert.equal(acquireLock(file), undefined)
    lock.release()
    lock.release()
    assert.equal(isLocked(file), false)
    using again = acquireLock(file)
    assert.ok(again)
  }),
)

test(
  'those who only look never keep anyone from the lock',
  inDirectory(async (file) => {
    acquireLock(file)?.release()
    const looking = `const { isLocked } = await import(${LOCK_MODULE}); console.log('looking'); for (;;) isLocked(${JSON.stringify(file)})`
    const looker = spawn(process.execPath, ['--input-type=module', '-e', looking], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    try {
      await new Promise((resolve) => looker.stdout.once('data', resolve))
      for (let turn = 0; turn < 100; turn += 1) {
        using lock = acquireLock(file)
        assert.ok(lock, `turn ${turn}`)
      }
    } finally {
      looker.kill('SIGKILL')
    }
  }),
)

test(
  'a killed holder holds nothing',
  inDirectory(async (file) => {
    const holding = `const { acquireLock } = await import(${LOCK_MODULE}); globalThis.lock = acquireLock(${JSON.stringify(file)}); console.log('held'); setInterval(() => {}, 1000)`
    const holder = spawn(process.execPath, ['--input-type=module', '-e', holding], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => holder.stdout.once('data', resolve))
    assert.equal(isLocked(file), true)
    const gone = new Promise((resolve) => holder.once('exit', resolve))
    holder.kill('SIGKILL')
    await gone
    assert.equal(isLocked(file), false)
    using lock = acquireLock(file)
    assert.ok(lock)
  }),
)
