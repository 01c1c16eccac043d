/**
 * What will run, from everything that may say so. Precedence, the only place it is written:
 * flag > environment > project file > what this project remembers > default.
 */

import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { z } from 'zod'
import type { ImageSettings, Part } from '../compose/stack.ts'
import type { Credentials } from '../server/credentials.ts'
import { HyperError } from '../server/error.ts'
import type { Certificate } from '../server/http-server.ts'
import { sharedHostname } from '../server/ports/app-entry.ts'
import type { AppConfig } from '../server/ports/apps.ts'
import { isServiceName, type ServiceName } from '../server/services.ts'
import { type Flags, variableOf } from './flags.ts'
import { forwardedHosts } from './forwarded-hosts.ts'
import { findProject, type Project } from './project.ts'
import { domainName, engineName, type ProjectFile, tcpPort } from './project-file.ts'
import { creationOf, type ServiceConfigs } from './service-config.ts'
import { servicesOf } from './service-variables.ts'
import { type Remembered, readRemembered } from './state.ts'
import { didYouMean } from './suggest.ts'
import type { TlsConfig } from './tls.ts'
import { authorityDirectory } from './user-directories.ts'
import type { SandboxConfig } from './wire.ts'
import { appsIn, workersOf } from './workers-variables.ts'

const DEFAULTS = { domain: 'test', engine: 'auto', host: '127.0.0.1', tcpPort: 6363 } as const

const MAX_TCP_PORT = 65_535

/** In the order people are told of them. */
export const KINDS = ['data', 'cache', 'storage', 'search', 'queue'] as const satisfies readonly ServiceName[]

/** A configuration before anything of it runs. */
export interface Resolved {
  project: Project
  /** The one to run on, as far as anyone said so; `auto` is the last one, else what there is. */
  engine: z.infer<typeof engineName>
  /** `listen.tcpPort` is 0 when a free one shall be taken, the project's earlier one if it still is. */
  config: Omit<SandboxConfig, 'token' | 'signingKey' | 'dataDirectory'>
  /** TCP port this project had last, for `listen.tcpPort` 0. */
  lastTcpPort: number | undefined
  ephemeral: boolean
  /** What only the compose engine asks for. */
  stack: {
    images: ImageSettings
    /** Compose files of the user's own, absolute. */
    include: string[]
    /** Reach the parts from this machine too. */
    expose: boolean
  }
  /** What is said of services, also of those that do not run. */
  configured: ServiceConfigs
  /** Services to create in the domain. */
  create: ServiceName[]
  /** Services asked for whose creation takes more than the project file says. */
  uncreated: ServiceName[]
  /** What was read and is not used, a sentence each. */
  notes: string[]
  /** Services to empty in the domain first. */
  purge: ServiceName[]
}

export interface ConfigSource {
  flags: Flags
  env: NodeJS.ProcessEnv
  cwd: string
  /** hyper nano's own form: all services run, flags only create. */
  nano?: boolean
}

/** @throws HyperError USAGE for a flag, CONFIG_INVALID for the environment or the project file, ENGINE_UNAVAILABLE */
export async function resolveConfig(source: ConfigSource): Promise<Resolved> {
  const { flags, env } = source
  const project = findProject(source.cwd, flags.text('config'))
  const notes: string[] = []
  const note = (text: string) => void notes.push(text)
  const written: ProjectFile = project.file === undefined ? {} : await readFile(project.file, env, note)
  const file: ProjectFile = { ...written, services: servicesOf(written, env) }
  const remembered = readRemembered(project.stateDirectory)

  const asked = KINDS.filter((kind) => flags.has(kind))
  const running = runningServices(source, file, asked)
  const services: ServiceConfigs = Object.fromEntries(running.map((kind) => [kind, configOf(file.services?.[kind])]))
  const listenPort = givenTcpPort(flags, env) ?? file.listen?.port ?? remembered.tcpPort ?? DEFAULTS.tcpPort
  const tls = tlsOf(source, file, listenPort, remembered)
  return {
    project,
    engine: checked(flags, 'engine', engineName) ?? file.engine ?? DEFAULTS.engine,
    config: {
      name: file.name ?? project.defaultName,
      projectDirectory: project.directory,
      stateDirectory: project.stateDirectory,
      authorityDirectory: authorityDirectory(env),
      domain: checked(flags, 'domain', domainName) ?? file.domain ?? DEFAULTS.domain,
      services,
      apps: appsIn(env, project.stateDirectory) ?? (await appsOf(file, project, note)),
      workers: workersOf(env),
      listen: {
        host: flags.text('host') ?? file.listen?.host ?? DEFAULTS.host,
        tcpPort: listenPort,
        allowedHosts: [
          ...(listOf(env, 'allowed-hosts') ?? file.listen?.allowed_hosts ?? []),
          ...forwardedHosts(env, listenPort),
          ...forwardedHosts(env, tls?.tcpPort ?? 0),
        ],
        allowedOrigins: listOf(env, 'allowed-origins') ?? file.listen?.allowed_origins ?? [],
        ...(tls ? { tls } : {}),
      },
      ...credentialsOf(env, file),
      isProduction: flags.has('production'),
      inspect: flags.get('inspect'),
      logRequests: flags.has('log-requests') || (file.log_requests ?? false),
    },
    lastTcpPort: remembered.tcpPort,
    ephemeral: flags.has('ephemeral'),
    stack: {
      images: imagesOf(file),
      include: (file.include ?? []).map((path) => includedFile(path, project)),
      expose: flags.has('expose'),
    },
    configured: Object.fromEntries(
      KINDS.flatMap((kind) => (file.services?.[kind] === false ? [] : [[kind, configOf(file.services?.[kind])]])),
    ),
    create: asked.filter((kind) => creationOf(kind, services) !== undefined),
    uncreated: asked.filter((kind) => creationOf(kind, services) === undefined),
    purge: purgeKinds(flags, running),
    notes,
  }
}

