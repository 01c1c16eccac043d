/** The state of a project's sandbox, service by service. */
import { KINDS } from './config.ts'
import { inspectProject } from './engines/engine.ts'
import { columns } from './output.ts'
import type { Project } from './project.ts'
import { readiness } from './running.ts'
import { describeRun, maskedConnectionString, storedAt } from './summary.ts'

/** `off`: left out of this run. */
type ServiceState = 'ready' | 'unavailable' | 'off'

export async function statusOf(project: Project, env: NodeJS.ProcessEnv) {
  const { found } = await inspectProject(project, env)
  const where = { directory: project.directory, stateDirectory: project.stateDirectory }
  if (found.state !== 'running') return { running: false as const, state: found.state, ...where }
  const { run } = found
  const ready = await readiness(run)
  const services = Object.fromEntries(
    KINDS.map((kind): [string, ServiceState] => {
      if (!run.services.includes(kind)) return [kind, 'off']
      return [kind, ready?.services[kind]?.ok ? 'ready' : 'unavailable']
    }),
  )
  const described = describeRun(run)
  return { running: true as const, state: found.state, ...where, ...described, ready: ready?.ok ?? false, services }
}

export function statusText(
  found: Extract<Awaited<ReturnType<typeof statusOf>>, { running: true }>,
  cwd: string,
): string {
  const words: Record<ServiceState, string> = {
    ready: 'ready',
    unavailable: 'does not answer',
    off: 'left out of this run',
  }
  const rows = [
    ['name', found.name],
    ['state', found.ready ? 'running' : 'running, but not ready'],
    ['url', found.url],
    ...(found.https ? [['https', found.https.url]] : []),
    ['connect', `HYPER=${maskedConnectionString(found)}`],
    ['engine', found.engine],
    ...(found.engine === 'embedded' ? [['process', String(found.pid)]] : []),
    ['since', found.startedAt],
    ['stored', storedAt(found, cwd)],
    ...Object.entries(found.services).map(([kind, state]) => [kind, words[state]]),
  ]
  return columns(rows)
}
