import { renameSync, writeFileSync } from 'node:fs'

/**
 * Readers see the old file or the new one, never a part. The other name is always the same, so a writer that was killed
 * leaves nothing that the next does not overwrite; hence only for files with one writer at a time (the lock's holder).
 */
export function writeAtomically(file: string, text: string, mode = 0o644): void {
  const unfinished = `${file}.tmp`
  writeFileSync(unfinished, text, { mode })
  renameSync(unfinished, file)
}
