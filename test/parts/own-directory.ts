/** Directories that belong to this process: what one that was killed left behind is cleared away by the next that makes one. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** @param prefix of the name, which goes on with our process id */
export function makeOwnDirectory(parent: string, prefix: string): string {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue
    const [, pid] = /^(\d+)-\w{6}$/.exec(name.slice(prefix.length)) ?? []
    if (pid === undefined || isAlive(Number(pid))) continue
    try {
      rmSync(join(parent, name), { recursive: true, force: true })
    } catch {
      // Another user's, or just being cleared by somebody else; it harms nothing.
    }
  }
  return mkdtempSync(join(parent, `${prefix}${process.pid}-`))
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
