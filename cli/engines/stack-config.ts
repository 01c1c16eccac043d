/** A sandbox in the terms of `compose/`: what its containers are to be. */
import { checkFree, freeTcpPort } from '../../compose/listen-address.ts'
import type { StackConfig } from '../../compose/stack.ts'
import { HyperError } from '../../server/error.ts'
import type { ServiceName } from '../../server/services.ts'
import { authorityIn } from '../authority.ts'
import type { Resolved } from '../config.ts'
import type { Project } from '../project.ts'
import type { ServiceConfigs } from '../service-config.ts'
import { serviceVariable } from '../service-variables.ts'
import { type ComposeRun, keepPartSecrets, readRemembered, readRun } from '../state.ts'
import { certifiedNames, tlsIdentity } from '../tls.ts'
import { VERSION } from '../version.ts'
import { certificateInEnvFile, passwordsInEnvFile } from './compose-secrets.ts'
import { mayStay } from './kept-certificate.ts'
import { environmentOfApps, secretsOfApps, workersConfigOf } from './workers-config.ts'

/** Data that goes at the end never shares a volume with data that stays. */
const EPHEMERAL = '-ephemeral'

/** Members that only containers may see. */
const SECRET_MEMBERS = ['key', 'secretKey']

/** Settings of how jobs are sent, which the gateway has to know; what creates a queue or an index is sent over HTTP. */
const QUEUE_MEMBERS = { concurrency: 'concurrency', attempts: 'attempts', timeoutMs: 'timeout_ms' } as const

function stackNameOf({ config, ephemeral }: Pick<Resolved, 'config' | 'ephemeral'>): string {
  return ephemeral ? `${config.name}${EPHEMERAL}` : config.name
}

export function isEphemeral(stackName: string): boolean {
  return stackName.endsWith(EPHEMERAL)
}

/** @throws CONFIG_INVALID for what containers cannot have */
export async function stackConfigOf(resolved: Resolved): Promise<{
  config: StackConfig
  /** PEM file of the authority that clients have to trust, where it is ours. */
  authorityFile: string | undefined
}> {
  const { stateDirectory, credentials, services } = resolved.config
  const { authorityFile, variables: certificate } = await certificateOf(resolved)
  const { parts, token, signingKey } = keepPartSecrets(stateDirectory, credentials, () =>
    passwordsInEnvFile(stateDirectory),
  )
  const gateway = {
    HYPER_SANDBOX_TOKEN: token,
    HYPER_SANDBOX_SIGNING_KEY: signingKey,
    ...(credentials ? { HYPER_SANDBOX_AUTH_KEY: credentials.key, HYPER_SANDBOX_AUTH_SECRET: credentials.secret } : {}),
    ...keysOf(services),
    ...certificate,
    ...secretsOfApps(resolved.config, token),
  }
  const described = withoutSecrets(resolved)
  const listen = { ...described.listen, httpsTcpPort: await httpsTcpPortOf(resolved) }
  return { config: { ...described, listen, secrets: { ...parts, gateway } }, authorityFile }
}

/** A free one keeps to what it was, as long as that is free or its own. */
async function httpsTcpPortOf({ config }: Resolved): Promise<number | undefined> {
  const { host, tls } = config.listen
  if (tls?.tcpPort !== 0) return tls?.tcpPort
  const { lastTcpPort } = tls
  const own = readRun(config.stateDirectory)?.https?.tcpPort
  const isFree = async (tcpPort: number) =>
    await checkFree(host, tcpPort).then(
      () => true,
      () => false,
    )
  const mayStay = lastTcpPort !== undefined && (lastTcpPort === own || (await isFree(lastTcpPort)))
  return mayStay ? lastTcpPort : await freeTcpPort(host)
}

/** The same without what is secret: every name of a secret is there, no secret is. */
export function exportedConfigOf(resolved: Resolved): StackConfig {
  const { config } = resolved
  const { credentials, services, listen } = config
  const names = [
    ...['HYPER_SANDBOX_TOKEN', 'HYPER_SANDBOX_SIGNING_KEY'],
    ...(credentials ? ['HYPER_SANDBOX_AUTH_KEY', 'HYPER_SANDBOX_AUTH_SECRET'] : []),
    ...Object.keys(keysOf(services)),
    ...(listen.tls ? ['HYPER_SANDBOX_TLS_CERTIFICATE', 'HYPER_SANDBOX_TLS_KEY'] : []),
    ...Object.keys(secretsOfApps(config, '')),
  ]
  const gateway = Object.fromEntries(names.map((name) => [name, '']))
  return { ...withoutSecrets(resolved), secrets: { ...NO_SECRETS, gateway } }
}

