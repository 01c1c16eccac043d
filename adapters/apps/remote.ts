/** Apps in another container: requests are passed on to their host there, which keeps to what is applied here (design §3). */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import type { AppConfig, AppEvents, AppHost, ApplyOptions, AppStatus, Reloaded } from '../../server/ports/apps.ts'
import { createHostTable } from '../../server/ports/hostnames.ts'
import { type ForwardTarget, forward } from './forward.ts'
import { APP_HEADER, dropHeaders, KEY_HEADER, keyCheck } from './own-headers.ts'
import { type Line, STATUS_MS } from './remote/event-stream.ts'
import { createPassage } from './remote/passage.ts'
import type { Applied } from './remote/server.ts'
import { upgrade } from './upgrade.ts'
import type { Upstream } from './upstream.ts'

/** Requests wait so long for a host that is not there, which may be starting again; a change of the apps a little longer. */
const PATIENCE_MS = 2_000
const CHANGE_PATIENCE_MS = 10_000
const RETRY_MS = 100
/** It tells how it is more often. */
const SILENCE_MS = 5 * STATUS_MS

export interface RemoteAppsOptions {
  /** Of the other container, such as `http://workers:6366`. */
  url: string
  /** Known to both alone. */
  key: string
  /** TCP port on which the other container brings what its apps ask of the services. */
  ingressTcpPort: number
  events: AppEvents
  /** Answers that. */
  serve(request: IncomingMessage, response: ServerResponse): void
}

export async function createRemoteApps({
  url,
  key,
  ingressTcpPort,
  events,
  serve,
}: RemoteAppsOptions): Promise<AppHost> {
  const passage = createPassage(url, key)
  let configs: readonly AppConfig[] = []
  let options: ApplyOptions = {}
  /** Removed, and still answering there what they were asked before. */
  let leaving: AppConfig[] = []
  let targets = new Map<string, ForwardTarget>()
  let table = createHostTable([])
  let statuses: readonly AppStatus[] = []
  let linked = Promise.withResolvers<void>()
  let isLinked = false
  let isClosed = false

  const hasKey = keyCheck(key)
  const ingress = createServer((request, response) => {
    if (!hasKey(request)) return void response.writeHead(403).end()
    dropHeaders(request, [KEY_HEADER])
    serve(request, response)
  })
  ingress.listen(ingressTcpPort)
  await once(ingress, 'listening')
  void keepLinked()

  /** As long as we live: whoever comes back there is told again what to run. */
  async function keepLinked(): Promise<void> {
    while (!isClosed) {
      try {
        for await (const line of passage.ask('/events', { silenceMs: SILENCE_MS })) {
          if (!isLinked) await link()
          hear(line as Line)
        }
      } catch {
        // It is asked again.
      }
      if (isLinked) linked = Promise.withResolvers()
      isLinked = false
      await sleep(RETRY_MS, undefined, { ref: false })
    }
  }

  async function link(): Promise<void> {
    if (configs.length > 0) await applyThere(configs, options)
    isLinked = true
    linked.resolve()
  }

  function hear([name, ...args]: Line): void {
    if (name === 'status') statuses = args[0] as readonly AppStatus[]
    else (events[name] as (...all: unknown[]) => void)(...args)
  }

  async function applyThere(apps: readonly AppConfig[], options: ApplyOptions): Promise<Reloaded> {
    const answer = passage.ask('/apply', { body: { apps, options } })[Symbol.asyncIterator]()
    const { value } = await answer.next()
    const { status, ...reloaded } = value as Applied
    statuses = status
    const drained = answer.next().then(
      ({ value }) => value as Awaited<Reloaded['drained']>,
      () => [],
    )
    return { ...reloaded, drained }
  }

  function route(): void {
    table = createHostTable(configs, leaving, options.catchAll)
    targets = new Map([...leaving, ...configs].map((config) => [config.name, targetOf(config)]))
  }

  function targetOf({ name, maxBodyMb }: AppConfig): ForwardTarget {
    const upstream: Upstream = passage.upstream([APP_HEADER, name])
    return {
      pick: () => (isLinked ? upstream : within(PATIENCE_MS).then((came) => (came ? upstream : undefined))),
      // What is too large goes no further; all else is for the host there to judge.
      config: { maxBodyMb, maxConcurrent: Number.POSITIVE_INFINITY },
      isDraining: false,
    }
  }

  async function within(ms: number): Promise<boolean> {
    return await Promise.race([linked.promise.then(() => true), sleep(ms, false, { ref: false })])
  }

  const host: AppHost = {
    async apply(apps, asked = {}) {
      const before = { configs, options }
      configs = apps
      options = { catchAll: asked.catchAll }
      if (!isLinked) {
        route()
        if (!(await within(CHANGE_PATIENCE_MS)))
          throw new HyperError('BACKEND_UNAVAILABLE', `the host of apps at ${url} does not answer`)
      }
      try {
        const reloaded = await applyThere(apps, asked)
        const left = before.configs.filter(({ name }) => reloaded.removed.includes(name))
        leaving.push(...left)
        void reloaded.drained.then(() => {
          leaving = leaving.filter((app) => !left.includes(app))
          route()
        })
        return reloaded
      } catch (cause) {
        configs = before.configs
        options = before.options
        throw new HyperError('BACKEND_UNAVAILABLE', `the host of apps refuses: ${(cause as Error).message}`, { cause })
      } finally {
        route()
      }
    },
    status: () => configs.map((config) => statuses.find(({ name }) => name === config.name) ?? unknown(config)),
    has: (name) => configs.some((config) => config.name === name),
    find: (name) => table.find(name),
    handle(name, request, response) {
      const target = targets.get(name)
      if (!target) return void response.writeHead(404).end()
      const startedAt = performance.now()
      forward(target, request, response, (status, bytes) =>
        events.answered(name, request, status, bytes, performance.now() - startedAt),
      )
    },
    upgrade(name, request, socket, head) {
      const target = targets.get(name)
      if (target) upgrade(target, request, socket, head)
      else socket.destroy()
    },
    async schedule(app, cron, scheduledTime) {
      try {
        const answer = passage.ask('/schedule', { body: { app, cron, scheduledTime } })[Symbol.asyncIterator]()
        return (await answer.next()).value as { outcome: string }
      } catch (cause) {
        throw new HyperError('BACKEND_UNAVAILABLE', (cause as Error).message, { cause })
      }
    },
    /** The apps run on there; what still is answered is the listener's to wait for. */
    async close() {
      isClosed = true
      ingress.close()
      ingress.closeAllConnections()
      await passage.close()
    },
    async [Symbol.asyncDispose]() {
      await host.close()
    },
  }
  return host
}

/** Before its host has told of it. */
function unknown({ name, hostnames, path, timeoutMs, memoryMb }: AppConfig): AppStatus {
  return {
    ...{ name, hostnames, path, timeoutMs, memoryMb },
    state: 'starting',
    inputs: [],
    memoryBytes: 0,
    pids: [],
    version: 0,
    requests: 0,
    errors: 0,
    restarts: { timeout: 0, memory: 0, crash: 0 },
  }
}
