/**
 * Workers-style apps (design §9, worker-runtime §§2-9): what an app is configured by, and what hosts it. Unlike a service's, this
 * port is handed raw requests: they pass through, they are not read.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

/** Which addresses an app may call: public ones, all but the metadata services', none, or these hosts alone (`*.example.com`). */
export type Outbound = 'public' | 'all' | 'none' | readonly string[]

/** Concessions to code that was written for NANO (worker-runtime §12.8, §12.9). */
export type Compat = 'sync-body' | 'stateful'

/** One app, with every default filled in. Two are the same version when they are equal and so are their files. */
export interface AppConfig {
  name: string
  /** Lower case, without TCP port and trailing dot; `*.example.com` stands for all below. Several names for one app are allowed. */
  hostnames: readonly string[]
  /** Absolute: a directory with an entry file, or that file. */
  path: string
  env: Readonly<Record<string, string>>
  /** How long an app may hold its thread before it is ended (408). */
  timeoutMs: number
  /** How long a handler may take until its response begins (500). */
  wallMs: number
  /** Of its heap. */
  memoryMb: number
  maxBodyMb: number
  /** Of a response's body; none unless it is set. */
  maxResponseMb: number | undefined
  /** Requests answered at once by one process; others wait, then are refused (503). */
  maxConcurrent: number
  replicas: number
  /** Started by its first request. */
  lazy: boolean
  /** Stopped when nothing was asked of it for so long, until the next request. */
  idleMs: number | undefined
  outbound: Outbound
  /** What an uncaught error says is in the answer, as NANO has it. */
  exposeErrors: boolean
  compat: readonly Compat[]
  compatibilityDate: string
  compatibilityFlags: readonly string[]
  /** Binding name to JSON text, for values that are no text. */
  json: Readonly<Record<string, string>>
  /** Cron expressions (UTC) at which its `scheduled` handler runs. */
  crons: readonly string[]
  /** Binding name to the cache store that keeps its values. */
  kv: Readonly<Record<string, string>>
  /** Binding name to the storage bucket that keeps its objects. */
  r2: Readonly<Record<string, string>>
  /** A debugger may be attached, for which its time stands still. */
  isInspected?: boolean
  /** Absolute directory of files that are served before the app is asked. */
  assets: string | undefined
}

/** Why an app could not be loaded, in NANO's words (worker-runtime §4.1). */
export const LOAD_ERRORS = [
  'FileNotFound',
  'FileReadError',
  'PathTooLong',
  'ScriptTooLarge',
  'CompilationFailed',
  'ExecutionFailed',
  'InvalidExports',
  'MissingFetch',
  'FetchNotFunction',
  'OutOfMemory',
] as const
export type LoadErrorName = (typeof LOAD_ERRORS)[number]

/** For people: one sentence, then where it is, as far as that is known. */
export interface LoadError {
  name: LoadErrorName
  message: string
  /** `file:line:column`, the file relative to the app where it is inside. */
  location?: string | undefined
  /** The lines around it with a marker below. */
  frame?: string | undefined
}

export interface AppStatus {
  name: string
  hostnames: readonly string[]
  path: string
  /** `failed`: no version of it runs; `idle`: it starts with its next request; `broken`: the last version that worked serves on. */
  state: 'starting' | 'running' | 'broken' | 'failed' | 'idle' | 'draining'
  error?: LoadError | undefined
  timeoutMs: number
  memoryMb: number
  /** Absolute paths of the files it was made of. */
  inputs: readonly string[]
  /** Of its processes together. */
  memoryBytes: number
  pids: readonly number[]
  /** Where a debugger is attached to each of its processes, such as `127.0.0.1:39229`. */
  inspectors?: readonly string[]
  /** Counts the versions that served. */
  version: number
  requests: number
  errors: number
  restarts: Readonly<Record<RestartReason, number>>
}

export type RestartReason = 'timeout' | 'memory' | 'crash'

/** What happens to apps, for logs and metrics. */
export interface AppEvents {
  /** A version serves for the first time. */
  loaded(app: string, version: number): void
  failed(app: string, error: LoadError): void
  /** A process was ended or ended itself; `detail` has the figure. */
  restarted(app: string, reason: RestartReason, detail: string): void
  console(app: string, level: string, message: string): void
  /** A request was answered; `status` 0 when the client left before. */
  answered(app: string, request: IncomingMessage, status: number, bytes: number, ms: number): void
}

/** What a set of apps became (worker-runtime §2.2). */
export interface Reloaded {
  added: string[]
  removed: string[]
  changed: string[]
  unchanged: string[]
  failed: { name: string; error: LoadError }[]
  /** Resolves when the removed ones have ended, with how many of their requests were cut then. Never rejects. */
  drained: Promise<readonly { name: string; cut: number }[]>
}

export interface ApplyOptions {
  /** New processes even where nothing has changed: for all, or for these by name. */
  fresh?: boolean | readonly string[]
  /** Name of the app that answers every other host. */
  catchAll?: string | undefined
}

/** Where the services are asked for a binding's values: `<path>kv/<store>/…`, `<path>r2/<bucket>/…`. No app can call it itself. */
export const BINDINGS_PATH = '/_bindings/'

export interface AppHost extends AsyncDisposable {
  /**
   * Makes these the apps that run. A new version answers before the old one is drained; one that does not load changes nothing.
   * Removed apps refuse new requests (503) until the open ones are done.
   */
  apply(apps: readonly AppConfig[], options?: ApplyOptions): Promise<Reloaded>
  status(): AppStatus[]
  /** Whether there is an app of this name. */
  has(app: string): boolean
  /** The app's name for a `Host` header as it came. */
  find(host: string | undefined): string | undefined
  /** Answers a request to the app, whatever becomes of it. */
  handle(app: string, request: IncomingMessage, response: ServerResponse): void
  /** The same for a WebSocket. */
  upgrade(app: string, request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Runs its `scheduled` handler. @throws ROUTE_NOT_FOUND, APP_UNAVAILABLE */
  schedule(app: string, cron: string, scheduledTime: number): Promise<{ outcome: string }>
  /** Lets open requests finish for at most `drainMs`. Safe to repeat. */
  close(drainMs?: number): Promise<void>
}
