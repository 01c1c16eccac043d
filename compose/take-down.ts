/** Removes what a stack has on the engine. It goes by labels alone: files, locks and processes may be gone, or half-made. */
import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { ContainerInfo } from 'dockerode'
import { HyperError } from '../server/error.ts'
import { ignoreGone, partOf, stackContainers } from './containers.ts'
import { stackVolumes } from './kept-data.ts'
import { COMPOSE_LABEL } from './labels.ts'

export interface Removed {
  containers: number
  volumes: number
}

const PAUSE_MS = 100

/** @throws BACKEND_UNAVAILABLE naming what would not go */
export async function takeDown(
  docker: Docker,
  project: string,
  { volumes, timeoutMs }: { volumes: boolean; timeoutMs: number },
): Promise<Removed> {
  const deadline = performance.now() + timeoutMs
  const removed: Removed = { containers: 0, volumes: 0 }
  // Again, as long as something is left: an `up` that was killed may still be at it.
  for (;;) {
    const containers = await stackContainers(docker, project)
    removed.containers += containers.length
    const isFirst = ({ Labels }: ContainerInfo) => partOf(Labels) === 'gateway'
    // The gateway first, which then answers its open requests while it still has its servers.
    await removeAll(docker, containers.filter(isFirst), deadline)
    await removeAll(
      docker,
      containers.filter((container) => !isFirst(container)),
      deadline,
    )
    const left = [...(await removeNetworks(docker, project))]
    if (volumes) {
      const kept = await removeVolumes(docker, project)
      removed.volumes += kept.removed
      left.push(...kept.left)
    }
    left.push(...(await stackContainers(docker, project)).map(({ Names, Id }) => Names[0]?.slice(1) ?? Id))
    if (left.length === 0) return removed
    if (performance.now() > deadline) {
      throw new HyperError('BACKEND_UNAVAILABLE', `Docker does not let go of ${left.join(', ')}`, {
        hint: 'See who uses it with: docker ps --all, and docker network inspect. Then: hyper-sandbox down',
        meta: { left },
      })
    }
    await sleep(PAUSE_MS)
  }
}

async function removeAll(docker: Docker, containers: readonly ContainerInfo[], deadline: number): Promise<void> {
  await Promise.all(
    containers.map(async ({ Id, State }) => {
      const container = docker.getContainer(Id)
      // What is paused hears no signal.
      if (State === 'paused') await container.unpause().catch(ignoreGone)
      if (State === 'running' || State === 'paused' || State === 'restarting') {
        const t = Math.max(1, Math.floor((deadline - performance.now()) / 1000))
        await container.stop({ t: Math.min(t, await graceOf(container)) }).catch(ignoreGone)
      }
      // With the volumes that have no name: nobody could find those again.
      await container.remove({ force: true, v: true }).catch(ignoreGone)
    }),
  )
}

async function graceOf(container: Docker.Container): Promise<number> {
  const inspected = await container.inspect().catch(() => undefined)
  return (inspected?.Config as { StopTimeout?: number } | undefined)?.StopTimeout ?? 10
}

/** @returns names of those that are still in use */
async function removeNetworks(docker: Docker, project: string): Promise<string[]> {
  const networks = await docker.listNetworks({ filters: { label: [`${COMPOSE_LABEL.project}=${project}`] } })
  const outcomes = await Promise.all(
    networks.map(async ({ Id, Name }) => {
      const network = docker.getNetwork(Id)
      const { Containers } = (await network.inspect().catch(() => ({}))) as { Containers?: Record<string, unknown> }
      for (const container of Object.keys(Containers ?? {})) {
        await network.disconnect({ Container: container, Force: true }).catch(() => {})
      }
      return await network.remove().then(
        () => [],
        (error: { statusCode?: number }) => (error.statusCode === 404 ? [] : [`the network ${Name}`]),
      )
    }),
  )
  return outcomes.flat()
}

async function removeVolumes(docker: Docker, project: string): Promise<{ removed: number; left: string[] }> {
  // By name, one by one: what engines understand by pruning has changed.
  const outcomes = await Promise.all(
    (await stackVolumes(docker, project)).map(({ Name }) =>
      docker
        .getVolume(Name)
        .remove()
        .then(
          () => [],
          (error: { statusCode?: number }) => (error.statusCode === 404 ? [] : [`the volume ${Name}`]),
        ),
    ),
  )
  return { removed: outcomes.filter((left) => left.length === 0).length, left: outcomes.flat() }
}
