/** Whether files are still as they were when they were read, told without reading them again. */
import { statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What is written within so long of being read may have been read before or after: clocks of files are coarse. */
const COARSE_MS = 50
/** They decide which files an import means. */
const BESIDE = ['package.json', 'tsconfig.json'] as const

export interface ReadFiles {
  areAsRead(): boolean
}

/** @param files absolute paths @param readAt Unix time in milliseconds, before the first was read */
export function readFiles(files: readonly string[], readAt: number): ReadFiles {
  // A directory's own time tells of files that came and went.
  const directories = new Set(files.map((file) => dirname(file)))
  for (const directory of directories) if (directory !== dirname(directory)) directories.add(dirname(directory))
  const inside = new Set(files.map((file) => dirname(file)))
  const watched = [...files, ...inside, ...[...directories].flatMap((one) => BESIDE.map((name) => join(one, name)))]
  const states = watched.map((file) => [file, stateOf(file)] as const)
  const isCertain = states.every(([, { changedAt }]) => changedAt < readAt - COARSE_MS)
  return {
    areAsRead: () => isCertain && states.every(([file, { text }]) => stateOf(file).text === text),
  }
}

function stateOf(file: string): { text: string; changedAt: number } {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) return { text: '', changedAt: 0 }
  const { mtimeMs, ctimeMs, size, ino } = found
  return { text: `${mtimeMs} ${ctimeMs} ${size} ${ino}`, changedAt: ctimeMs }
}
