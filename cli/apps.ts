/** The apps of a running sandbox: opened with their host, reloaded when their files change, told of in the log. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { appHosts } from '../adapters/registry.ts'
import { type AppSet, createAppSet } from '../server/app-set.ts'
import type { Metrics } from '../server/metrics.ts'
import type { AppConfig, AppEvents, AppHost } from '../server/ports/apps.ts'
import { lateAppHost } from './late-app-host.ts'
import { type FileWatcher, watchFiles } from './watch-files.ts'
import type { SandboxConfig } from './wire.ts'

const DRAIN_MS = 2_000

export interface OpenApps {
  host: AppHost
  set: AppSet
}

export interface OpenAppsOptions {
  logger: Logger
  metrics: Metrics
  /** Answers what apps ask of the services. */
  serve(request: IncomingMessage, response: ServerResponse): void
  /** What the project file says now; absent where there is none to read. */
  readApps?: (() => Promise<readonly AppConfig[]>) | undefined
}

/** Apps that cannot be loaded are told of; the others run. */
export async function openApps(
  config: Pick<SandboxConfig, 'apps' | 'services' | 'domain' | 'stateDirectory'>,
  { logger, metrics, serve, readApps }: OpenAppsOptions,
): Promise<OpenApps> {
  const hasServices = Object.keys(config.services).length > 0
  const host = lateAppHost(() =>
    appHosts.workerd({
      directory: socketDirectory(config.stateDirectory),
      domain: hasServices ? config.domain : undefined,
      drainMs: DRAIN_MS,
      events: logged(logger, metrics),
      serve,
    }),
  )
  const set = createAppSet(host, readApps && (async () => ({ apps: await readApps() })))
  watchApps(host, set, logger)
  await set.apply({ apps: config.apps })
  return { host, set }
}

/** Short, as names of sockets must be, and this project's own: what a killed run left is found again. */
function socketDirectory(stateDirectory: string): string {
  const digest = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 12)
  return join(tmpdir(), `hyper-sandbox-${digest}`)
}

/** Reloads apps whose files change, whichever apps run by then; until the host is closed. */
function watchApps(host: AppHost, set: AppSet, logger: Logger): void {
  let watcher: FileWatcher | undefined
  const files = () => host.status().flatMap(({ path, inputs }) => [path, ...inputs])
  const { apply, close } = host
  host.apply = async (...wanted) => {
    const reloaded = await apply(...wanted)
    watcher ??= watchFiles([], async () => {
      const { changed, failed } = await set.refresh()
      if (changed.length + failed.length > 0)
        logger.info({ changed, failed: failed.map(({ name }) => name) }, 'reloaded')
    })
    watcher.watch(files())
    return reloaded
  }
  host.close = async (drainMs) => {
    watcher?.close()
    await close(drainMs)
  }
}

function logged(logger: Logger, metrics: Metrics): AppEvents {
  return {
    loaded: (app, version) => logger.info({ app, version }, 'app loaded'),
    failed: (app, { name, message, location, frame }) => logger.error({ app, error: name, location, frame }, message),
    restarted: (app, reason, detail) => logger.error({ app, reason, detail }, 'app restarted'),
    console: (app, level, message) => logger[level as 'info']({ app }, message),
    answered(app, request, status, bytes, ms) {
      metrics.observeApp(app, status, ms)
      if (status >= 400 || ms > 1_000)
        logger.warn({ app, method: request.method, url: request.url, status, bytes, ms: Math.round(ms) }, 'request')
    },
  }
}
