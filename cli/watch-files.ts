/** Tells of changes to files, however they are written: in place, by renaming, by a checkout. */
import { type FSWatcher, statSync, watch } from 'node:fs'
import { dirname } from 'node:path'

/** One save is several events, and several saves come together. */
const QUIET_MS = 60

export interface FileWatcher {
  /** These from now on. */
  watch(files: readonly string[]): void
  close(): void
}

/** @param onChange called once for changes that come together, never while it still runs */
export function watchFiles(files: readonly string[], onChange: () => Promise<void>): FileWatcher {
  const watchers = new Map<string, FSWatcher>()
  let timer: NodeJS.Timeout | undefined
  let isClosed = false
  let running: Promise<void> | undefined

  const changed = () => {
    if (isClosed) return
    clearTimeout(timer)
    timer = setTimeout(() => {
      if (running) return changed()
      running = onChange()
        .catch(() => {})
        .finally(() => {
          running = undefined
        })
    }, QUIET_MS)
  }

  const watcher: FileWatcher = {
    watch(wanted) {
      // Directories, since a file that is replaced is another one.
      const directories = new Set(
        wanted.map(directoryOf).filter((one) => one !== undefined && !one.includes('node_modules')) as string[],
      )
      for (const [directory, open] of watchers) {
        if (directories.has(directory)) continue
        open.close()
        watchers.delete(directory)
      }
      for (const directory of directories) {
        if (watchers.has(directory) || isClosed) continue
        try {
          const open = watch(directory, changed).on('error', () => {
            open.close()
            watchers.delete(directory)
          })
          watchers.set(directory, open)
        } catch {
          // Gone in this moment; the next change looks again.
        }
      }
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      for (const open of watchers.values()) open.close()
      watchers.clear()
    },
  }
  watcher.watch(files)
  return watcher
}

/** The path itself where it is a directory; the nearest one above that exists. */
function directoryOf(path: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    const found = statSync(at, { throwIfNoEntry: false })
    if (found?.isDirectory()) return at
    if (at === dirname(at)) return undefined
  }
}
