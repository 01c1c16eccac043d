/**
 * What the verbs ask of an engine. Everything that differs between a process of our own and containers is behind this, so that no
 * verb knows which one it talks to; what both do over HTTP (`running.ts`) is not.
 */
import type { Emptied } from '../../server/purge.ts'
import type { ServiceName } from '../../server/services.ts'
import type { Context } from '../command.ts'
import type { Resolved } from '../config.ts'
import type { ImportRequest, ImportResult } from '../import/import-directory.ts'
import type { ImportReport } from '../import/report.ts'
import type { Project } from '../project.ts'
import { type EngineName, type Run, readRemembered, readRun } from '../state.ts'

/** `starting`: at work, not answering yet. A run is what was written down; that it lives is the engine's word. */
export type Running<R extends Run = Run> =
  | { state: 'stopped' }
  | { state: 'starting'; run: R | undefined }
  | { state: 'running'; run: R }

export interface UpOptions {
  timeoutMs: number
  /** hyper nano's own form. */
  nano: boolean
}

export interface Stopped {
  /** Such as `stopped process 123`. */
  text: string
  /** The same for machines. */
  facts: { pid?: number; forced?: boolean; containers?: number; volumes?: number }
}

/** One service, or a part of the engine that is none, as `status` shows it. */
export interface PartStatus {
  part: string
  services: ServiceName[]
  state: string
  health?: string | undefined
  version?: string | undefined
  image?: string | undefined
  address?: string | undefined
  /** Bytes. */
  memory?: number | undefined
  memoryLimit?: number | undefined
  /** Percent of one processor. */
  cpu?: number | undefined
}

export interface LogRequest {
  services: readonly string[]
  /** Only what is of apps: of these, or of all when none is named. */
  apps?: readonly string[]
  follow: boolean
  tail: number
  /** Unix time in milliseconds. */
  since: number | undefined
}

export interface Engine {
  readonly name: EngineName
  /** What runs of the project. @throws ENGINE_UNAVAILABLE where that cannot be known */
  inspect(project: Project): Promise<Running>
  /** Brings what a start takes onto this machine; resolves with how many things. @throws ENGINE_UNAVAILABLE with `meta.reason` 'images' */
  pull(context: Context, resolved: Resolved, options: { always: boolean }): Promise<number>
  /** Starts it, or reports what runs already; resolves with the exit code, in the foreground when it has ended. */
  up(context: Context, resolved: Resolved, options: UpOptions): Promise<number>
  /** Nothing when nothing ran. With `volumes` also removes what it keeps outside the state directory. */
  down(project: Project, options: { volumes: boolean; timeoutMs: number }): Promise<Stopped | undefined>
  /** Again as before, at the same address; resolves with the exit code. */
  restart(
    context: Context,
    project: Project,
    options: { services: readonly ServiceName[]; timeoutMs: number },
  ): Promise<number>
  /** Its parts in detail; nothing where a service is no part of its own. */
  parts(project: Project, run: Run | undefined): Promise<PartStatus[]>
  /** Resolves with the exit code. */
  logs(context: Context, project: Project, request: LogRequest): Promise<number>
  /**
   * Makes what the configuration says of apps what runs; resolves when each runs, or could not be loaded.
   *
   * @param fresh names of those that get new processes even where nothing has changed
   */
  applyApps(context: Context, resolved: Resolved, run: Run, fresh: readonly string[]): Promise<void>
  /** Empties services while nothing runs. @throws NOT_RUNNING where that takes a running one */
  purgeStopped(
    resolved: Resolved,
    kinds: readonly ServiceName[] | undefined,
    domain: string | undefined,
  ): Promise<Emptied[]>
  /** Brings in what hyper nano kept. @throws USAGE where it cannot */
  importInto(resolved: Resolved, request: ImportRequest, report: ImportReport): Promise<ImportResult>
}

/** Only the engine that is used is loaded. */
export async function engineNamed(name: EngineName, env: NodeJS.ProcessEnv): Promise<Engine> {
  if (name === 'compose') return (await import('./compose.ts')).createCompose(env)
  return (await import('./embedded.ts')).embedded
}

/** The engine of what runs here; of what ran last, where nothing does. */
export async function engineOf({ stateDirectory }: Project, env: NodeJS.ProcessEnv): Promise<Engine> {
  return engineNamed(readRun(stateDirectory)?.engine ?? readRemembered(stateDirectory).engine ?? 'embedded', env)
}

export async function inspectProject(
  project: Project,
  env: NodeJS.ProcessEnv,
): Promise<{ engine: Engine; found: Running }> {
  const engine = await engineOf(project, env)
  return { engine, found: await engine.inspect(project) }
}
