/** The state of a project's sandbox, service by service. */
import type { ServiceName } from '../server/services.ts'
import { appErrors, appReports, appRows } from './app-report.ts'
import { KINDS } from './config.ts'
import { inspectProject, type PartStatus } from './engines/engine.ts'
import { columns } from './output.ts'
import type { Project } from './project.ts'
import { appsInRunning, readiness } from './running.ts'
import { describeRun, maskedConnectionString, storedAt } from './summary.ts'

/** `off`: left out of this run. */
type ServiceState = 'ready' | 'unavailable' | 'off'

type Status = Awaited<ReturnType<typeof statusOf>>
type RunningStatus = Extract<Status, { running: true }>

/** @throws ENGINE_UNAVAILABLE */
export async function statusOf(project: Project, env: NodeJS.ProcessEnv) {
  const { engine, found } = await inspectProject(project, env)
  const where = { directory: project.directory, stateDirectory: project.stateDirectory }
  const run = found.state === 'running' ? found.run : undefined
  const [parts, ready, apps] = await Promise.all([
    engine.parts(project, run),
    run && readiness(run),
    run ? appsInRunning(run, project.stateDirectory) : [],
  ])
  if (!run) {
    const state = found.state === 'running' ? 'stopped' : found.state
    return { running: false as const, state, ...where, engine: engine.name, ...(parts.length > 0 ? { parts } : {}) }
  }
  const services = Object.fromEntries(
    KINDS.map((kind): [string, ServiceState] => {
      if (!run.services.includes(kind)) return [kind, 'off']
      return [kind, ready?.services[kind]?.ok ? 'ready' : 'unavailable']
    }),
  )
  const described = describeRun(run)
  return {
    running: true as const,
    state: found.state,
    ...where,
    ...described,
    ready: ready?.ok ?? false,
    services,
    apps: appReports(run, apps),
    ...(parts.length > 0 ? { parts } : {}),
  }
}

export function statusText(found: RunningStatus, cwd: string): string {
  const about = [
    ['name', found.name],
    ['state', found.ready ? 'running' : 'running, but not ready'],
    ['url', found.url],
    ...(found.https ? [['https', found.https.url]] : []),
    ['connect', `HYPER=${maskedConnectionString(found)}`],
    ['engine', found.engine],
    ...(found.engine === 'embedded' ? [['process', String(found.pid)]] : []),
    ['since', found.startedAt],
    ['stored', storedAt(found, cwd)],
  ]
  const apps = appRows(found.apps)
  const services = KINDS.map((kind) => [kind, servicePhrase(found, kind)])
  const tables = found.parts
    ? [columns([...about, ...apps]), partsTable(found, found.parts)]
    : [columns([...about, ...services, ...apps])]
  return [...tables, appErrors(found.apps).trimEnd()].filter((text) => text !== '').join('\n\n')
}

const WORDS: Record<ServiceState, string> = {
  ready: 'ready',
  unavailable: 'does not answer',
  off: 'left out of this run',
}

function servicePhrase({ services, servers }: RunningStatus, kind: ServiceName): string {
  const server = servers?.[kind]
  return `${WORDS[services[kind] ?? 'off']}${server === undefined ? '' : `, on ${server}`}`
}

/** Every service, each with the part that keeps it; then the parts that keep none. */
function partsTable({ services, servers }: RunningStatus, parts: readonly PartStatus[]): string {
  const head = ['SERVICE', 'STATE', 'HEALTH', 'VERSION', 'ADDRESS', 'MEMORY', 'CPU']
  const rows = KINDS.map((kind) => {
    const state = services[kind] ?? 'off'
    if (state === 'off') return [kind, 'off', ...Array(5).fill('-')]
    const server = servers?.[kind]
    const word = state === 'ready' ? 'ready' : 'no answer'
    if (server !== undefined) return [kind, word, '-', '-', server, '-', '-']
    const part = parts.find((one) => one.services.includes(kind))
    return [kind, state === 'ready' || part?.state === 'running' ? word : (part?.state ?? 'missing'), ...cellsOf(part)]
  })
  const others = parts.filter((part) => part.services.length === 0)
  return columns([head, ...rows, ...others.map((part) => [part.part, part.state, ...cellsOf(part)])])
}

function cellsOf(part: PartStatus | undefined): string[] {
  const { health, version, address, memory, cpu } = part ?? {}
  const isBackend = part !== undefined && part.services.length > 0
  return [
    health ?? '-',
    [...(isBackend ? [part.part] : []), ...(version ? [version] : [])].join(' ') || '-',
    address ?? '-',
    memory === undefined ? '-' : `${Math.round(memory / 1e6)} MB`,
    cpu === undefined ? '-' : `${Math.round(cpu)} %`,
  ]
}

/** What there is of one that does not run. */
export function leftText({ parts }: Extract<Status, { running: false }>): string | undefined {
  const there = parts?.filter(({ state }) => state !== 'missing') ?? []
  if (there.length === 0) return undefined
  return columns(there.map(({ part, state, health }) => [part, health === undefined ? state : `${state}, ${health}`]))
}
