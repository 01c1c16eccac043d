/** Writes a stack down: `compose.yaml`, which anyone may read, and `.env` beside it, which has everything secret. */
import { Document, type Pair, type Scalar, type YAMLMap } from 'yaml'
import { SERVICE_NAMES, type ServiceName } from '../server/services.ts'
import { passwordDigest } from './kept-data.ts'
import { LABEL, type Labels } from './labels.ts'
import { type Backend, fromEnvFile, isBackend, type StackImage } from './part.ts'
import { BACKENDS } from './services/backends.ts'
import {
  GATEWAY_HTTPS_TCP_PORT,
  GATEWAY_LIMITS,
  GATEWAY_TCP_PORT,
  gatewayEnvironment,
  seenFromContainer,
  WORKERS_LIMITS,
} from './services/gateway.ts'
import { PART_OF, PARTS, type Part, type StackConfig } from './stack.ts'

export interface StackPlan {
  config: StackConfig
  images: Partial<Record<Part, StackImage>>
  /** On the host. */
  tcpPort: number
  /** Labels of volumes and networks that exist: Compose would make anew what is labelled otherwise. */
  kept: { volumes: Partial<Record<Backend, Labels>>; network?: Labels | undefined }
}

const TCP_PORT_VARIABLE = 'SANDBOX_PORT'

/** The parts that get a container: the gateway, apps, and what keeps the data of services without a server of their own. */
export function partsOf({ services, workers }: Pick<StackConfig, 'services' | 'workers'>): Part[] {
  return PARTS.filter((part) => {
    if (part === 'workers') return workers !== undefined
    return part === 'gateway' || servedBy(part, services).length > 0
  })
}

/** Those with an image of their own: apps run in the gateway's. */
export function imagedParts(config: Pick<StackConfig, 'services'>): Part[] {
  return partsOf({ services: config.services })
}

function servedBy(part: Part, services: StackConfig['services']): ServiceName[] {
  return SERVICE_NAMES.filter((name) => PART_OF[name] === part && services[name] && services[name].url === undefined)
}

/** The same text for the same plan. */
export function composeFile(plan: StackPlan): string {
  const { config, kept } = plan
  const parts = partsOf(config)
  const backends = parts.filter(isBackend)
  const content = {
    name: config.name,
    ...(config.include.length > 0 ? { include: config.include.map(literal) } : {}),
    services: Object.fromEntries(parts.map((part) => [part, serviceOf(part, plan)])),
    networks: { default: { labels: labelsFor(kept.network ?? commonLabels(config)) } },
    ...(backends.length > 0
      ? { volumes: Object.fromEntries(backends.map((part) => [part, { labels: labelsFor(volumeLabels(part, plan)) }])) }
      : {}),
  }
  const document = new Document(content, { aliasDuplicateObjects: false, compat: 'yaml-1.1' })
  document.commentBefore = [
    ` The sandbox ${config.name} of ${config.projectDirectory}, written by hyper-sandbox at each start:`,
    ' change hyper-sandbox.yaml instead. Passwords are in the .env beside this file.',
    ' By hand: docker compose -f .hyper-sandbox/compose.yaml up',
  ].join('\n')
  comment(document)
  return document.toString({ lineWidth: 0 })
}

/** Made of the same plan; readable by its owner only. */
export function envFile({ config, tcpPort }: StackPlan): string {
  const { secrets, services } = config
  const backends = partsOf(config).filter(isBackend)
  const values = {
    [TCP_PORT_VARIABLE]: String(tcpPort),
    ...Object.fromEntries(backends.map((part) => [BACKENDS[part].passwordVariable, secrets[part]])),
    ...Object.fromEntries(servers(services).map(({ variable, url }) => [variable, url])),
    ...secrets.gateway,
  }
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join('')
}

/** What `.env` defines: none of it may be taken from the caller's environment instead. */
export function envFileVariables(config: StackConfig): string[] {
  const own = [TCP_PORT_VARIABLE, ...Object.values(BACKENDS).map(({ passwordVariable }) => passwordVariable)]
  return [...own, ...servers(config.services).map(({ variable }) => variable), ...Object.keys(config.secrets.gateway)]
}

/** The TCP port that an earlier `.env` has. */
export function tcpPortIn(envFileText: string): number | undefined {
  const [, text] = new RegExp(`^${TCP_PORT_VARIABLE}="(\\d+)"$`, 'm').exec(envFileText) ?? []
  return text === undefined ? undefined : Number(text)
}

/** Servers that exist already; their addresses may hold passwords. */
function servers(services: StackConfig['services']): { variable: string; url: string }[] {
  return SERVICE_NAMES.flatMap((name) => {
    const url = services[name]?.url
    return url === undefined ? [] : [{ variable: urlVariable(name), url: seenFromContainer(url) }]
  })
}

function serviceOf(part: Part, plan: StackPlan): object {
  if (part === 'workers') return workersService(plan)
  return isBackend(part) ? backendService(part, plan) : gatewayService(plan)
}

function backendService(part: Backend, plan: StackPlan): object {
  const { config } = plan
  const image = imageOf(part, plan)
  const { service, dataDirectory, tcpPort } = BACKENDS[part]
  const { command, environment, ...limits } = service(image)
  return {
    image: image.reference,
    ...(command ? { command } : {}),
    environment,
    // Without a published port of its own choice it gets a free one.
    ...(config.expose ? { ports: [{ target: tcpPort, host_ip: '127.0.0.1' }] } : {}),
    // The long syntax: Compose 5 makes of the short one what engines of API 1.41 refuse.
    volumes: [{ type: 'volume', source: part, target: dataDirectory }],
    ...limits,
    ...COMMON,
    labels: serviceLabels(part, config, image.version),
  }
}

