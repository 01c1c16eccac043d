/** Apps on workerd: one process (or some) per app, each with its own sockets, behind the gateway (worker-runtime §12.11). */

import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { HyperError } from '../../server/error.ts'
import {
  type AppConfig,
  type AppEvents,
  type AppHost,
  BINDINGS_PATH,
  type LoadError,
  type Reloaded,
} from '../../server/ports/apps.ts'
import { createHostTable, type HostTable } from '../../server/ports/hostnames.ts'
import { forward } from './forward.ts'
import { dropHeaders } from './own-headers.ts'
import { isServicePath } from './service-path.ts'
import { upgrade } from './upgrade.ts'
import { CALLER_HEADER, HYPER_HOST, TARGET_HEADER } from './workerd/configuration.ts'
import { createSupervisedApp, type SupervisedApp } from './workerd/supervised-app.ts'
import { strongestTether, type Tether } from './workerd/tether.ts'

export interface WorkerdAppsOptions {
  /** Sockets and modules of running versions; emptied at the start, removed at the end. Short: names of sockets have limits. */
  directory: string
  /** Domain of the hyper services that apps are bound to; absent where there are none. */
  domain: string | undefined
  /** What those services ask for, where they ask for anything. */
  credentials?: { key: string; secret: string } | undefined
  /** How long what is open may take to end when its app is replaced or removed. */
  drainMs: number
  /** The same when all are closed. @default `drainMs` */
  closeMs?: number
  /** Clients are not told why an app cannot be loaded, nor what it throws. */
  isProduction?: boolean
  /** The host of an app that cannot be loaded says why. @default not in production */
  tellsLoadErrors?: boolean
  /** Requests come through a gateway of ours, never from clients. */
  isBehindGateway?: boolean
  events: AppEvents
  /** @default the strongest there is */
  tether?: Tether
  /** Answers from a directory of files, with what it returns; returns nothing where no file is meant. */
  serveAsset?(
    root: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<{ status: number; bytes: number } | undefined>
  /** Answers what apps ask of the hyper services, and below `BINDINGS_PATH` what their bindings do. */
  serve(request: IncomingMessage, response: ServerResponse): void
}

/** More would only wait for each other's processors. */
const STARTS_AT_ONCE = 4

export async function createWorkerdApps(options: WorkerdAppsOptions): Promise<AppHost> {
  const { directory, domain, events, drainMs } = options
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const ingressPath = join(directory, 'in.sock')
  const apps = new Map<string, SupervisedApp>()
  /** Removed, and still answering what they were asked before. */
  const leaving = new Set<SupervisedApp>()
  let table: HostTable = createHostTable([])
  let catchAll: string | undefined
  let processes = 0
  let closing: Promise<void> | undefined
  const { serveAsset = async () => undefined } = options
  const { key, secret } = options.credentials ?? {}
  const userInfo = key && secret ? `${encodeURIComponent(key)}:${encodeURIComponent(secret)}@` : ''

  const ingress = createServer((request, response) => {
    const { [TARGET_HEADER]: target = '', [CALLER_HEADER]: caller = '' } = request.headers
    const [kind, name = ''] = String(target).split(/:(.*)/s)
    if (kind === 'hyper' && isServicePath(request.url ?? '')) return options.serve(request, response)
    if (kind === 'app') {
      dropHeaders(request, [TARGET_HEADER, CALLER_HEADER])
      return host.handle(name, request, response)
    }
    if (kind === 'kv' || kind === 'r2') {
      request.url = `${BINDINGS_PATH}${kind}/${encodeURIComponent(name)}${request.url}`
      return options.serve(request, response)
    }
    if (kind === 'assets') return void findAsset(String(caller), request, response)
    response.writeHead(404).end()
  })
  ingress.listen(ingressPath)
  await once(ingress, 'listening')

  async function findAsset(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const root = appNamed(name)?.config.assets
    if (root === undefined || !(await serveAsset(root, request, response))) response.writeHead(404).end()
  }

  function supervise(config: AppConfig): SupervisedApp {
    return createSupervisedApp(config, {
      drainMs,
      isPassedOn: options.isBehindGateway,
      plan: (app, bundle) => {
        processes += 1
        return {
          app: options.isProduction ? { ...app, exposeErrors: false } : app,
          bundle,
          directory: join(directory, String(processes)),
          ingress: ingressPath,
          hyper: domain === undefined ? undefined : `http://${userInfo}${HYPER_HOST}/${domain}`,
          others: [...apps.keys()].filter((name) => name !== app.name),
          tether: options.tether ?? strongestTether,
        }
      },
      tellsErrors: options.tellsLoadErrors ?? options.isProduction !== true,
      isProduction: options.isProduction === true,
      onLoaded: (version) => events.loaded(config.name, version),
      onFailed: (error) => events.failed(config.name, error),
      onConsole: ({ level, message }) => events.console(config.name, level, message),
      onRestart: (reason, detail) => events.restarted(config.name, reason, detail),
    })
  }

  function route(): void {
    const configs = (of: Iterable<SupervisedApp>) => Array.from(of, ({ config }) => config)
    table = createHostTable(configs(apps.values()), configs(leaving), catchAll)
  }

  function appNamed(name: string): SupervisedApp | undefined {
    return apps.get(name) ?? [...leaving].find(({ config }) => config.name === name)
  }

  async function leave(app: SupervisedApp): Promise<{ name: string; cut: number }> {
    const cut = await app.drain(drainMs)
    leaving.delete(app)
    route()
    return { name: app.config.name, cut }
  }

  const host: AppHost = {
    async apply(configs, { fresh = false, ...others } = {}) {
      const wanted = new Set(configs.map(({ name }) => name))
      const removed = [...apps.values()].filter(({ config }) => !wanted.has(config.name))
      const result: Omit<Reloaded, 'drained'> = {
        added: [],
        removed: removed.map(({ config }) => config.name),
        changed: [],
        unchanged: [],
        failed: [],
      }
      const known = new Set(apps.keys())
      for (const config of configs) if (!known.has(config.name)) apps.set(config.name, supervise(config))
      const waiting = configs.values()
      const updateRest = async () => {
        for (const config of waiting) {
          const isFresh = typeof fresh === 'boolean' ? fresh : fresh.includes(config.name)
          const came = await apps.get(config.name)?.update(config, { fresh: isFresh })
          if (typeof came === 'object') result.failed.push({ name: config.name, error: came as LoadError })
          else if (!known.has(config.name)) result.added.push(config.name)
          else if (came) result[came].push(config.name)
        }
      }
      await Promise.all(Array.from({ length: STARTS_AT_ONCE }, updateRest))
      for (const app of removed) {
        apps.delete(app.config.name)
        leaving.add(app)
      }
      catchAll = others.catchAll
      route()
      return { ...result, drained: Promise.all(removed.map(leave)) }
    },
    status: () => [...apps.values(), ...leaving].map((app) => app.status()),
    has: (name) => appNamed(name) !== undefined,
    find: (name) => table.find(name),
    handle(name, request, response) {
      const app = appNamed(name)
      if (!app) return void response.writeHead(404).end()
      const startedAt = performance.now()
      const answered = (status: number, bytes: number) => {
        app.count(status >= 400)
        events.answered(name, request, status, bytes, performance.now() - startedAt)
      }
      const { assets } = app.config
      if (assets === undefined) return forward(app, request, response, answered)
      void serveAsset(assets, request, response).then((served) => {
        if (served) answered(served.status, served.bytes)
        else forward(app, request, response, answered)
      })
    },
    upgrade(name, request, socket, head) {
      const app = appNamed(name)
      if (app) upgrade(app, request, socket, head)
      else socket.destroy()
    },
    async schedule(name, cron, scheduledTime) {
      const replica = await apps.get(name)?.pick()
      if (!replica) throw new HyperError('BACKEND_UNAVAILABLE', `the app ${name} does not run`)
      const { statusCode, json } = await replica.control('/scheduled', { cron, scheduledTime })
      if (statusCode === 404) throw new HyperError('ROUTE_NOT_FOUND', `the app ${name} has no scheduled handler`)
      return json as { outcome: string }
    },
    close(limitMs = options.closeMs ?? drainMs) {
      closing ??= (async () => {
        await Promise.all([...apps.values(), ...leaving].map((app) => app.drain(limitMs)))
        ingress.close()
        ingress.closeAllConnections()
        rmSync(directory, { recursive: true, force: true })
      })()
      return closing
    },
    async [Symbol.asyncDispose]() {
      await host.close()
    },
  }
  return host
}
