/** Watches a stack for the death of a part. */
import type Docker from 'dockerode'
import { HyperError } from '../server/error.ts'
import { partOf, stackContainers } from './containers.ts'
import { deathOf, explainDeath } from './death.ts'
import { type ContainerEvent, containerEvents } from './events.ts'
import type { Part } from './stack.ts'

/** How long someone who stops a part on purpose has to start it again. */
const RESTART_MS = 15_000

const SIGKILL = '9'
/** `Exited (1) 2 seconds ago`, `Restarting (1) Less than a second ago`. */
const EXIT_CODE = /\((\d+)\)/
const ENDED = ['exited', 'dead', 'restarting']

/** Rejects with the first death, one that was before us too; by `signal` with its reason. */
export async function watchForDeath(docker: Docker, project: string, signal: AbortSignal): Promise<never> {
  const events = await containerEvents(docker, project, signal)
  for (const { Id, Labels, State, Status } of await stackContainers(docker, project)) {
    const part = partOf(Labels)
    if (part === undefined || !ENDED.includes(State)) continue
    // Docker may have started it once more by now, and forgotten its exit code.
    const [, exitCode] = EXIT_CODE.exec(Status) ?? []
    throw explainDeath(await deathOf(docker, { part, id: Id, exitCode: Number(exitCode ?? 0) }))
  }
  const stopped = Promise.withResolvers<never>()
  const watching = watch(docker, events, stopped.reject)
  stopped.promise.catch(() => {})
  await Promise.race([watching, stopped.promise])
  signal.throwIfAborted()
  throw new HyperError('BACKEND_UNAVAILABLE', 'the Docker engine ended', { hint: 'Start it, then: hyper-sandbox up' })
}

async function watch(
  docker: Docker,
  events: AsyncIterable<ContainerEvent>,
  rejectLater: (error: unknown) => void,
): Promise<void> {
  const stoppedOnPurpose = new Set<string>()
  const outOfMemory = new Set<string>()
  const restarts = new Map<Part, NodeJS.Timeout>()
  try {
    for await (const { action, id, part, attributes } of events) {
      if (part === undefined) continue
      if (action === 'kill' && attributes.signal !== SIGKILL) stoppedOnPurpose.add(id)
      if (action === 'oom') outOfMemory.add(id)
      if (action === 'start') {
        stoppedOnPurpose.delete(id)
        clearTimeout(restarts.get(part))
      }
      if (action !== 'die') continue
      const died = { part, id, exitCode: Number(attributes.exitCode), oomKilled: outOfMemory.has(id) }
      if (!stoppedOnPurpose.has(id)) throw explainDeath(await deathOf(docker, died))
      const giveUp = async () => rejectLater(explainDeath(await deathOf(docker, died)))
      restarts.set(part, setTimeout(giveUp, RESTART_MS).unref())
    }
  } finally {
    for (const timer of restarts.values()) clearTimeout(timer)
  }
}
