/** The server of `serve`, once its apps have been loaded. */
import { createServer } from 'node:http'
import { dirname } from 'node:path'
import { type AppSet, createAppSet } from '../../server/app-set.ts'
import { HyperError } from '../../server/error.ts'
import { createHostRules } from '../../server/host-rules.ts'
import type { Metrics } from '../../server/metrics.ts'
import type { AppHost, Reloaded } from '../../server/ports/apps.ts'
import { createAdmin } from '../../server/routes/admin.ts'
import { type Listener, listenWith } from '../../server/start.ts'
import { createVirtualHosts, type VirtualHosts } from '../../server/virtual-hosts.ts'
import { readApp } from '../app-config.ts'
import { watchApps } from '../apps.ts'
import { tellOfReloads } from './reload.ts'
import type { Serving } from './run-serve.ts'
import { readSource, type Source } from './source.ts'
import { describe } from './tell.ts'

const DEFAULT_HOST = '127.0.0.1'

export interface OpenServer {
  virtualHosts: VirtualHosts
  listener: Listener
  set: AppSet
}

interface Parts {
  host: AppHost
  metrics: Metrics
  source: Source
  cwd: string
  serving: Serving
}

/** @throws APP_NOT_LOADED when none of the apps can be, CONFIG_INVALID, ADDRESS_IN_USE */
export async function openServer({ host, metrics, source: first, cwd, serving }: Parts): Promise<OpenServer> {
  const { settings, log } = serving
  let source = first
  const file = settings.source.kind === 'config' ? settings.source.file : undefined
  const plain = createAppSet(host, async () => {
    const next = await readSource(settings.source, cwd)
    const tcpPort = source.port
    source = next
    if (next.port !== tcpPort) log.event('warn', 'port_ignored', { port: next.port, message: 'it takes a restart' })
    return next
  })
  const set = file === undefined ? { ...plain, canReload: false } : tellOfReloads(plain, file, log)
  metrics.showApps(host)
  if (settings.watchesSources) watchApps(host, () => set.refresh())
  refuseIfAllFailed(await set.apply(source), source, file)

  const { token, enabled = true, listen: adminAddress } = source.admin ?? {}
  const rules = createHostRules([], [])
  const admin = createAdmin({
    host,
    apps: set,
    token,
    isOpenLocally: token === undefined,
    allowsHost: (name) => rules.allowsHost(name) || host.find(name) !== undefined,
    roots: file === undefined ? [cwd] : [dirname(file), cwd],
    configOf: ({ hostname, ...entry }) =>
      readApp({ ...source.defaults, ...entry, hostname: hostname ?? entry.name }, source.directory),
  })
  const virtualHosts = createVirtualHosts({
    apps: host,
    metrics,
    admin: enabled && adminAddress === undefined ? admin : undefined,
    onAnswered(request, status, bytes, ms) {
      metrics.observe('gateway', request.method ?? '', status, ms)
      log.request({ ...describe(request), status, bytes, latencyMs: ms, app: undefined })
    },
  })
  const tcpPort = settings.tcpPort ?? source.port ?? settings.fallbackTcpPort
  const listener = await listenWith(virtualHosts.server, settings.host ?? source.host ?? DEFAULT_HOST, tcpPort)
  const app = settings.source.kind === 'app' ? settings.source.path : 'none'
  log.event('info', 'server_start', { port: listener.tcpPort, app, url: listener.url })
  if (file !== undefined)
    log.event('info', 'multi_app_ready', { app_count: source.apps.length, port: listener.tcpPort })
  if (!enabled || adminAddress === undefined) return { virtualHosts, listener, set }
  const adminListener = await listenForAdmin(admin, adminAddress).catch(async (error: unknown) => {
    await listener.close(0)
    throw error
  })
  log.event('info', 'admin_start', { port: adminListener.tcpPort, url: adminListener.url })
  const close = async (drainMs?: number) => {
    await Promise.all([listener.close(drainMs), adminListener.close(drainMs)])
  }
  return { virtualHosts, listener: { ...listener, close }, set }
}

/** A server of its own for the admin API, so that it can be kept from where the apps are reached. */
function listenForAdmin(admin: ReturnType<typeof createAdmin>, address: number | string): Promise<Listener> {
  const [host, tcpPort] =
    typeof address === 'number' ? [DEFAULT_HOST, address] : [address.replace(/:\d+$/, ''), Number(/\d+$/.exec(address))]
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/admin/')) return void admin(request, response)
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Not found"}')
  })
  return listenWith(server, host.replace(/^\[|\]$/g, ''), tcpPort)
}

function refuseIfAllFailed({ failed: [first, ...others] }: Reloaded, { apps }: Source, file: string | undefined): void {
  if (!first || others.length + 1 < apps.length) return
  if (file !== undefined)
    throw new HyperError('CONFIG_INVALID', 'No apps defined in config', { meta: { reason: 'NoApps', file } })
  const { name, message, location, frame } = first.error
  const where = location === undefined ? '' : ` at ${location}`
  throw new HyperError('APP_NOT_LOADED', `${message}${where}${frame === undefined ? '' : `\n${frame}`}`, {
    meta: { reason: name },
  })
}
