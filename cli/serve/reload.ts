/** Reads `config.json` again: when it changes, when a SIGHUP or the admin API asks, and never half (worker-runtime §2.2). */
import type { AppSet } from '../../server/app-set.ts'
import type { HyperError } from '../../server/error.ts'
import { POLL_MS, pollFile } from './config-poll.ts'
import type { NanoLog } from './nano-log.ts'

/** The same apps, whose reloads are told of. */
export function tellOfReloads(set: AppSet, file: string, log: NanoLog): AppSet {
  return {
    ...set,
    async reload() {
      log.event('info', 'config_reload_start', { path: file })
      const reloaded = await set.reload().catch((error: HyperError) => {
        log.event('error', 'config_parse_error', {
          path: file,
          error: error.meta?.reason ?? error.code,
          message: error.message,
        })
        throw error
      })
      const { added, removed, changed, unchanged } = reloaded
      log.event('info', 'config_reload_complete', {
        added: added.length,
        removed: removed.length,
        changed: changed.length,
        unchanged: unchanged.length,
      })
      return reloaded
    },
  }
}

/** Until disposed of. What goes wrong has been told of. */
export function reloadByItself(set: AppSet, file: string, log: NanoLog): Disposable {
  const reload = () => void set.reload().catch(() => {})
  const polling = pollFile(file, reload)
  log.event('info', 'config_watcher_started', { path: file, poll_interval_ms: POLL_MS })
  process.on('SIGHUP', reload)
  return {
    [Symbol.dispose]() {
      polling[Symbol.dispose]()
      process.off('SIGHUP', reload)
    },
  }
}
