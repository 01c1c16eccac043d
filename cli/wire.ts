/**
 * Composition root: a resolved configuration in, running services and gateway out. The only place where adapters, guards and
 * the gateway meet.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { type AdapterOptions, type RemoteOptions, registry, type Settings } from '../adapters/registry.ts'
import { buildApp } from '../server/app.ts'
import { createAppBindings } from '../server/app-bindings/bindings.ts'
import type { AppSet } from '../server/app-set.ts'
import type { Credentials } from '../server/credentials.ts'
import { HyperError } from '../server/error.ts'
import { createMetrics } from '../server/metrics.ts'
import { guard } from '../server/port.ts'
import type { AppConfig, AppHost } from '../server/ports/apps.ts'
import { cachePort } from '../server/ports/cache.ts'
import { dataPort } from '../server/ports/data.ts'
import { queuePort } from '../server/ports/queue.ts'
import { searchPort } from '../server/ports/search.ts'
import { storagePort } from '../server/ports/storage.ts'
import type { Services } from '../server/services.ts'
import { type Listener, listen, listenSecurely } from '../server/start.ts'
import { type OpenApps, openApps, type WorkersConfig } from './apps.ts'
import type { ServiceConfigs, StorageConfig } from './service-config.ts'
import type { TlsConfig } from './tls.ts'
import { VERSION } from './version.ts'

/** Everything a sandbox needs to know, resolved (design §7). */
export interface SandboxConfig {
  name: string
  projectDirectory: string
  /** `<project>/.hyper-sandbox` */
  stateDirectory: string
  dataDirectory: string
  /** Where the user's certificate authority is kept. */
  authorityDirectory: string
  domain: string
  /** The services that run. */
  services: ServiceConfigs
  apps: readonly AppConfig[]
  /** Where apps run, if not here. */
  workers?: WorkersConfig | undefined
  listen: {
    host: string
    tcpPort: number
    allowedHosts: string[]
    allowedOrigins: string[]
    /** HTTPS beside HTTP. */
    tls?: TlsConfig
  }
  /** Clients of apps are told nothing of what went wrong in them. */
  isProduction?: boolean
  /** All apps, or this one, are open to a debugger. */
  inspect?: string | true | undefined
  logRequests: boolean
  token: string
  /** What URLs are signed with, base64url. */
  signingKey: string
  /** Whose tokens hyper's API asks for. */
  credentials?: Credentials | undefined
}

/** What opening the services needs of a configuration. */
export type ServicesConfig = Pick<SandboxConfig, 'services' | 'dataDirectory' | 'projectDirectory'>

/** Where HTTPS is served. */
export interface SecureAddress {
  url: string
  tcpPort: number
  /** PEM file of the authority that clients have to trust; absent where the certificate is the user's own. */
  authorityFile?: string | undefined
}

export interface RunningSandbox {
  url: string
  host: string
  tcpPort: number
  https: SecureAddress | undefined
  /** Random id of this run, also in `GET /readyz`. */
  instance: string
  services: Services
  apps: AppHost
  /** Which of them run. */
  appSet: AppSet
  /** Lets open requests finish for at most two seconds, then closes everything. Safe to repeat. */
  close(): Promise<void>
}

const PORTS = {
  data: dataPort,
  cache: cachePort,
  storage: storagePort,
  search: searchPort,
  queue: queuePort,
} as const

/** Opens the services without listening, for work on a sandbox that does not run; queues deliver nothing then. */
export async function openServices(config: ServicesConfig, locate?: Settings['queue']['locate']): Promise<Services> {
  const services: Services = {}
  try {
    if (config.services.data) services.data = guard(PORTS.data, await load(config, 'data'))
    if (config.services.cache) services.cache = guard(PORTS.cache, await load(config, 'cache'))
    if (config.services.storage) services.storage = guard(PORTS.storage, await load(config, 'storage'))
    if (config.services.search) services.search = guard(PORTS.search, await load(config, 'search'))
    if (config.services.queue) services.queue = guard(PORTS.queue, await load(config, 'queue', locate))
    await Promise.all(Object.values(services).map((service) => service.open()))
  } catch (error) {
    await closeServices(services)
    throw error
  }
  return services
}

export async function closeServices(services: Services): Promise<void> {
  await Promise.all(Object.values(services).map((service) => service.close()))
}

export interface StartOptions {
  logger: Logger
  onShutdown?: () => void
  /** What the project file says of apps now; absent where there is none. */
  readApps?: () => Promise<readonly AppConfig[]>
  /** Done once the address is had, before the first request is answered; when it fails, so does the start. */
  prepare?: (services: Services) => Promise<void>
}

