/** The apps of a running sandbox: opened with their host, reloaded when their files change, told of in the log. */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { appHosts } from '../adapters/registry.ts'
import type { AppEvents, AppHost } from '../server/ports/apps.ts'
import { watchFiles } from './watch-files.ts'
import type { SandboxConfig } from './wire.ts'

const DRAIN_MS = 2_000

/** Absent where no apps are configured. Apps that cannot be loaded are told of; the others run. */
export async function openApps(
  config: Pick<SandboxConfig, 'apps' | 'services' | 'domain' | 'stateDirectory'>,
  logger: Logger,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<AppHost | undefined> {
  if (config.apps.length === 0) return undefined
  const hasServices = Object.keys(config.services).length > 0
  const host = await appHosts.workerd({
    directory: socketDirectory(config.stateDirectory),
    domain: hasServices ? config.domain : undefined,
    drainMs: DRAIN_MS,
    events: logged(logger),
    serve,
  })
  await host.apply(config.apps)
  return watched(host, config.apps, logger)
}

/** Short, as names of sockets must be, and this project's own: what a killed run left is found again. */
function socketDirectory(stateDirectory: string): string {
  const digest = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 12)
  return join(tmpdir(), `hyper-sandbox-${digest}`)
}

function watched(host: AppHost, apps: SandboxConfig['apps'], logger: Logger): AppHost {
  const files = () => host.status().flatMap(({ path, inputs }) => [path, ...inputs])
  const watcher = watchFiles(files(), async () => {
    const { changed, failed } = await host.apply(apps)
    if (changed.length + failed.length > 0) logger.info({ changed, failed: failed.map(({ name }) => name) }, 'reloaded')
    watcher.watch(files())
  })
  const { close } = host
  host.close = async (drainMs) => {
    watcher.close()
    await close(drainMs)
  }
  return host
}

function logged(logger: Logger): AppEvents {
  return {
    loaded: (app, version) => logger.info({ app, version }, 'app loaded'),
    failed: (app, { name, message, location, frame }) => logger.error({ app, error: name, location, frame }, message),
    restarted: (app, reason, detail) => logger.error({ app, reason, detail }, 'app restarted'),
    console: (app, level, message) => logger[level as 'info']({ app }, message),
    answered(app, request, status, bytes, ms) {
      if (status >= 400 || ms > 1_000)
        logger.warn({ app, method: request.method, url: request.url, status, bytes, ms: Math.round(ms) }, 'request')
    },
  }
}
