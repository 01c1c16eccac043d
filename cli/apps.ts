/** The apps of a running sandbox: opened with their host, reloaded when their files change, told of in the log. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { appHosts } from '../adapters/registry.ts'
import { serveAsset } from '../server/app-assets.ts'
import { type AppSet, createAppSet } from '../server/app-set.ts'
import { runCrons } from '../server/crons.ts'
import type { Metrics } from '../server/metrics.ts'
import type { AppConfig, AppEvents, AppHost } from '../server/ports/apps.ts'
import { keepApps } from './kept-apps.ts'
import { lateAppHost } from './late-app-host.ts'
import { type FileWatcher, watchFiles } from './watch-files.ts'
import type { SandboxConfig } from './wire.ts'

/** What an app was asked before it was saved anew may take as long as NANO lets it; nobody waits for that at the end. */
export const DRAINS = { drainMs: 30_000, closeMs: 2_000 } as const

/** Where the compose engine has its apps: in a container beside the gateway's. */
export interface WorkersConfig {
  /** Such as `http://workers:6366`. */
  url: string
  key: string
  /** TCP port on which that container brings what its apps ask of the services. */
  ingressTcpPort: number
  /** The gateway's own on the host. */
  publishedTcpPort: number
  /** Where that container sees the project. */
  directory: string
  /** What this container was made with, in whatever form. */
  given: string
}

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
  config: Pick<
    SandboxConfig,
    'apps' | 'services' | 'domain' | 'stateDirectory' | 'credentials' | 'workers' | 'isProduction' | 'inspect'
  >,
  { logger, metrics, serve, readApps }: OpenAppsOptions,
): Promise<OpenApps> {
  const hasServices = Object.keys(config.services).length > 0
  const { workers, isProduction = false, inspect } = config
  const events = logged(logger, metrics)
  const host = lateAppHost(() =>
    workers
      ? appHosts.remote({ ...workers, events, serve })
      : appHosts.workerd({
          directory: socketDirectory(config.stateDirectory),
          domain: hasServices ? config.domain : undefined,
          credentials: config.credentials,
          ...DRAINS,
          isProduction,
          serveAsset,
          events,
          serve,
        }),
  )
  const { apply } = host
  host.apply = async (apps, options) => {
    const asked = apps.map((app) => asRun(app, inspect))
    const reloaded = await apply(asked, options)
    if (workers) keepApps(config.stateDirectory, workers.given, apps)
    return reloaded
  }
  runCrons(host, {
    ran: (app, cron, outcome) => logger.info({ app, cron, outcome }, 'scheduled'),
    failed: (app, cron, reason) => logger.error({ app, cron, reason }, 'not scheduled'),
  })
  const set = createAppSet(host, readApps && (async () => ({ apps: await readApps() })))
  const applied = workers ? set.apply({ apps: config.apps }) : undefined
  // Another container may take its time; meanwhile the services are served.
  applied?.catch((err) => logger.error({ err }, 'the apps do not run'))
  if (!workers) {
    watchApps(host, () => set.refresh())
    await set.apply({ apps: config.apps })
  }
  return { host, set }
}

/** Whoever stops at a line holds the thread. */
const INSPECTED = { isInspected: true, replicas: 1, timeoutMs: 86_400_000, wallMs: 86_400_000 }

/** As it is whoever asks for it: what came over the network has no members that are undefined, and would be another. */
function asRun(app: AppConfig, inspect: SandboxConfig['inspect']): AppConfig {
  const members = Object.entries(app).filter(([, value]) => value !== undefined)
  return {
    ...(Object.fromEntries(members) as unknown as AppConfig),
    ...(inspect === true || inspect === app.name ? INSPECTED : {}),
  }
}

/** Short, as names of sockets must be, and this project's own: what a killed run left is found again. */
function socketDirectory(stateDirectory: string): string {
  const digest = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 12)
  return join(tmpdir(), `hyper-sandbox-${digest}`)
}

/**
 * Reloads apps whose files change, whichever apps run by then; until the host is closed.
 *
 * @param pollMs how often files are looked at besides, where the system may not tell of changes
 */
export function watchApps(host: AppHost, refresh: () => Promise<unknown>, pollMs?: number): void {
  let watcher: FileWatcher | undefined
  const files = () => host.status().flatMap(({ path, inputs }) => [path, ...inputs])
  const { apply, close } = host
  host.apply = async (...wanted) => {
    const reloaded = await apply(...wanted)
    watcher ??= watchFiles([], async () => void (await refresh()), pollMs)
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