/** @throws HyperError ADDRESS_IN_USE, and what an adapter or `prepare` throws; nothing is left open then */
export async function startSandbox(config: SandboxConfig, options: StartOptions): Promise<RunningSandbox> {
  let opened: OpenApps | undefined
  let listener: Listener | undefined
  const services = await openServices(config, (hostname, tcpPort = listener?.tcpPort) => {
    const isOurs = tcpPort === listener?.tcpPort || tcpPort === config.workers?.publishedTcpPort
    if (!listener || !isOurs || opened?.host.find(hostname) === undefined) return undefined
    return { hostname: new URL(listener.url).hostname, tcpPort: listener.tcpPort }
  })
  const instance = randomUUID()
  const prepared = Promise.withResolvers<void>()
  const metrics = createMetrics()
  const appDirectory = config.workers?.directory ?? config.projectDirectory
  /** What an app asks of the services, as if it came over the network: it is no loopback peer, and so no admin. */
  let serveApp: ((request: IncomingMessage, response: ServerResponse) => void) | undefined
  try {
    const { host: apps, set } = await openApps(config, {
      logger: options.logger,
      metrics,
      serve: (request, response) => serveApp?.(request, response),
      readApps: options.readApps,
    })
    opened = { host: apps, set }
    const app = buildApp({
      services,
      apps,
      metrics,
      admin: {
        host: apps,
        apps: set,
        roots: [appDirectory],
        configOf: async (entry) => (await import('./app-config.ts')).readApp(entry, appDirectory),
      },
      instance,
      version: VERSION,
      logger: options.logger,
      allowedHosts: config.listen.allowedHosts,
      allowedOrigins: config.listen.allowedOrigins,
      logRequests: config.logRequests,
      token: config.token,
      signingKey: Buffer.from(config.signingKey, 'base64url'),
      importDirectory: async (request) => {
        const { importDirectory } = await import('./import/import-directory.ts')
        return await importDirectory(services, request, config.dataDirectory)
      },
      ...(config.credentials ? { credentials: config.credentials } : {}),
      prepared: prepared.promise,
      ...(options.onShutdown ? { onShutdown: options.onShutdown } : {}),
    })
    const listening = await listen(app, config.listen.host, config.listen.tcpPort)
    listener = listening
    const { host: address } = new URL(listening.url)
    const serveBinding = createAppBindings(services, (err) => options.logger.error({ err }, 'a binding failed'))
    serveApp = (request, response) => {
      if (serveBinding(request, response)) return
      request.headers.host = address
      app.routing(request, response)
    }
    let secure: (SecureAddress & Pick<Listener, 'close'>) | undefined
    const stopListening = async () => {
      await Promise.all([listening.close(), secure?.close()])
    }
    try {
      secure = await serveSecurely(app, config)
      await options.prepare?.(services)
      await services.queue?.start({})
      prepared.resolve()
    } catch (error) {
      prepared.reject(error)
      await stopListening()
      throw error
    }
    let closing: Promise<void> | undefined
    return {
      url: listening.url,
      host: listening.host,
      tcpPort: listening.tcpPort,
      https: secure && { url: secure.url, tcpPort: secure.tcpPort, authorityFile: secure.authorityFile },
      instance,
      services,
      apps,
      appSet: set,
      close() {
        closing ??= (async () => {
          await Promise.all([services.queue?.stop({}), stopListening()])
            .finally(() => apps.close())
            .finally(() => closeServices(services))
        })()
        return closing
      },
    }
  } catch (error) {
    await opened?.host.close(0)
    await closeServices(services)
    throw error
  }
}

async function serveSecurely(
  app: FastifyInstance,
  { listen: { host, allowedHosts, tls }, projectDirectory, authorityDirectory }: SandboxConfig,
): Promise<(SecureAddress & Pick<Listener, 'close'>) | undefined> {
  if (!tls) return undefined
  const { tlsIdentity } = await import('./tls.ts')
  const { authorityFile, ...identity } = await tlsIdentity(tls, {
    host,
    allowedHosts,
    projectDirectory,
    authorityDirectory,
  })
  const tcpPort = tls.tcpPort === 0 ? (tls.lastTcpPort ?? 0) : tls.tcpPort
  const listener = await listenSecurely(app, host, tcpPort, identity).catch((error: unknown) => {
    const mayBeAnother = tcpPort !== tls.tcpPort && error instanceof HyperError && error.code === 'ADDRESS_IN_USE'
    if (mayBeAnother) return listenSecurely(app, host, 0, identity)
    throw error
  })
  return { ...listener, authorityFile }
}

type Ports = { [S in keyof typeof PORTS]: Awaited<ReturnType<(typeof registry)['embedded'][S]>> }

async function load<S extends keyof Ports>(
  config: ServicesConfig,
  service: S,
  locate?: Settings['queue']['locate'],
): Promise<Ports[S]> {
  const settings = service === 'queue' ? { ...queueSettings(config.services), locate } : {}
  const options = { directory: config.dataDirectory, ...settings }
  const { adapter: custom, url, key, secretKey } = config.services[service] as StorageConfig
  if (custom === undefined && url !== undefined) {
    const create = registry.remote[service] as (remote: RemoteOptions & Settings['queue']) => Promise<Ports[S]>
    return create({ ...options, url, key, secretKey })
  }
  if (custom === undefined) return registry.embedded[service](options) as Promise<Ports[S]>
  const create = await importAdapter(custom, config.projectDirectory, service)
  return create(options) as Ports[S] | Promise<Ports[S]> as Promise<Ports[S]>
}

function queueSettings({ queue = {} }: ServiceConfigs): Settings['queue'] {
  const { concurrency, attempts, timeoutMs } = queue
  return { concurrency, attempts, timeoutMs }
}

type AdapterFactory = (options: AdapterOptions) => unknown

/** A path is taken from the project's directory, anything else as a package installed there. */
async function importAdapter(specifier: string, projectDirectory: string, service: string): Promise<AdapterFactory> {
  const { createRequire } = await import('node:module')
  let module: { default?: unknown }
  try {
    const resolved = createRequire(`${projectDirectory}/`).resolve(specifier)
    module = await import(pathToFileURL(resolved).href)
  } catch (cause) {
    throw new HyperError(
      'CONFIG_INVALID',
      `the ${service} adapter '${specifier}' cannot be loaded: ${(cause as Error).message}`,
      {
        hint: `Check services.${service}.adapter: a path beginning with './', or the name of a package installed in ${projectDirectory}.`,
        cause,
      },
    )
  }
  const { default: create } = module
  if (typeof create !== 'function') {
    throw new HyperError(
      'CONFIG_INVALID',
      `the ${service} adapter '${specifier}' has no default export that makes an adapter`,
      {
        hint: 'Export default a function ({ directory }) => adapter; see hyper-sandbox/ports.',
      },
    )
  }
  return create as AdapterFactory
}
