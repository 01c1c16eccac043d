import { randomBytes } from 'node:crypto'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { HyperError } from '../server/error.ts'

/**
 * Readers see the old file or the new one, never a part. Of two writers at once each has an unfinished file of its own, and the last
 * one's is the file. @throws CONFIG_INVALID when it cannot be written; the old file is as it was
 */
export function writeWhole(file: string, text: string, mode = 0o644): void {
  const unfinished = `${file}.${randomBytes(4).toString('hex')}.tmp`
  try {
    writeFileSync(unfinished, text, { mode })
    renameSync(unfinished, file)
  } catch (cause) {
    rmSync(unfinished, { force: true })
    const { code, message } = cause as NodeJS.ErrnoException
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    throw new HyperError('CONFIG_INVALID', `${file} cannot be written: ${isFull ? 'the disk is full' : message}`, {
      hint: isFull ? 'Free some disk space and try again.' : 'Make its directory writable and try again.',
      cause,
    })
  }
}
