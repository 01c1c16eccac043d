/** How the gateway's container and that of its apps are told of each other, and what to run. */
import type { WorkerHostOptions } from '../adapters/apps/remote/host.ts'
import { HyperError } from '../server/error.ts'
import type { AppConfig } from '../server/ports/apps.ts'
import type { WorkersConfig } from './apps.ts'
import { keptApps } from './kept-apps.ts'

export const KEY_VARIABLE = 'HYPER_SANDBOX_WORKERS_KEY'
/** Where apps are, as the gateway reaches them, and where it answers what they ask of the services. */
const URL_VARIABLE = 'HYPER_SANDBOX_WORKERS_URL'
const GATEWAY_VARIABLE = 'HYPER_SANDBOX_GATEWAY_URL'
const APPS_VARIABLE = 'HYPER_SANDBOX_APPS'
/** Their text bindings, by app: these may be secret. */
const ENV_VARIABLE = 'HYPER_SANDBOX_APPS_ENV'

/** The gateway's TCP port on the host. */
const PUBLISHED_VARIABLE = 'HYPER_SANDBOX_PUBLISHED_PORT'

export const WORKERS_VARIABLES = [
  ...[KEY_VARIABLE, URL_VARIABLE, GATEWAY_VARIABLE, APPS_VARIABLE, ENV_VARIABLE, PUBLISHED_VARIABLE],
] as const

export const WORKERS_TCP_PORT = 6366
/** Where the container of apps sees the project. */
export const PROJECT_DIRECTORY = '/project'

/** Told to both. */
export const LINK = {
  [URL_VARIABLE]: `http://workers:${WORKERS_TCP_PORT}`,
  [GATEWAY_VARIABLE]: 'http://gateway:6365',
} as const

/** For the gateway; nothing when its apps run where it does. */
export function workersOf(env: NodeJS.ProcessEnv): WorkersConfig | undefined {
  const { [URL_VARIABLE]: url, [KEY_VARIABLE]: key, [GATEWAY_VARIABLE]: gatewayUrl } = env
  if (!url || !key || !gatewayUrl) return undefined
  return {
    url,
    key,
    ingressTcpPort: tcpPortOf(gatewayUrl),
    publishedTcpPort: Number(env[PUBLISHED_VARIABLE]),
    directory: PROJECT_DIRECTORY,
    given: givenIn(env),
  }
}

/** For the container of apps. @throws CONFIG_INVALID */
export function workerHostOf(
  env: NodeJS.ProcessEnv,
): Pick<WorkerHostOptions, 'tcpPort' | 'key' | 'gatewayUrl' | 'credentials'> {
  const { [URL_VARIABLE]: url, [KEY_VARIABLE]: key, [GATEWAY_VARIABLE]: gatewayUrl } = env
  const { HYPER_SANDBOX_AUTH_KEY, HYPER_SANDBOX_AUTH_SECRET: secret } = env
  const credentials = HYPER_SANDBOX_AUTH_KEY && secret ? { key: HYPER_SANDBOX_AUTH_KEY, secret } : undefined
  if (url && key && gatewayUrl) return { tcpPort: tcpPortOf(url), key, gatewayUrl, credentials }
  throw new HyperError('CONFIG_INVALID', `${URL_VARIABLE}, ${KEY_VARIABLE} and ${GATEWAY_VARIABLE} are not all set`, {
    hint: 'This is a part of a stack: start it with hyper-sandbox up.',
  })
}

export function appVariables(apps: readonly AppConfig[]): Record<string, string> {
  return { [APPS_VARIABLE]: JSON.stringify(apps.map(({ env, ...rest }) => rest)) }
}

export function secretAppVariables(apps: readonly AppConfig[]): Record<string, string> {
  return { [ENV_VARIABLE]: JSON.stringify(Object.fromEntries(apps.map(({ name, env }) => [name, env]))) }
}

/** Apps that whoever started this container has resolved; those that it was told of since. */
export function appsIn(env: NodeJS.ProcessEnv, stateDirectory: string): AppConfig[] | undefined {
  const { [APPS_VARIABLE]: apps, [ENV_VARIABLE]: envs } = env
  if (!apps) return undefined
  const kept = keptApps(stateDirectory, givenIn(env))
  if (kept) return kept
  const given = JSON.parse(envs || '{}') as Record<string, AppConfig['env']>
  return (JSON.parse(apps) as AppConfig[]).map((app) => ({ ...app, env: given[app.name] ?? {} }))
}

/** The whole of it, to tell it from another's. */
function givenIn({ [APPS_VARIABLE]: apps, [ENV_VARIABLE]: envs }: NodeJS.ProcessEnv): string {
  return `${apps}\0${envs}`
}

function tcpPortOf(url: string): number {
  return Number(new URL(url).port)
}