function gatewayService(plan: StackPlan): object {
  const { config } = plan
  const { services, secrets } = config
  const addresses = partsOf(config)
    .filter(isBackend)
    .flatMap((part) => Object.entries(BACKENDS[part].gateway(servedBy(part, services))))
  const given = Object.entries(gatewayEnvironment(config)).map(([name, text]) => [name, literal(text)])
  const secret = [...servers(services).map(({ variable }) => variable), ...Object.keys(secrets.gateway)]
  return {
    image: plan.images.gateway?.reference,
    environment: Object.fromEntries([
      ...given,
      ...addresses,
      // Apps are named by it, too.
      ...(config.workers ? [['HYPER_SANDBOX_PUBLISHED_PORT', fromEnvFile(TCP_PORT_VARIABLE)]] : []),
      ...secret.map((name) => [name, fromEnvFile(name)]),
    ]),
    ports: gatewayPorts(config),
    depends_on: startedFirst(config),
    ...GATEWAY_LIMITS,
    ...COMMON,
    labels: serviceLabels('gateway', config, config.version),
  }
}

function workersService({ config, images }: StackPlan): object {
  const { environment = {}, secrets = [], mounts = [], hidden = [], user, memoryLimit } = config.workers ?? {}
  const given = Object.entries(environment).map(([name, text]) => [name, literal(text)])
  return {
    image: images.gateway?.reference,
    command: ['_workers'],
    environment: Object.fromEntries([...given, ...secrets.map((name) => [name, fromEnvFile(name)])]),
    ...(user === undefined ? {} : { user }),
    volumes: [
      ...mounts.map(({ source, target }) => ({
        type: 'bind',
        source: literal(source),
        target,
        read_only: true,
        // A path that is gone is a mistake to be told of, no directory to be made.
        bind: { create_host_path: false },
      })),
      ...hidden.map((target) => ({ type: 'tmpfs', target })),
    ],
    ...WORKERS_LIMITS,
    mem_limit: memoryLimit,
    ...COMMON,
    labels: serviceLabels('workers', config, config.version),
  }
}

const COMMON = {
  // A process of ours that ignores signals does not hold up the end, and none is left behind.
  init: true,
  extra_hosts: ['host.docker.internal:host-gateway'],
  // What crashed is started again; what was stopped stays so, also when the machine starts.
  restart: 'on-failure:5',
}

/** Started is enough: the gateway connects, and connects again, by itself. */
function startedFirst(config: StackConfig): object {
  const backends = partsOf(config).filter(isBackend)
  return Object.fromEntries(backends.map((part) => [part, { condition: 'service_started' }]))
}

function gatewayPorts({ listen }: StackConfig): object[] {
  const host_ip = listen.host === 'localhost' ? '127.0.0.1' : listen.host
  const http = { target: GATEWAY_TCP_PORT, published: fromEnvFile(TCP_PORT_VARIABLE), host_ip }
  if (listen.httpsTcpPort === undefined) return [http]
  return [http, { target: GATEWAY_HTTPS_TCP_PORT, published: String(listen.httpsTcpPort), host_ip }]
}

function serviceLabels(part: Part, config: StackConfig, version: string): Labels {
  return labelsFor({ ...commonLabels(config), [LABEL.service]: part, [LABEL.version]: version })
}

function volumeLabels(part: Backend, plan: StackPlan): Labels {
  const kept = plan.kept.volumes[part]
  if (kept) return kept
  const { format, version } = imageOf(part, plan)
  return {
    ...commonLabels(plan.config),
    [LABEL.service]: part,
    [LABEL.format]: format,
    [LABEL.version]: version,
    ...(BACKENDS[part].keepsPassword ? { [LABEL.password]: passwordDigest(plan.config.secrets[part]) } : {}),
  }
}

function commonLabels({ name, projectDirectory }: StackConfig): Labels {
  return { [LABEL.project]: name, [LABEL.directory]: projectDirectory }
}

function imageOf(part: Part, { images }: StackPlan): StackImage {
  return images[part] ?? { reference: '', format: '', version: '' }
}

function urlVariable(name: ServiceName): string {
  return `HYPER_SANDBOX_${name.toUpperCase()}_URL`
}

/** Compose reads `$` as the beginning of a variable. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$')
}

function labelsFor(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).map(([name, text]) => [name, literal(text)]))
}

/** As Compose's reader of `.env` takes it back. */
function quoted(value: string): string {
  const escaped = value
    .replaceAll(/[\\"$]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
  return `"${escaped}"`
}

const ABOUT = {
  gateway: 'answers at one address',
  workers: 'runs the apps; the gateway passes requests for their hosts on to it',
} as const

/** A word of explanation before each part. */
function comment(document: Document): void {
  const services = document.get('services') as YAMLMap<Scalar<string>>
  for (const { key } of services.items as Pair<Scalar<Part>>[]) {
    const { value: part } = key
    key.commentBefore = ` ${isBackend(part) ? BACKENDS[part].about : ABOUT[part]}`
  }
}
