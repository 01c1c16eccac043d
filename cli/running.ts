/** What runs in a project, and how another process talks to it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HyperError } from '../server/error.ts'
import type { AppConfig, AppStatus, Reloaded } from '../server/ports/apps.ts'
import type { Emptied } from '../server/purge.ts'
import type { ServiceName } from '../server/services.ts'
import { inspectProject, type Running } from './engines/engine.ts'
import type { ImportRequest, ImportResult } from './import/import-directory.ts'
import { isLocked } from './lock.ts'
import type { Project } from './project.ts'
import { creationOf, type ServiceConfigs } from './service-config.ts'
import { type EmbeddedRun, type Run, readRun, readSecrets, stateFiles } from './state.ts'

const POLL_MS = 25
const ANSWER_MS = 2_000
const WORK_MS = 300_000

/** The process that runs a sandbox, which only the lock proves to live. */
export function inspectProcess(stateDirectory: string): Running<EmbeddedRun> {
  if (!isLocked(stateFiles(stateDirectory).lock)) return { state: 'stopped' }
  const written = readRun(stateDirectory)
  const run = written?.engine === 'embedded' ? written : undefined
  return run?.phase === 'ready' ? { state: 'running', run } : { state: 'starting', run }
}

/** @throws NOT_RUNNING, ENGINE_UNAVAILABLE */
export async function requireRunning(project: Project, env: NodeJS.ProcessEnv): Promise<Run> {
  const { found } = await inspectProject(project, env)
  if (found.state === 'running') return found.run
  throw notRunning(project.directory, found.state)
}

export function notRunning(projectDirectory: string, state: 'stopped' | 'starting'): HyperError {
  const starting = state === 'starting'
  return new HyperError(
    'NOT_RUNNING',
    `the sandbox of ${projectDirectory} is ${starting ? 'still starting' : 'not running'}`,
    { hint: starting ? 'Try: hyper-sandbox wait' : 'Start it with: hyper-sandbox up --detach' },
  )
}

/** Polls until `done` says something. @throws NOT_READY with `message` */
export async function until<T>(
  done: () => Promise<T | undefined> | T | undefined,
  timeoutMs: number,
  late: () => HyperError,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const value = await done()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw late()
    await sleep(POLL_MS)
  }
}

export interface Readiness {
  ok: boolean
  instance: string
  services: Partial<Record<ServiceName, { ok: boolean }>>
}

/** What the sandbox says of itself; nothing when it does not answer, or another one answers at its address. */
export async function readiness(run: Run): Promise<Readiness | undefined> {
  try {
    const response = await fetch(`${run.url}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) })
    const answer = (await response.json()) as Readiness
    // A container that was restarted is another instance at the same address.
    return run.engine === 'compose' || answer.instance === run.instance ? answer : undefined
  } catch {
    return undefined
  }
}

export async function purgeRunning(
  run: Run,
  stateDirectory: string,
  request: { kinds?: readonly ServiceName[] | undefined; domain?: string | undefined; all?: true },
): Promise<Emptied[]> {
  const answer = (await control(run, stateDirectory, '/_sandbox/purge', request, WORK_MS)) as { emptied: Emptied[] }
  return answer.emptied
}

/** @param request its directory is absolute */
export async function importIntoRunning(
  run: Run,
  stateDirectory: string,
  request: ImportRequest,
): Promise<ImportResult> {
  return (await control(run, stateDirectory, '/_sandbox/import', request, WORK_MS)) as ImportResult
}

/** How its apps are; none where it does not say. */
export async function appsInRunning(run: Run, stateDirectory: string): Promise<AppStatus[]> {
  try {
    const response = await fetch(`${run.url}/_sandbox/apps`, {
      headers: { authorization: bearer(stateDirectory) },
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    return response.ok ? ((await response.json()) as { apps: AppStatus[] }).apps : []
  } catch {
    return []
  }
}

/**
 * Makes these the apps that run there.
 *
 * @param fresh names of those that get new processes even where nothing has changed
 */
export async function applyInRunning(
  run: Run,
  stateDirectory: string,
  apps: readonly AppConfig[],
  fresh: readonly string[] = [],
): Promise<Omit<Reloaded, 'drained'>> {
  const answer = await control(run, stateDirectory, '/_sandbox/apps', { apps, fresh }, WORK_MS)
  return answer as Omit<Reloaded, 'drained'>
}

/** Asks it to stop; resolves when it said yes. */
export async function shutdownRunning(run: Run, stateDirectory: string): Promise<void> {
  await control(run, stateDirectory, '/_sandbox/shutdown', {}, ANSWER_MS)
}

/** Creates the services in the domain through the public API, with what the project file says; one that exists is fine. */
export async function createInRunning(
  run: Run,
  { domain, services, stateDirectory }: { domain: string; services: ServiceConfigs; stateDirectory: string },
  kinds: readonly ServiceName[],
): Promise<void> {
  const create = async (kind: ServiceName) => {
    const response = await send(run, `/${kind}/${domain}`, {
      method: 'PUT',
      headers: { authorization: bearer(stateDirectory), 'content-type': 'application/json' },
      body: JSON.stringify(creationOf(kind, services)),
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    if (!response.ok && response.status !== 409) throw await refused(response, `cannot create ${kind} '${domain}'`)
  }
  await Promise.all(kinds.map(create))
}

function bearer(stateDirectory: string): string {
  return `Bearer ${readSecrets(stateDirectory)?.token ?? ''}`
}

async function control(
  run: Run,
  stateDirectory: string,
  path: string,
  body: object,
  timeoutMs: number,
): Promise<unknown> {
  const response = await send(run, path, {
    method: 'POST',
    headers: {
      authorization: bearer(stateDirectory),
      'content-type': 'application/json',
      // An idle connection of ours would hold up the shutdown it asks for.
      connection: 'close',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (!response.ok) throw await refused(response, `${run.url}${path} refused`)
  return await response.json()
}

async function send(run: Run, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`${run.url}${path}`, init)
  } catch (cause) {
    throw new HyperError('BACKEND_UNAVAILABLE', `the sandbox at ${run.url} does not answer`, {
      hint: 'Stop it with: hyper-sandbox down',
      cause,
    })
  }
}

async function refused(response: Response, what: string): Promise<HyperError> {
  const { msg } = (await response.json().catch(() => ({}))) as { msg?: string }
  return new HyperError('INTERNAL', `${what}: ${msg ?? `HTTP ${response.status}`}`)
}
