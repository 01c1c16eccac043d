/** A running sandbox in words: the table that `up` ends with, and the same facts for machines. */
import { homedir } from 'node:os'
import { relative, sep } from 'node:path'
import type { AppStatus } from '../server/ports/apps.ts'
import type { Emptied } from '../server/purge.ts'
import type { ServiceName } from '../server/services.ts'
import { appErrors, appReports, appRows } from './app-report.ts'
import { connectionString } from './connection-string.ts'
import { columns, type Output } from './output.ts'
import type { ComposeRun, EmbeddedRun, EngineName, Run } from './state.ts'

/** What was done besides starting it. */
export interface Effects {
  emptied: readonly Emptied[]
  create: readonly ServiceName[]
  /** Asked for, but their creation takes what only the user knows. */
  uncreated: readonly ServiceName[]
  /** How its apps are by then. */
  apps: readonly AppStatus[]
}

/** What `--json` tells of a run. */
export function describeRun(run: Run, effects?: Effects) {
  const { phase, arguments: line, host, tcpPort, ...all } = run
  const { chosen, ...told } = { chosen: undefined, ...all }
  const described = { ...told, connectionString: maskedConnectionString(run), address: { host, tcpPort } }
  if (!effects) return described
  const createWith = Object.fromEntries(effects.uncreated.map((kind) => [kind, creatingCall(run, kind)]))
  const apps = appReports(run, effects.apps)
  return { ...described, apps, emptied: effects.emptied, created: effects.create, createWith }
}

/** In the place of a secret. */
export const MASK = '***'

/** What hyper-connect takes, for eyes that need not see a secret. */
export function maskedConnectionString({ url, domain, authKey }: Pick<Run, 'url' | 'domain' | 'authKey'>): string {
  return connectionString(url, domain, authKey === undefined ? undefined : { key: authKey, secret: MASK })
}

export function summaryOf(output: Output, run: Run, effects: Effects & { cwd: string }): string {
  const { url, domain, services } = run
  const { create, uncreated, emptied, cwd } = effects
  const apps = appReports(run, effects.apps)
  const hasExample = run.authKey === undefined && (uncreated.length === 0 || create.length > 0)
  const rows = services.map((service) => [service, `${url}/${service}/${domain}`])
  const about = [
    ...appRows(apps),
    ['connect', `HYPER=${maskedConnectionString(run)}`],
    ...(run.https ? [['https', run.https.url]] : []),
    ...(run.https?.authorityFile ? [['trust', `NODE_EXTRA_CA_CERTS=${run.https.authorityFile}`]] : []),
    ...Object.entries(run.servers ?? {}).map(([service, host]) => ['server', `${service} is kept on ${host}`]),
    ...(run.engine === 'compose' ? Object.entries(run.exposed) : []).map(([part, address]) => [part, address]),
    ...(run.engine === 'compose' && Object.keys(run.exposed).length > 0
      ? [['keys', 'the passwords of these are in .hyper-sandbox/.env']]
      : []),
    ['stored', run.ephemeral ? EPHEMERAL[run.engine] : storedAt(run, cwd)],
    ...(run.authKey === undefined ? [] : [['secret', 'asked for by the API; hyper-sandbox env prints it']]),
    ...(hasExample ? [['try', example(run, create)]] : []),
    ...uncreated.map((kind) => ['create', creatingCall(run, kind)]),
  ]
  const table = columns(
    [...rows, ...about].map(([label = '', text = '']) => [output.style('bold', label.padEnd(8)), text]),
  )
  const purged = emptied.map((one) => `  ${emptiedLine(one)}\n`).join('')
  const title = `${output.style('green', 'hyper-sandbox')} ${run.version}, ${run.name}, engine ${run.engine}`
  const broken = appErrors(apps).replace(/^(?=.)/gm, '  ')
  return [`\n  ${title}\n\n${indent(table)}\n`, purged, broken].filter((part) => part !== '').join('\n')
}

const EPHEMERAL: Record<EngineName, string> = {
  embedded: 'in a temporary directory, gone at the end',
  compose: 'in Docker volumes that are gone at the end',
}

/** Where its data is kept. */
export function storedAt(run: StoredRun, cwd: string): string {
  if (run.engine === 'compose') return `in Docker volumes of ${run.stack}`
  return run.ephemeral ? `${run.dataDirectory} (temporary)` : shortPath(run.dataDirectory, cwd)
}

type StoredRun =
  | Pick<EmbeddedRun, 'engine' | 'ephemeral' | 'dataDirectory'>
  | Pick<ComposeRun, 'engine' | 'ephemeral' | 'stack'>

const CONTENT: Record<ServiceName, [one: string, many: string]> = {
  data: ['document', 'documents'],
  cache: ['key', 'keys'],
  storage: ['object', 'objects'],
  search: ['document', 'documents'],
  queue: ['job', 'jobs'],
}

export function emptiedLine({ service, domain, count }: Emptied): string {
  return `${service} '${domain}' emptied: ${contentOf(service, count)}`
}

/** Such as `2 keys`. */
export function contentOf(service: ServiceName, count: number): string {
  const [one, many] = CONTENT[service]
  return `${count} ${count === 1 ? one : many}`
}

const CREATION: Partial<Record<ServiceName, object>> = {
  search: { fields: ['title'] },
  queue: { target: 'http://127.0.0.1:3000/jobs' },
}

const USE: Record<ServiceName, { path?: string; body: string }> = {
  data: { body: '{"_id":"hello","n":1}' },
  cache: { body: '{"key":"hello","value":{"n":1}}' },
  storage: { path: '/hello.txt', body: 'hello' },
  search: { body: '{"key":"hello","doc":{"title":"hello"}}' },
  queue: { body: '{"hello":1}' },
}

/** A line to paste that works as things stand. */
function example(run: Run, created: readonly ServiceName[]): string {
  const [service = run.services[0] ?? 'data'] = created
  if (created.length === 0) return creatingCall(run, service)
  const { path = '', body } = USE[service]
  const type = service === 'storage' ? "-H 'content-type: text/plain' " : ''
  return `curl ${run.url}/${service}/${run.domain}${path}${CONTINUED}${type}-d '${body}'`
}

/** The one call that creates a service; for search and queue with values to change. */
function creatingCall({ url, domain }: Run, service: ServiceName): string {
  const body = CREATION[service]
  return `curl -X PUT ${url}/${service}/${domain}${body ? `${CONTINUED}-d '${JSON.stringify(body)}'` : ''}`
}

/** Goes on below, where the text of the table begins. */
const CONTINUED = ` \\\n${' '.repeat(12)}`

/** As short as it stays true: relative inside the working directory, `~` inside the home. */
export function shortPath(path: string, cwd: string): string {
  const inside = relative(cwd, path)
  if (inside !== '' && !inside.startsWith('..')) return inside
  return path.startsWith(homedir() + sep) ? `~${path.slice(homedir().length)}` : path
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}
