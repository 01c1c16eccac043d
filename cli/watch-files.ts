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

/**
 * @param onChange called once for changes that come together, never while it still runs
 * @param pollMs how often files are looked at besides: not every system tells containers what changes outside of them
 */
export function watchFiles(files: readonly string[], onChange: () => Promise<void>, pollMs?: number): FileWatcher {
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

  let states = new Map<string, string>()
  const poll = () => {
    const before = states
    states = new Map([...before.keys()].map((name) => [name, stateOf(name)]))
    if ([...states].some(([name, state]) => before.get(name) !== state)) changed()
  }
  const polling = pollMs === undefined ? undefined : setInterval(poll, pollMs).unref()

  const watcher: FileWatcher = {
    watch(wanted) {
      if (polling) {
        // What is known stays: it may have changed since.
        const own = wanted.filter((name) => !name.includes('node_modules'))
        states = new Map(own.map((name) => [name, states.get(name) ?? stateOf(name)]))
      }
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
      clearInterval(polling)
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

function stateOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found ? `${found.mtimeMs} ${found.size} ${found.ino}` : ''
}
