/** What happens to apps, in NANO's events (worker-runtime §7). */
import type { IncomingMessage } from 'node:http'
import type { Metrics } from '../../server/metrics.ts'
import type { AppEvents, AppHost, LoadError } from '../../server/ports/apps.ts'
import type { Answered, Level, NanoLog } from './nano-log.ts'

export function eventsOf(log: NanoLog, metrics: Metrics): AppEvents {
  return {
    // Told with what asked for it, below.
    loaded() {},
    failed() {},
    restarted: (app, reason, detail) => log.event('error', 'app_restarted', { app, reason, detail }),
    console: (app, level, message) => log.console(app, level as Level, message),
    answered(app, request, status, bytes, ms) {
      metrics.observeApp(app, status, ms)
      log.request({ ...describe(request), status, bytes, latencyMs: ms, app })
    },
  }
}

export function describe({
  method = '',
  url = '',
  headers,
  socket,
}: IncomingMessage): Pick<Answered, 'method' | 'path' | 'peer' | 'host'> {
  return { method, path: url, peer: socket.remoteAddress ?? '-', host: headers.host }
}

/** Tells of every change to the apps of the host from now on. */
export function tellOfChanges(host: AppHost, log: NanoLog): void {
  const { apply } = host
  let isStarted = false
  host.apply = async (apps, options) => {
    const before = new Map(host.status().map((app) => [app.name, app]))
    const hostnameOf = (name: string) =>
      (apps.find((app) => app.name === name) ?? before.get(name))?.hostnames[0] ?? name
    const reloaded = await apply(apps, options)
    for (const name of reloaded.added) {
      const path = apps.find((app) => app.name === name)?.path
      log.event('info', isStarted ? 'app_added' : 'app_loaded', { name, hostname: hostnameOf(name), path })
    }
    for (const { name, error } of reloaded.failed) {
      const what = { ...(isStarted ? { hostname: hostnameOf(name) } : { detail: name }), ...reasonOf(error) }
      const event = before.has(name) ? 'app_reload_failed' : 'app_add_failed'
      log.event('error', isStarted ? event : 'Failed to load app', what)
    }
    isStarted = true
    const removed = reloaded.removed.filter((name) => before.get(name)?.state !== 'failed')
    for (const name of removed) log.event('info', 'app_drain_start', { hostname: hostnameOf(name) })
    void reloaded.drained.then((all) => {
      for (const { name, cut } of all.filter((one) => removed.includes(one.name))) {
        const hostname = hostnameOf(name)
        if (cut > 0) log.event('error', 'app_drain_timeout', { hostname, active: cut })
        else log.event('info', 'app_drained', { hostname })
        log.event('info', 'app_removed', { hostname })
      }
    })
    return reloaded
  }
}

function reasonOf({ name: error, message, location, frame }: LoadError): Record<string, unknown> {
  return { error, message, location, frame }
}
