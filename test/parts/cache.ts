/** Where parts that were had once are kept, outside of any checkout: one directory for each, named after its version. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

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
  removeAbandoned()
  const unfinished = mkdtempSync(join(PARTS_DIRECTORY, `.new-${process.pid}-`))
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

function removeAbandoned(): void {
  for (const name of readdirSync(PARTS_DIRECTORY)) {
    const [, pid] = /^\.new-(\d+)-/.exec(name) ?? []
    if (pid === undefined || isAlive(Number(pid))) continue
    try {
      rmSync(join(PARTS_DIRECTORY, name), { recursive: true, force: true })
    } catch {
      // Root's, of a debootstrap that was killed; it harms nothing.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
