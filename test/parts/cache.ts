/** Where parts that were had once are kept, outside of any checkout: one directory for each, named after its version. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { makeOwnDirectory } from './own-directory.ts'

export const PARTS_DIRECTORY = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hyper-sandbox', 'parts')

/** The part's directory, if it is there, which it is only as a whole. */
export function findPart(name: string): string | undefined {
  const directory = join(PARTS_DIRECTORY, name)
  return existsSync(directory) ? directory : undefined
}

/** The part's directory; `make` fills it the first time. Nothing is left of what fails, and what is killed goes with the next. */
export async function keepPart(name: string, make: (directory: string) => Promise<void>): Promise<string> {
  const found = findPart(name)
  if (found) return found
  mkdirSync(PARTS_DIRECTORY, { recursive: true })
  const unfinished = makeOwnDirectory(PARTS_DIRECTORY, '.new-')
  try {
    await make(unfinished)
    const directory = join(PARTS_DIRECTORY, name)
    try {
      renameSync(unfinished, directory)
    } catch (error) {
      if (!existsSync(directory)) throw error // else someone else has made the same meanwhile
    }
    return directory
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}
