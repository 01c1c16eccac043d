/** The sandbox from code: `createSandbox()` for tests and scripts, and hyper nano's `main()` (hyper-api §10.2). */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pino } from 'pino'
import { HyperError } from '../server/error.ts'
import { purge } from '../server/purge.ts'
import { isServiceName, SERVICE_NAMES, type ServiceName, type Services } from '../server/services.ts'
import { cloudConnectionString, connectionString } from './connection-string.ts'
import { createServices } from './create-services.ts'
import type { QueueConfig, SearchConfig, ServiceConfig, ServiceConfigs } from './service-config.ts'
import { authorityDirectory } from './user-directories.ts'
import { type RunningSandbox, type SecureAddress, startSandbox } from './wire.ts'

export interface CreateSandboxOptions {
  /**
   * Which services run, and are created in the domain: search only with `{ fields }`, queue only with `{ target }`.
   * `{ adapter }` plugs in another one. @default all
   */
  services?: readonly ServiceName[] | { [S in ServiceName]?: boolean | NonNullable<ServiceConfigs[S]> }
  /** @default 'test' */
  domain?: string
  /** 0 takes a free one. @default 0 */
  port?: number
  /** @default '127.0.0.1' */
  host?: string
  /** Where data is kept. @default a temporary directory, removed by `close` */
  directory?: string
  allowedHosts?: string[]
  allowedOrigins?: string[]
  /** HTTPS too, on a free TCP port: `auto` takes a certificate of this user's own authority. @default none */
  tls?: 'auto' | { cert: string; key: string }
  /** hyper's API asks for the tokens that hyper-connect makes of these. @default it asks for none */
  auth?: { key: string; secret: string }
}

export interface Sandbox extends AsyncDisposable {
  /** Such as `http://127.0.0.1:49152`. */
  url: string
  /** What hyper-connect takes: the url with the domain, and with the credentials of `auth`. */
  connectionString: string
  domain: string
  /** Present with `tls`. */
  https?: {
    /** Such as `https://127.0.0.1:49153`. */
    url: string
    /** hyper-connect's cloud form: `cloud://127.0.0.1:49153/test`. */
    connectionString: string
    /** PEM file that clients have to trust, such as by NODE_EXTRA_CA_CERTS; absent with a certificate of your own. */
    authorityFile?: string
  }
  /** Finishes open requests, closes, removes temporary data. Safe to repeat. */
  close(): Promise<void>
}

/**
 * Starts a sandbox in this process and creates its services in the domain.
 *
 *     await using sandbox = await createSandbox({ services: ['data', 'cache'] })
 *     const { data } = connect(sandbox.connectionString)
 *
 * @throws HyperError USAGE for a service that does not exist, ADDRESS_IN_USE
 */
export async function createSandbox(options: CreateSandboxOptions = {}): Promise<Sandbox> {
  const configs = chosenServices(options.services)
  return start(options, configs, (services, domain) => createServices(services, domain, configs))
}

/** @param prepare what to do before the sandbox is handed out; when it fails, everything is closed again */
async function start(
  options: Omit<CreateSandboxOptions, 'services'>,
  services: ServiceConfigs,
  prepare: (services: Services, domain: string) => Promise<void>,
): Promise<Sandbox> {
  const domain = options.domain ?? 'test'
  const temporary = options.directory === undefined
  const directory = options.directory ? resolve(options.directory) : await mkdtemp(join(tmpdir(), 'hyper-sandbox-'))
  let running: RunningSandbox | undefined
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= (async () => {
      await running?.close()
      if (temporary) await rm(directory, { recursive: true, force: true })
    })()
    return closing
  }
  try {
    await mkdir(directory, { recursive: true })
    running = await startSandbox(
      {
        name: domain,
        projectDirectory: process.cwd(),
        stateDirectory: directory,
        authorityDirectory: authorityDirectory(process.env),
        dataDirectory: directory,
        domain,
        services,
        apps: [],
        listen: {
          host: options.host ?? '127.0.0.1',
          tcpPort: options.port ?? 0,
          allowedHosts: options.allowedHosts ?? [],
          allowedOrigins: options.allowedOrigins ?? [],
          ...(options.tls ? { tls: { tcpPort: 0, certificate: options.tls } } : {}),
        },
        ...(options.auth ? { credentials: options.auth } : {}),
        logRequests: false,
        token: randomBytes(24).toString('base64url'),
        signingKey: randomBytes(32).toString('base64url'),
      },
      { logger: pino({ level: 'silent' }), prepare: (opened) => prepare(opened, domain) },
    )
  } catch (error) {
    await close()
    throw error
  }
  return {
    url: running.url,
    connectionString: connectionString(running.url, domain, options.auth),
    domain,
    ...(running.https ? { https: secureAddress(running.https, domain, options.auth) } : {}),
    close,
    [Symbol.asyncDispose]: close,
  }
}

function secureAddress(
  { url, authorityFile }: SecureAddress,
  domain: string,
  auth: CreateSandboxOptions['auth'],
): NonNullable<Sandbox['https']> {
  return {
    url,
    connectionString: cloudConnectionString(url, domain, auth),
    ...(authorityFile === undefined ? {} : { authorityFile }),
  }
}

export interface MainOptions {
  /** @default 'test' */
  domain?: string
  /** Kinds to look at, in this order; those that are true are created in the domain. */
  services?: Partial<Record<ServiceName, boolean>>
  /** Which of the kinds named in `services` to empty first. */
  purge?: Partial<Record<ServiceName, boolean>>
  /** Accepted; hyper nano demanded it. */
  experimental?: boolean
  /** @default the environment's PORT, else 6363 */
  port?: number
  /** Where data is kept. @default `.hyper-sandbox/data` here */
  directory?: string
}

/** hyper nano's `main`: all services run; the options only create and empty. Unlike nano's it can be closed. */
export async function main(options: MainOptions = {}): Promise<Sandbox> {
  const { services = {}, purge: purged = {} } = options
  return start(
    {
      domain: options.domain ?? 'test',
      port: options.port ?? Number.parseInt(process.env.PORT ?? '6363', 10),
      directory: options.directory ?? join('.hyper-sandbox', 'data'),
    },
    chosenServices(undefined),
    async (opened, domain) => {
      for (const [kind, create] of Object.entries(services) as [ServiceName, boolean][]) {
        if (purged[kind]) await purge(opened, { kinds: [kind], domain })
        if (create) await createServices(opened, domain, {}, [kind])
      }
    },
  )
}

function chosenServices(chosen: CreateSandboxOptions['services'] = SERVICE_NAMES): ServiceConfigs {
  const entries: [string, boolean | ServiceConfig | SearchConfig | QueueConfig][] = Array.isArray(chosen)
    ? chosen.map((name) => [name, true])
    : Object.entries(chosen)
  const services: ServiceConfigs = {}
  for (const [name, config] of entries) {
    if (!isServiceName(name)) {
      throw new HyperError('USAGE', `there is no service '${name}'`, {
        hint: `Choose from: ${SERVICE_NAMES.join(', ')}.`,
      })
    }
    if (config !== false) services[name] = config === true ? {} : config
  }
  return services
}
