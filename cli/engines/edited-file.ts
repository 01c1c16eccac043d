/** The generated `compose.yaml` is written anew at each start; what someone wrote into it by hand is kept beside it. */
import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readRemembered } from '../state.ts'

/** Where the file is kept that is not as we wrote it; nothing when it is. */
export function keepEdited(stateDirectory: string): string | undefined {
  const { composeDigest } = readRemembered(stateDirectory)
  const now = composeFileDigest(stateDirectory)
  if (composeDigest === undefined || now === undefined || now === composeDigest) return undefined
  const kept = join(stateDirectory, 'compose.edited.yaml')
  copyFileSync(fileIn(stateDirectory), kept)
  return kept
}

export function composeFileDigest(stateDirectory: string): string | undefined {
  try {
    return createHash('sha256')
      .update(readFileSync(fileIn(stateDirectory)))
      .digest('hex')
  } catch {
    return undefined
  }
}

function fileIn(stateDirectory: string): string {
  return join(stateDirectory, 'compose.yaml')
}