const NO_SECRETS = { mongo: '', redis: '', minio: '', meilisearch: '', gateway: {} }

function withoutSecrets(resolved: Resolved): Omit<StackConfig, 'secrets'> {
  const { config, stack } = resolved
  const { listen, services } = config
  refuseAdapters(services)
  return {
    name: stackNameOf(resolved),
    projectDirectory: config.projectDirectory,
    stateDirectory: config.stateDirectory,
    services: Object.fromEntries(Object.entries(services).map(([kind, { url }]) => [kind, { url }])),
    listen: { host: listen.host, tcpPort: listen.tcpPort, httpsTcpPort: listen.tls?.tcpPort },
    gatewayEnvironment: {
      ...(listen.allowedHosts.length > 0 ? { HYPER_SANDBOX_ALLOWED_HOSTS: listen.allowedHosts.join(',') } : {}),
      ...(listen.allowedOrigins.length > 0 ? { HYPER_SANDBOX_ALLOWED_ORIGINS: listen.allowedOrigins.join(',') } : {}),
      ...(config.logRequests ? { HYPER_SANDBOX_LOG_REQUESTS: '1' } : {}),
      ...queueSettings(services),
      ...environmentOfApps(config),
    },
    workers: workersConfigOf(config),
    images: stack.images,
    expose: stack.expose,
    include: stack.include,
    version: VERSION,
  }
}

/** Enough to find what there is of a stack by its labels; nothing can be started with it. */
export function lookUpConfig(project: Project, run: ComposeRun | undefined): StackConfig {
  const names = run?.services ?? []
  return {
    name: run?.stack ?? readRemembered(project.stateDirectory).stack ?? project.defaultName,
    projectDirectory: project.directory,
    stateDirectory: project.stateDirectory,
    services: Object.fromEntries(names.map((name) => [name, { url: run?.servers?.[name] }])),
    listen: { host: run?.host ?? '127.0.0.1', tcpPort: run?.tcpPort ?? 0, httpsTcpPort: run?.https?.tcpPort },
    gatewayEnvironment: {},
    secrets: NO_SECRETS,
    images: { override: {} },
    expose: Object.keys(run?.exposed ?? {}).length > 0,
    include: [],
    version: VERSION,
  }
}

/** A module of the user's machine cannot be loaded in a container. */
function refuseAdapters(services: ServiceConfigs): void {
  for (const [kind, { adapter }] of Object.entries(services)) {
    if (adapter === undefined) continue
    throw new HyperError('CONFIG_INVALID', `services.${kind}.adapter cannot be used on the engine compose`, {
      hint: `Use --engine embedded, or take services.${kind}.adapter out of the project file.`,
    })
  }
}

function queueSettings({ queue }: ServiceConfigs): Record<string, string> {
  return variables('queue', queue, Object.entries(QUEUE_MEMBERS))
}

function keysOf(services: ServiceConfigs): Record<string, string> {
  const each = Object.entries(services) as [ServiceName, object][]
  return Object.assign(
    {},
    ...each.map(([kind, config]) =>
      variables(
        kind,
        config,
        SECRET_MEMBERS.map((member) => [member, member]),
      ),
    ),
  )
}

/** @param members by their name in code, their name in the project file */
function variables(kind: ServiceName, config: object = {}, members: [string, string][]): Record<string, string> {
  const given = new Map(Object.entries(config))
  return Object.fromEntries(
    members.flatMap(([member, written]) => {
      const value: unknown = given.get(member)
      return value === undefined ? [] : [[serviceVariable(kind, written), String(value)]]
    }),
  )
}

/** Made here, where the user's authority is; its key never leaves this machine. */
async function certificateOf({ config }: Resolved) {
  const { listen, stateDirectory, projectDirectory, authorityDirectory } = config
  const { tls, host, allowedHosts } = listen
  if (!tls) return { authorityFile: undefined, variables: {} }
  const kept = tls.certificate === 'auto' ? certificateInEnvFile(stateDirectory) : undefined
  const authority = kept && (await authorityIn(authorityDirectory))
  const { cert, key, authorityFile } =
    kept && authority && mayStay(kept, authority, certifiedNames(host, allowedHosts))
      ? { ...kept, authorityFile: authority.file }
      : await tlsIdentity(tls, { host, allowedHosts, projectDirectory, authorityDirectory })
  return { authorityFile, variables: { HYPER_SANDBOX_TLS_CERTIFICATE: cert, HYPER_SANDBOX_TLS_KEY: key } }
}