/** What the project file says of apps now. @throws CONFIG_INVALID */
export async function readApps(project: Project, env: NodeJS.ProcessEnv): Promise<AppConfig[]> {
  return project.file === undefined ? [] : await appsOf(await readFile(project.file, env), project)
}

/** @throws CONFIG_INVALID for two of one name or of one host */
async function appsOf(
  { apps = [] }: ProjectFile,
  { directory }: Project,
  note?: (text: string) => void,
): Promise<AppConfig[]> {
  if (apps.length === 0) return []
  const { readApp } = await import('./app-config.ts')
  const configs = await Promise.all(apps.map((entry) => readApp(entry, directory, note)))
  const twice = configs.find(({ name }, at) => configs.findIndex((other) => other.name === name) !== at)
  if (twice) {
    throw new HyperError('CONFIG_INVALID', `two apps have the name '${twice.name}'`, {
      hint: 'Give each of apps: a name of its own in hyper-sandbox.yaml.',
    })
  }
  const shared = sharedHostname(configs)
  if (shared) {
    throw new HyperError(
      'CONFIG_INVALID',
      `the apps ${shared.names.join(' and ')} both have the host ${shared.hostname}`,
      {
        hint: 'Give each of apps: a hostname of its own in hyper-sandbox.yaml.',
      },
    )
  }
  return configs
}

function imagesOf({ images = {}, mirror }: ProjectFile): ImageSettings {
  const entries = Object.entries(images).map(([part, given]) => [part, typeof given === 'string' ? [given] : given])
  return { override: Object.fromEntries(entries) as Partial<Record<Part, string[]>>, mirror }
}

function includedFile(path: string, { directory }: Project): string {
  const file = resolve(directory, path)
  if (existsSync(file)) return file
  throw new HyperError('CONFIG_INVALID', `include names ${path}, which does not exist`, {
    hint: `It is looked for from ${directory}.`,
  })
}

/** JSON is NANO's `config.json`. The YAML parser is loaded only where there is something to parse. */
async function readFile(
  file: string,
  env: NodeJS.ProcessEnv,
  note: (text: string) => void = () => {},
): Promise<ProjectFile> {
  if (file.endsWith('.json')) {
    const { readNanoConfig } = await import('./serve/nano-config.ts')
    const { host, port, apps, warnings } = readNanoConfig(file, dirname(file))
    for (const warning of warnings) note(warning)
    return { listen: { host, port }, apps }
  }
  const { readProjectFile } = await import('./read-project-file.ts')
  return await readProjectFile(file, env)
}

/** Flag, its variable, or `PORT`, which hosting platforms and hyper nano know. */
function givenTcpPort(flags: Flags, env: NodeJS.ProcessEnv): number | undefined {
  const given = flags.text('port') ?? env.PORT
  if (given === undefined || given === '') return undefined
  const parsed = tcpPort.safeParse(/^\d+$/.test(given) ? Number(given) : Number.NaN)
  if (parsed.success) return parsed.data
  const message = `must be a number from 0 to 65535, not '${given}'`
  throw flags.has('port')
    ? flags.invalid('port', message)
    : new HyperError('CONFIG_INVALID', `PORT ${message}`, { hint: 'Change or unset PORT.' })
}

