/** workerd's configuration for one version of one app (worker-runtime §§12.1-12.5). */
import { isIP } from 'node:net'
import type { AppConfig, Outbound } from '../../../server/ports/apps.ts'
import { OWN_HEADER } from '../own-headers.ts'
import type { Bundle } from './bundle.ts'
import { raw, type Value, write } from './capnp.ts'
import type { Tether } from './tether.ts'

/** Names of files in a version's own directory. */
export const FILES = {
  configuration: 'config.capnp',
  /** Where requests to the app arrive. */
  app: 'app.sock',
  /** Where the host asks the app itself: scheduled events, what it still waits for. */
  control: 'control.sock',
  /** Answered by another isolate on the same thread: it tells a busy thread from a waiting handler. */
  ping: 'ping.sock',
} as const

const APP_FILES = ['shim.js', 'prelude.js', 'sync-body.js', 'hyper.js'] as const
const BESIDE_FILES = ['beside.js', 'outbound.js', 'cache.js'] as const
export const RUNTIME_FILES = [...APP_FILES, ...BESIDE_FILES] as const

/** The host that an app's own `fetch` reaches the hyper services by. */
export const HYPER_HOST = 'hyper.internal'

export interface VersionPlan {
  app: AppConfig
  bundle: Bundle
  /** Holds `FILES`, the modules and the runtime's own files. */
  directory: string
  /** Unix socket on which the host serves what apps are bound to. */
  ingress: string
  /** Connection string for hyper-connect; absent without services. */
  hyper: string | undefined
  /** Names of the other apps. */
  others: readonly string[]
  /** What ends its process with us. */
  tether: Tether
}

/** Told to the shim. */
export interface ShimSettings {
  wallMs: number
  compat: readonly string[]
  exposeErrors: boolean
  hyper: string | undefined
}

/** Told to what an app's `fetch` goes through. */
interface OutboundSettings {
  /** Those it may call; absent: what the network allows. */
  hosts: readonly string[] | undefined
  /** Its requests may reach the gateway itself, and must not look like its user's. */
  mark: boolean
}

/** Says on the ingress who calls, and what: the app cannot set it. */
export const CALLER_HEADER = `${OWN_HEADER}caller`
export const TARGET_HEADER = `${OWN_HEADER}target`

export function configurationOf(plan: VersionPlan): string {
  const { app, bundle } = plan
  const services: Value[] = [
    { name: 'app', worker: raw('.app') },
    { name: 'beside', worker: raw('.beside') },
    { name: 'network', network: networkOf(app.outbound) },
    ingress(plan, 'hyper'),
    ...plan.others.map((other) => ingress(plan, `app:${other}`)),
    ...(hasAssetBinding(app) ? [ingress(plan, 'assets')] : []),
    ...[...new Set(Object.values(app.kv))].map((store) => ingress(plan, `kv:${store}`)),
    ...[...new Set(Object.values(app.r2))].map((bucket) => ingress(plan, `r2:${bucket}`)),
  ]
  const socket = (name: 'app' | 'control' | 'ping', service: Value, http: Value = {}) => ({
    name,
    address: `unix:${plan.directory}/${FILES[name]}`,
    service,
    http,
  })
  const config: Value = {
    v8Flags: [`--max-old-space-size=${app.memoryMb}`, '--max-semi-space-size=4'],
    logging: { structuredLogging: true },
    services,
    sockets: [
      socket('app', 'app', { cfBlobHeader: `${OWN_HEADER}cf`, forwardedProtoHeader: `${OWN_HEADER}proto` }),
      socket('control', { name: 'app', entrypoint: 'control' }),
      socket('ping', { name: 'beside', entrypoint: 'ping' }),
    ],
  }
  const worker: Value = {
    modules: [
      ...APP_FILES.map(ownModule),
      { name: 'settings.json', json: JSON.stringify(settingsOf(plan)) },
      ...bundle.modules.map(({ name, kind }) => ({ name, [kind]: raw(`embed ${write(name)}`) })),
    ],
    compatibilityDate: app.compatibilityDate,
    compatibilityFlags: [...app.compatibilityFlags, ...(bundle.usesNode ? ['nodejs_compat'] : [])],
    globalOutbound: 'beside',
    cacheApiOutbound: { name: 'beside', entrypoint: 'cache' },
    ...(isStateful(app) ? STATEFUL : {}),
    bindings: [
      ...(isStateful(app) ? [{ name: '__STATEFUL', durableObjectNamespace: STATEFUL_CLASS }] : []),
      ...Object.entries(app.env).map(([name, text]) => ({ name, text })),
      ...Object.entries(app.json).map(([name, json]) => ({ name, json })),
      ...(plan.hyper === undefined
        ? []
        : [
            { name: 'HYPER', text: plan.hyper },
            { name: 'hyper', service: 'hyper' },
          ].filter(({ name }) => !(name in app.env))),
      ...plan.others.map((other) => ({ name: `${APP_BINDING}${other}`, service: `app:${other}` })),
      ...(hasAssetBinding(app) ? [{ name: ASSETS, service: 'assets' }] : []),
      ...Object.entries(app.kv).map(([name, store]) => ({ name, kvNamespace: `kv:${store}` })),
      ...Object.entries(app.r2).map(([name, bucket]) => ({ name, r2Bucket: `r2:${bucket}` })),
    ],
  }
  const beside: Value = {
    modules: [...BESIDE_FILES.map(ownModule), { name: 'outbound.json', json: JSON.stringify(outboundSettingsOf(app)) }],
    compatibilityDate: app.compatibilityDate,
    bindings: [{ name: 'hyper', service: 'hyper' }],
    globalOutbound: 'network',
  }
  return [
    'using Workerd = import "/workerd/workerd.capnp";',
    `const config :Workerd.Config = ${write(config)};`,
    `const app :Workerd.Worker = ${write(worker)};`,
    `const beside :Workerd.Worker = ${write(beside)};`,
    '',
  ].join('\n')
}

