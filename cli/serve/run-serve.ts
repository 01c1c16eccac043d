/** `serve`: apps on one port until a signal ends them, gently (worker-runtime §§1-8). */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { appHosts } from '../../adapters/registry.ts'
import { serveAsset } from '../../server/app-assets.ts'
import { createAppBindings } from '../../server/app-bindings/bindings.ts'
import { runCrons } from '../../server/crons.ts'
import { HyperError } from '../../server/error.ts'
import { createMetrics, type Metrics } from '../../server/metrics.ts'
import type { AppHost } from '../../server/ports/apps.ts'
import type { Listener } from '../../server/start.ts'
import type { VirtualHosts } from '../../server/virtual-hosts.ts'
import type { Context } from '../command.ts'
import { listenForStop } from '../signals.ts'
import { createNanoLog, type NanoLog } from './nano-log.ts'
import { reloadByItself } from './reload.ts'
import { openServer } from './server.ts'
import { type ServeSettings, serveSettings } from './settings.ts'
import { readSource, type Source } from './source.ts'
import { eventsOf, tellOfChanges } from './tell.ts'

const DRAIN_MS = 30_000
/** How often NANO looks whether all requests are done: it tells how often it looked. */
const NANO_POLL_MS = 10

/** @returns the exit code @throws USAGE */
export async function runServe(context: Context): Promise<number> {
  const settings = serveSettings(context)
  const log = createNanoLog(settings.logFormat)
  using stop = listenForStop(context.exit, ['SIGINT', 'SIGTERM'])
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'hyper-serve-')))
  // Also when a second signal forces us out.
  const cleanUp = () => {
    log.flush()
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', cleanUp)
  try {
    return await serve(context, { settings, log, directory, stopRequested: stop.requested })
  } catch (error) {
    const name = nanoNameOf(error)
    if (name === undefined) throw error
    context.output.note(name)
    return 1
  } finally {
    process.off('exit', cleanUp)
    await log.end()
    cleanUp()
  }
}

export interface Serving {
  settings: ServeSettings
  log: NanoLog
  /** For sockets, gone at the end. */
  directory: string
  stopRequested: Promise<unknown>
}

async function serve({ output, cwd }: Context, serving: Serving): Promise<number> {
  const { settings, log, directory } = serving
  const source = await readSource(settings.source, cwd)
  for (const warning of source.warnings) output.warn(warning)
  const isAtTerminal = process.stdout.isTTY === true
  if (isAtTerminal) output.note(bannerOf(source))

  const metrics = createMetrics()
  const drainMs = source.drain_timeout_ms ?? DRAIN_MS
  // There are no services: bindings say so.
  const serveBinding = createAppBindings({}, (error) => log.event('error', 'binding_failed', { error: String(error) }))
  const host = await appHosts.workerd({
    directory,
    domain: undefined,
    drainMs,
    serveAsset,
    // NANO has the reason in its log alone.
    tellsLoadErrors: false,
    events: eventsOf(log, metrics),
    serve(request, response) {
      if (!serveBinding(request, response)) response.writeHead(404).end()
    },
  })
  try {
    tellOfChanges(host, log)
    runCrons(host, {
      ran: (app, cron, outcome) => log.event('info', 'scheduled', { app, cron, outcome }),
      failed: (app, cron, reason) => log.event('error', 'schedule_failed', { app, cron, error: reason }),
    })
    const { virtualHosts, listener, set } = await openServer({ host, metrics, source, cwd, serving })
    if (isAtTerminal) output.note(`Listening on ${listener.url}; Ctrl-C stops it`)
    {
      using _reloading = settings.source.kind === 'config' ? reloadByItself(set, settings.source.file, log) : undefined
      await serving.stopRequested
    }
    await shutDown({ host, virtualHosts, listener, metrics }, { drainMs, graceMs: source.shutdown_grace_ms ?? 0 }, log)
    return 0
  } finally {
    await host.close(0)
  }
}

interface Running {
  host: AppHost
  virtualHosts: VirtualHosts
  listener: Listener
  metrics: Metrics
}

async function shutDown(
  { host, virtualHosts, listener, metrics }: Running,
  { drainMs, graceMs }: { drainMs: number; graceMs: number },
  log: NanoLog,
): Promise<void> {
  log.event('info', 'shutdown_graceful', { timeout_ms: drainMs })
  const begun = performance.now()
  virtualHosts.drain()
  const drained = host.close(drainMs)
  if (graceMs > 0) await sleep(graceMs)
  await Promise.all([drained, listener.close(drainMs)])
  const elapsed = performance.now() - begun
  if (elapsed < drainMs) log.event('info', 'shutdown_drained', { polls: Math.ceil(elapsed / NANO_POLL_MS) })
  else log.event('error', 'shutdown_timeout_reached', { elapsed_ms: elapsed, timeout_ms: drainMs })
  const { requests, errors, uptimeSeconds } = metrics.totals
  log.event('info', 'server_stop', { requests, errors, uptime_s: uptimeSeconds })
}

function bannerOf({ apps }: Source): string {
  const lines = apps.map(
    ({ name, hostnames, path, timeoutMs, memoryMb }) =>
      `  ${name}  ${hostnames.join(', ')}  ${path}  ${timeoutMs} ms, ${memoryMb} MB`,
  )
  return [`Loading ${apps.length === 1 ? '1 app' : `${apps.length} apps`}`, ...lines].join('\n')
}

/** What NANO says of a start that fails, which scripts look for. */
function nanoNameOf(error: unknown): string | undefined {
  if (!(error instanceof HyperError)) return undefined
  const { code, message, hint = '', meta } = error
  if (code === 'ADDRESS_IN_USE') return `Server error: AddressInUse\n${message}. ${hint}`
  if (code === 'APP_NOT_LOADED') return `Server error: ${meta?.reason}\n${message}`
  if (code === 'CONFIG_INVALID' && meta?.file !== undefined)
    return `Failed to load config: ${meta.file}\nConfig error: ${meta.reason}\n${message}`
  return undefined
}
