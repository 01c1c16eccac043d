import { HyperError } from '../server/error.ts'
import type { ServiceName } from '../server/services.ts'
import { inspectProject } from './engines/engine.ts'
import type { Project } from './project.ts'
import { type Readiness, readiness, until } from './running.ts'

/**
 * Resolves when the sandbox answers and the wanted services (all that run, when none is named) do.
 * @throws NOT_READY saying what was missing; SERVICE_NOT_STARTED for one that this run is without
 */
export async function waitUntilReady(
  project: Project,
  wanted: readonly ServiceName[],
  timeoutMs: number,
  env: NodeJS.ProcessEnv,
): Promise<{ url: string; services: Readiness['services'] }> {
  let missing = 'it is not running'
  return await until(
    async () => {
      const { found } = await inspectProject(project, env)
      if (found.state !== 'running') {
        missing = found.state === 'starting' ? 'it is still starting' : 'it is not running'
        return undefined
      }
      const { run } = found
      const absent = wanted.find((service) => !run.services.includes(service))
      if (absent) {
        throw new HyperError('SERVICE_NOT_STARTED', `this sandbox runs without ${absent}`, {
          hint: `Stop it with: hyper-sandbox down; then start it with --${absent}`,
        })
      }
      const services = (await readiness(run))?.services ?? {}
      const silent = (wanted.length > 0 ? wanted : run.services).filter((service) => !services[service]?.ok)
      missing = `${silent.join(', ')} did not answer`
      return silent.length === 0 ? { url: run.url, services } : undefined
    },
    timeoutMs,
    () =>
      new HyperError(
        'NOT_READY',
        `the sandbox of ${project.directory} was not ready after ${timeoutMs / 1000} s: ${missing}`,
        {
          hint: 'Start it with: hyper-sandbox up --detach; see what it does with: hyper-sandbox logs',
        },
      ),
  )
}
