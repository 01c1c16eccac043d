/** How the parts of a stack are: what the engine says of their containers, and what they use. */

import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { ContainerInfo, ContainerInspectInfo, ContainerStats } from 'dockerode'
import { partOf, publishedAddress, stackContainers } from './containers.ts'
import { LABEL } from './labels.ts'
import { isBackend } from './part.ts'
import { BACKENDS } from './services/backends.ts'
import { GATEWAY_TCP_PORT } from './services/gateway.ts'
import type { Part, PartState } from './stack.ts'

/** Between the two looks at a processor's counters that make a percentage. */
const SAMPLE_MS = 250

/** Those that should be, in their order, and others that are. */
export async function partStates(
  docker: Docker,
  project: string,
  expected: readonly Part[],
  { usage }: { usage: boolean },
): Promise<PartState[]> {
  const found = new Map<Part, ContainerInfo>()
  for (const container of await stackContainers(docker, project)) {
    const part = partOf(container.Labels)
    if (part !== undefined && found.get(part)?.State !== 'running') found.set(part, container)
  }
  const parts = [...new Set([...expected, ...found.keys()])]
  return await Promise.all(
    parts.map(async (part) => {
      const container = found.get(part)
      if (!container) return { part, state: 'missing' }
      const [inspected, used] = await Promise.all([
        docker
          .getContainer(container.Id)
          .inspect()
          .catch(() => undefined),
        usage && container.State === 'running' ? usageOf(docker.getContainer(container.Id)).catch(() => ({})) : {},
      ])
      // Removed between the two questions.
      if (!inspected) return { part, state: 'missing' }
      return { ...describe(part, container, inspected), ...used }
    }),
  )
}

function describe(part: Part, container: ContainerInfo, { State, Config }: ContainerInspectInfo): PartState {
  const isRunning = State.Status === 'running'
  const health = isRunning ? State.Health?.Status : undefined
  const version = container.Labels[LABEL.version]
  const tcpPort = part === 'gateway' ? GATEWAY_TCP_PORT : isBackend(part) ? BACKENDS[part].tcpPort : undefined
  const address = tcpPort === undefined ? undefined : publishedAddress(container, tcpPort)
  return {
    part,
    state: State.Status,
    // A stopped container keeps the last word of its check.
    ...(isHealth(health) ? { health } : {}),
    container: container.Id.slice(0, 12),
    image: Config.Image,
    ...(version ? { version } : {}),
    ...(isRunning ? { startedAt: State.StartedAt } : { exitCode: State.ExitCode }),
    ...(address === undefined ? {} : { address }),
  }
}

function isHealth(text: string | undefined): text is NonNullable<PartState['health']> {
  return text === 'starting' || text === 'healthy' || text === 'unhealthy'
}

async function usageOf(container: Docker.Container): Promise<Pick<PartState, 'memory' | 'memoryLimit' | 'cpu'>> {
  // One-shot: the engine answers at once instead of taking its own two looks, a second apart.
  const first = await container.stats({ stream: false, 'one-shot': true })
  await sleep(SAMPLE_MS)
  const second = await container.stats({ stream: false, 'one-shot': true })
  const nanoseconds = 1e6 * (Date.parse(second.read) - Date.parse(first.read))
  const used = second.cpu_stats.cpu_usage.total_usage - first.cpu_stats.cpu_usage.total_usage
  return {
    memory: memoryOf(second),
    memoryLimit: second.memory_stats.limit,
    ...(nanoseconds > 0 ? { cpu: Math.round((1000 * used) / nanoseconds) / 10 } : {}),
  }
}

/** Without what the page cache would give back, as `docker stats` counts. */
function memoryOf({ memory_stats: { usage, stats } }: ContainerStats): number {
  const { inactive_file, total_inactive_file } = stats as { inactive_file?: number; total_inactive_file?: number }
  return usage - (total_inactive_file ?? inactive_file ?? 0)
}
