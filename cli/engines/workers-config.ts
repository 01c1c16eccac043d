/**
 * Apps in the terms of `compose/`. Their container sees the project's directory read-only as `/project`, so that what an app imports
 * is there as it is here, but not what this tool keeps in it; an app from elsewhere as `/apps/<name>`, with nothing around it.
 */
import { createHmac } from 'node:crypto'
import { existsSync, statSync } from 'node:fs'
import { dirname, isAbsolute, relative, sep } from 'node:path'
import type { WorkersConfig } from '../../compose/stack.ts'
import type { AppConfig } from '../../server/ports/apps.ts'
import type { Resolved } from '../config.ts'
import {
  appVariables,
  KEY_VARIABLE,
  LINK,
  PROJECT_DIRECTORY,
  secretAppVariables,
  WORKERS_TCP_PORT,
} from '../workers-variables.ts'

const ELSEWHERE = '/apps'

/** Each process may have so much beside twice its heap before it is ended (worker-runtime §12.5). */
const PROCESS_MB = 352
const HOST_MB = 512
const LEAST_MB = 4_096

type Sandbox = Pick<Resolved['config'], 'apps' | 'projectDirectory' | 'isProduction'>

function productionOf({ isProduction }: Sandbox): Record<string, string> {
  return isProduction ? { HYPER_SANDBOX_PRODUCTION: '1' } : {}
}

/** What the gateway is told. */
export function environmentOfApps(sandbox: Sandbox): Record<string, string> {
  if (sandbox.apps.length === 0) return {}
  return { ...LINK, ...appVariables(appsInContainer(sandbox)), ...productionOf(sandbox) }
}

/** The same for nobody else's eyes. */
export function secretsOfApps({ apps }: Sandbox, token: string): Record<string, string> {
  return apps.length === 0 ? {} : { [KEY_VARIABLE]: keyOf(token), ...secretAppVariables(apps) }
}

export function workersConfigOf(sandbox: Resolved['config']): WorkersConfig | undefined {
  const { projectDirectory, stateDirectory, apps, domain, credentials } = sandbox
  if (apps.length === 0) return undefined
  const project = { source: projectDirectory, target: PROJECT_DIRECTORY }
  const elsewhere = placesOf(sandbox).filter(({ isInProject, source }) => !isInProject && existsSync(source))
  const memoryMb = apps.reduce((sum, app) => sum + app.replicas * (PROCESS_MB + 2 * app.memoryMb), HOST_MB)
  return {
    environment: {
      ...LINK,
      HYPER_SANDBOX_PORT: String(WORKERS_TCP_PORT),
      HYPER_SANDBOX_DOMAIN: domain,
      ...productionOf(sandbox),
    },
    secrets: [KEY_VARIABLE, ...(credentials ? ['HYPER_SANDBOX_AUTH_KEY', 'HYPER_SANDBOX_AUTH_SECRET'] : [])],
    mounts: [project, ...elsewhere.map(({ source, target }) => ({ source, target }))],
    hidden: existsSync(stateDirectory) ? [placeIn(project, stateDirectory)] : [],
    user: ownUser(),
    memoryLimit: `${Math.max(LEAST_MB, memoryMb)}m`,
  }
}

/** Nothing else of this machine need be seen. */
export function areAllInProject(sandbox: Sandbox): boolean {
  return placesOf(sandbox).every(({ isInProject }) => isInProject)
}

/** As their container finds them. */
export function appsInContainer(sandbox: Sandbox): AppConfig[] {
  const places = placesOf(sandbox)
  const found = (app: AppConfig, path: string) => {
    const place = places.find((one) => one.app === app.name && one.path === path)
    return place ? placeIn(place, path) : path
  }
  return sandbox.apps.map((app) => ({
    ...app,
    path: found(app, app.path),
    assets: app.assets === undefined ? undefined : found(app, app.assets),
  }))
}

interface Place {
  app: string
  path: string
  isInProject: boolean
  /** The directory that is seen, and where. */
  source: string
  target: string
}

function placesOf({ apps, projectDirectory }: Sandbox): Place[] {
  return apps.flatMap(({ name: app, path, assets }) =>
    [path, ...(assets === undefined ? [] : [assets])].map((one): Place => {
      if (isInside(one, projectDirectory))
        return { app, path: one, isInProject: true, source: projectDirectory, target: PROJECT_DIRECTORY }
      const isFile = statSync(one, { throwIfNoEntry: false })?.isFile() === true
      const target = `${ELSEWHERE}/${app}${one === assets ? '.assets' : ''}`
      return { app, path: one, isInProject: false, source: isFile ? dirname(one) : one, target }
    }),
  )
}

function placeIn({ source, target }: Pick<Place, 'source' | 'target'>, path: string): string {
  const rest = relative(source, path).split(sep).join('/')
  return rest === '' ? target : `${target}/${rest}`
}

function isInside(path: string, directory: string): boolean {
  const rest = relative(directory, path)
  return rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest)
}

/** The sandbox's own, which its two containers come by each start. */
function keyOf(token: string): string {
  return createHmac('sha256', token).update('workers').digest('base64url')
}

/** Who may read these files reads them in the container; elsewhere than on Linux Docker sees to that. */
function ownUser(): string | undefined {
  return process.platform === 'linux' ? `${process.getuid?.()}:${process.getgid?.()}` : undefined
}
