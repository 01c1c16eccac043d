/**
 * One process per project, by a lock that the operating system gives up when its holder dies, however it dies. SQLite's
 * file locks are the portable ones at hand: the holder keeps an exclusive transaction open on an empty database.
 */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { isBusy, sqliteCode } from '../adapters/shared/sqlite.ts'
import { HyperError } from '../server/error.ts'

const ATTEMPTS = 20
const ATTEMPT_MS = 5

const SQLITE_CORRUPT = 11
const SQLITE_FULL = 13
const SQLITE_NOTADB = 26

export interface Lock extends Disposable {
  release(): void
}

/** The lock, or nothing when a living process holds it. */
export function acquireLock(file: string): Lock | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const db = open(file, ATTEMPT_MS)
    try {
      db.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
      const release = () => {
        if (db.isOpen) db.close()
      }
      return { release, [Symbol.dispose]: release }
    } catch (error) {
      db.close()
      if (!isBusy(error)) throw unusable(file, error)
      // Someone who only looked (isLocked) is gone at the next attempt.
      if (isLocked(file)) return undefined
    }
  }
  return undefined
}

/** Whether a living process holds the lock. */
export function isLocked(file: string): boolean {
  if (!existsSync(file)) return false
  const db = open(file, 0)
  try {
    db.exec('SELECT 1 FROM sqlite_master')
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw unusable(file, error)
  } finally {
    db.close()
  }
}

function open(file: string, timeout: number): DatabaseSync {
  try {
    return new DatabaseSync(file, { timeout })
  } catch (error) {
    throw unusable(file, error)
  }
}

function unusable(file: string, cause: unknown): HyperError {
  switch (sqliteCode(cause)) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new HyperError('CONFIG_INVALID', `the lock file ${file} is damaged`, {
        hint: `Nothing is kept in it: remove it (rm '${file}') and try again.`,
        cause,
      })
    case SQLITE_FULL:
      return new HyperError('CONFIG_INVALID', `the lock file ${file} cannot be used: the disk is full`, {
        hint: 'Free some disk space and try again.',
        cause,
      })
    default:
      return new HyperError('CONFIG_INVALID', `the lock file ${file} cannot be used: ${(cause as Error).message}`, {
        hint: 'Check that the project is on a writable local disk.',
        cause,
      })
  }
}
