/** A host of apps in this process, behind a real gateway on a free port; the apps' files are in temporary directories. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { Agent, fetch, type Headers, type RequestInit, type Response } from 'undici'
import { createWorkerdApps, type WorkerdAppsOptions } from '../../adapters/apps/workerd.ts'
import { buildApp } from '../../server/app.ts'
import { createAppSet } from '../../server/app-set.ts'
import { type AppEntry, appConfigOf, appEntry } from '../../server/ports/app-entry.ts'
import type { AppConfig, AppHost, LoadError, Reloaded, RestartReason } from '../../server/ports/apps.ts'
import type { Services } from '../../server/services.ts'
import { listen } from '../../server/start.ts'

/** Its entry of `apps:`, with files in place of a path. A text alone is its `index.js`. */
export type TestApp =
  | string
  | (Partial<Omit<AppEntry, 'name'>> & { files?: Readonly<Record<string, string | Uint8Array>> })

export interface TestHostOptions {
  services?: Services
  /** Needed for `env.HYPER`. */
  domain?: string
  drainMs?: number
  /** What else `createWorkerdApps` takes. */
  host?: Partial<WorkerdAppsOptions>
  token?: string
}

export interface Told {
  loaded: { app: string; version: number }[]
  failed: { app: string; error: LoadError }[]
  restarted: { app: string; reason: RestartReason; detail: string }[]
  console: { app: string; level: string; message: string }[]
  answered: { app: string; status: number; bytes: number; ms: number }[]
}

/** An answer that was read whole. */
export interface Answer {
  status: number
  headers: Headers
  text: string
}

export class TestAppHost implements AsyncDisposable {
  readonly directory: string
  readonly host: AppHost
  /** Of the gateway, without a slash at the end. */
  readonly url: string
  /** What the host said, in order. */
  readonly told: Told
  readonly #close: () => Promise<void>
  readonly #everythingHere: Agent

  constructor(parts: { directory: string; host: AppHost; url: string; told: Told; close: () => Promise<void> }) {
    this.directory = parts.directory
    this.host = parts.host
    this.url = parts.url
    this.told = parts.told
    this.#close = parts.close
    this.#everythingHere = new Agent({
      connect: { lookup: (_name, _options, done) => done(null, [{ address: '127.0.0.1', family: 4 }]) },
    })
  }

  /** Makes these the apps that run, each at `<name>.localhost` unless it says otherwise. */
  apply(apps: Readonly<Record<string, TestApp>>, options: { fresh?: boolean } = {}): Promise<Reloaded> {
    return this.host.apply(
      Object.entries(apps).map(([name, app]) => this.write(name, app)),
      options,
    )
  }

  /** Writes the files of an app without loading it. */
  write(name: string, app: TestApp): AppConfig {
    const { files, path = `./${name}`, ...rest } = typeof app === 'string' ? { files: { 'index.js': app } } : app
    for (const [file, content] of Object.entries(files ?? {})) {
      const target = join(this.directory, name, file)
      mkdirSync(dirname(target), { recursive: true })
      writeFileSync(target, content)
    }
    return appConfigOf(appEntry.parse({ name, path, ...rest }), this.directory)
  }

  /** Of its apps, the old versions' too. Linux; elsewhere none are found. */
  processes(): number[] {
    return processesOf(this.directory)
  }

  /** @param app its name, or a host name with a dot. Redirects are not followed. */
  fetch(app: string, path = '/', init: RequestInit = {}): Promise<Response> {
    const { port } = new URL(this.url)
    const hostname = app.includes('.') ? app : `${app}.localhost`
    const dispatcher = this.#everythingHere
    return fetch(`http://${hostname}:${port}${path}`, { redirect: 'manual', dispatcher, ...init })
  }

  async get(app: string, path = '/', init: RequestInit = {}): Promise<Answer> {
    const response = await this.fetch(app, path, init)
    return { status: response.status, headers: response.headers, text: await response.text() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#everythingHere.destroy()
    await this.#close()
    const left = processesOf(this.directory)
    for (const pid of left) process.kill(pid, 'SIGKILL')
    rmSync(this.directory, { recursive: true, force: true })
    assert.deepEqual(left, [], 'processes were left')
  }
}

export async function startAppHost(
  apps: Readonly<Record<string, TestApp>> = {},
  { services = {}, domain, drainMs = 2_000, host: more = {}, token }: TestHostOptions = {},
): Promise<TestAppHost> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'hyper-apps-')))
  const told: Told = { loaded: [], failed: [], restarted: [], console: [], answered: [] }
  const host = await createWorkerdApps({
    directory: join(directory, '.run'),
    domain,
    drainMs,
    events: {
      loaded: (app, version) => told.loaded.push({ app, version }),
      failed: (app, error) => told.failed.push({ app, error }),
      restarted: (app, reason, detail) => told.restarted.push({ app, reason, detail }),
      console: (app, level, message) => told.console.push({ app, level, message }),
      answered: (app, _request, status, bytes, ms) => told.answered.push({ app, status, bytes, ms }),
    },
    serve(request, response) {
      request.headers.host = address
      gateway.routing(request, response)
    },
    ...more,
  })
  const gateway = buildApp({
    services,
    apps: host,
    admin: {
      host,
      apps: createAppSet(host),
      roots: [directory],
      configOf: async (entry) => appConfigOf(entry, directory),
    },
    instance: 'test',
    version: '0',
    logger: pino({ level: 'silent' }),
    ...(token === undefined ? {} : { token }),
  })
  const listener = await listen(gateway, '127.0.0.1', 0)
  const { host: address } = new URL(listener.url)
  const close = async () => {
    await listener.close()
    await host.close()
    for (const service of Object.values(services)) await service.close()
  }
  const started = new TestAppHost({ directory, host, url: listener.url, told, close })
  try {
    await started.apply(apps)
  } catch (error) {
    await started[Symbol.asyncDispose]()
    throw error
  }
  return started
}

/** Living processes whose command line names something in the directory. Linux; elsewhere none are found. */
function processesOf(directory: string): number[] {
  return namesIn('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => textOf(`/proc/${pid}/cmdline`).includes(directory))
    .filter((pid) => !/^State:\s+Z/m.test(textOf(`/proc/${pid}/status`)))
    .map(Number)
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