/** As Workers call the binding that asks for static files. */
const ASSETS = 'ASSETS'

function hasAssetBinding({ assets, env, json, kv, r2 }: AppConfig): boolean {
  return assets !== undefined && ![env, json, kv, r2].some((names) => ASSETS in names)
}

function ownModule(name: string): Value {
  return { name, esModule: raw(`embed ${write(name)}`) }
}

/** The shim gathers what begins with it into `env.APPS`. */
export const APP_BINDING = '__APP_'

function ingress({ app, ingress }: VersionPlan, target: string): Value {
  const injectRequestHeaders = [
    { name: CALLER_HEADER, value: app.name },
    { name: TARGET_HEADER, value: target },
  ]
  return { name: target, external: { address: `unix:${ingress}`, http: { injectRequestHeaders } } }
}

/** At which clouds tell machines their secrets: AWS and most others, AWS by IPv6, Alibaba, Azure, Oracle. */
const METADATA = ['169.254.0.0/16', 'fd00:ec2::254/128', '100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32']
/** Names of sockets that hosts may seem to be. */
const SOCKETS = ['unix', 'unix-abstract']

/** Judged by address, after names are resolved: a name that leads to the host's own network is refused as its address would be. */
export function networkOf(outbound: Outbound): Value {
  const tlsOptions = { trustBrowserCas: true }
  if (outbound === 'none') return { allow: [] }
  if (outbound === 'all') return { allow: ['public', 'private'], deny: [...METADATA, ...SOCKETS], tlsOptions }
  const named = outbound === 'public' ? [] : outbound.flatMap(addressesOf)
  return { allow: ['public', ...named], deny: METADATA, tlsOptions }
}

/** A private address may be called by an app that names it; a name that resolves to one may not. */
function addressesOf(host: string): string[] {
  if (host === 'localhost') return ['127.0.0.1/32', '::1/128']
  const address = host.replace(/^\[|\]$/g, '')
  const version = isIP(address)
  return version === 0 ? [] : [`${address}/${version === 4 ? 32 : 128}`]
}

function outboundSettingsOf({ outbound }: AppConfig): OutboundSettings {
  if (typeof outbound === 'string') return { hosts: outbound === 'none' ? [] : undefined, mark: outbound === 'all' }
  return { hosts: outbound, mark: outbound.some((host) => addressesOf(host).length > 0) }
}

const STATEFUL_CLASS = 'Stateful'
const STATEFUL: Record<string, Value> = {
  durableObjectNamespaces: [{ className: STATEFUL_CLASS, uniqueKey: 'stateful', preventEviction: true }],
  durableObjectStorage: { inMemory: raw('void') },
}

export function isStateful({ compat }: Pick<AppConfig, 'compat'>): boolean {
  return compat.includes('stateful')
}

function settingsOf({ app: { wallMs, compat, exposeErrors }, hyper }: VersionPlan): ShimSettings {
  return { wallMs, compat, exposeErrors, hyper }
}