/** Variables without flags: a command line is no place for a secret. @throws CONFIG_INVALID for one half without the other */
function credentialsOf(env: NodeJS.ProcessEnv, { auth = {} }: ProjectFile): { credentials?: Credentials } {
  const key = env.HYPER_SANDBOX_AUTH_KEY || auth.key
  const secret = env.HYPER_SANDBOX_AUTH_SECRET || auth.secret
  if (key !== undefined && secret !== undefined) return { credentials: { key, secret } }
  if (key === undefined && secret === undefined) return {}
  const missing = key === undefined ? 'key' : 'secret'
  throw new HyperError('CONFIG_INVALID', `auth has no ${missing}`, {
    hint: `Set auth.${missing} in the project file or its .local.yaml, or ${variableOf(`auth-${missing}`)}.`,
  })
}

/** HTTPS has the TCP port after HTTP's, unless the two were found free together. */
function tlsOf(
  { flags, env }: ConfigSource,
  file: ProjectFile,
  listenPort: number,
  remembered: Remembered,
): TlsConfig | undefined {
  const certificate = pemIn(env) ?? file.listen?.tls ?? (flags.has('tls') ? 'auto' : undefined)
  if (certificate === undefined) return undefined
  const lastTcpPort = remembered.httpsTcpPort
  const isFree = listenPort === 0 || listenPort === MAX_TCP_PORT
  const isLast = listenPort === remembered.tcpPort && lastTcpPort !== undefined
  return { certificate, lastTcpPort, tcpPort: isFree ? 0 : isLast ? lastTcpPort : listenPort + 1 }
}

/** Where there is no file to name: in a container, made by the command line outside. */
function pemIn(env: NodeJS.ProcessEnv): Certificate | undefined {
  const { HYPER_SANDBOX_TLS_CERTIFICATE: cert, HYPER_SANDBOX_TLS_KEY: key } = env
  return cert && key ? { cert, key } : undefined
}

function checked<S extends z.ZodType>(flags: Flags, name: string, schema: S): z.infer<S> | undefined {
  const given = flags.get(name)
  if (given === undefined) return undefined
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  throw flags.invalid(name, `${parsed.error.issues[0]?.message}, not '${given}'`)
}

/** @throws USAGE when a service is asked for that is left out at the same time */
function runningServices({ flags, nano }: ConfigSource, file: ProjectFile, asked: ServiceName[]): ServiceName[] {
  const only = kindList(flags, 'only') ?? (nano || asked.length === 0 ? undefined : asked)
  const exclude = kindList(flags, 'exclude') ?? []
  const running = KINDS.filter((kind) => {
    if (exclude.includes(kind)) return false
    return only ? only.includes(kind) : nano || file.services?.[kind] !== false
  })
  const left = asked.find((kind) => !running.includes(kind))
  if (left) throw flags.invalid(left, 'asks for a service that --only or --exclude leaves out')
  if (running.length === 0)
    throw new HyperError('USAGE', 'no service is left to run', { hint: `Services are ${KINDS.join(', ')}.` })
  return running
}

/** A variable without a flag, as these are settings of a place, not of a run. */
function listOf(env: NodeJS.ProcessEnv, name: string): string[] | undefined {
  const text = env[variableOf(name)]
  return text ? text.split(',').map((entry) => entry.trim()) : undefined
}

function configOf(configured: NonNullable<ProjectFile['services']>[ServiceName]): object {
  if (typeof configured !== 'object') return {}
  if (!('timeout_ms' in configured)) return configured
  const { timeout_ms: timeoutMs, ...others } = configured
  return { ...others, timeoutMs }
}

/** `--purge`: all that run; `--purge=a,b`: these. */
function purgeKinds(flags: Flags, running: ServiceName[]): ServiceName[] {
  if (!flags.has('purge')) return []
  const kinds = kindList(flags, 'purge') ?? running
  const stopped = kinds.find((kind) => !running.includes(kind))
  if (stopped) throw flags.invalid('purge', `names ${stopped}, which does not run`)
  return kinds
}

function kindList(flags: Flags, name: string): ServiceName[] | undefined {
  const list = flags.text(name)
  return list === undefined ? undefined : parseKinds(list, flags.spelled(name))
}

/** `data,cache` as service names. @throws USAGE */
export function parseKinds(list: string, name: string): ServiceName[] {
  return list.split(',').map((entry) => {
    const kind = entry.trim()
    if (isServiceName(kind)) return kind
    throw new HyperError('USAGE', `${name}: there is no service '${kind}'${didYouMean(kind, KINDS)}`, {
      hint: `Services are ${KINDS.join(', ')}; name several as data,cache.`,
    })
  })
}
