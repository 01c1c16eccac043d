/** The steps of `up`: what there is, what may be, two files written, and Compose to make it so. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { ContainerInfo, VolumeInspectInfo } from 'dockerode'
import { HyperError } from '../server/error.ts'
import { boundTcpPort, ignoreGone, stackContainers } from './containers.ts'
import { dockerCompose } from './docker-compose.ts'
import { checkCompose, type Engine } from './engine.ts'
import { composeFile, envFile, envFileVariables, tcpPortIn } from './generate.ts'
import { readImageLock, writeImageLock } from './image-lock.ts'
import { ensureImages } from './images.ts'
import { checkKeptData, keptByPart, ours, stackVolumes } from './kept-data.ts'
import { COMPOSE_LABEL, type Labels } from './labels.ts'
import { chooseTcpPort } from './listen-address.ts'
import { checkOwner } from './owner.ts'
import { isBackend, type StackImage } from './part.ts'
import { GATEWAY_TCP_PORT } from './services/gateway.ts'
import type { Part, StackConfig } from './stack.ts'
import { takeDown } from './take-down.ts'
import { writeWhole } from './whole-file.ts'

/** How long an `up` that failed may take to remove what it has made. */
const UNDO_MS = 10_000
const LOOKS = 6
const LOOK_MS = 250
const FREE_PORT_ATTEMPTS = 3

export async function startStack(
  engine: Engine,
  config: StackConfig,
  signal: AbortSignal | undefined,
): Promise<{ tcpPort: number; httpsTcpPort?: number }> {
  const { docker } = engine
  const { name, stateDirectory, listen } = config
  makeDirectory(stateDirectory)
  const [{ containers, volumes }, images, network] = await Promise.all([
    findOwn(engine, config),
    ensureImages(engine, config, { onProgress() {}, signal }),
    networkLabels(engine, name),
    checkCompose(engine),
  ])
  const kept = keptByPart(volumes)
  checkKeptData(config, kept, images, readImageLock(stateDirectory).data[name] ?? {})
  const keptLabels = {
    volumes: Object.fromEntries(Object.entries(kept).map(([part, { labels }]) => [part, labels])),
    network,
  }
  const last = lastTcpPort(containers, stateDirectory)
  let tcpPort: number
  try {
    for (let attempt = 1; ; attempt += 1) {
      tcpPort = await chooseTcpPort(config, containers, attempt === 1 ? last : undefined)
      const plan = { config, images, tcpPort, kept: keptLabels }
      writeWhole(join(stateDirectory, '.env'), envFile(plan), 0o600)
      writeWhole(join(stateDirectory, 'compose.yaml'), composeFile(plan))
      try {
        await start(engine, config, containers, signal)
        break
      } catch (error) {
        const isTaken = error instanceof HyperError && error.code === 'ADDRESS_IN_USE'
        if (!isTaken || listen.tcpPort !== 0 || attempt === FREE_PORT_ATTEMPTS) throw error
      }
    }
  } catch (error) {
    // Nothing half-made: what ran before stays, what this start made goes.
    if (containers.length === 0) await undo(docker, name, signal?.aborted ? LOOKS : 1).catch(() => {})
    throw error
  }
  recordData(config, images)
  const bound = boundTcpPort(await stackContainers(docker, name), GATEWAY_TCP_PORT)
  return {
    tcpPort: bound ?? tcpPort,
    ...(listen.httpsTcpPort === undefined ? {} : { httpsTcpPort: listen.httpsTcpPort }),
  }
}

/** What Docker was at when Compose was interrupted still appears a moment later. */
async function undo(docker: Docker, name: string, looks: number): Promise<void> {
  for (let look = 1; ; look += 1) {
    await takeDown(docker, name, { volumes: false, timeoutMs: UNDO_MS })
    if (look >= looks) return
    await sleep(LOOK_MS)
  }
}

interface Own {
  containers: ContainerInfo[]
  volumes: VolumeInspectInfo[]
}

/** What there is of this stack already. @throws CONFIG_INVALID when it is another's */
export async function findOwn({ docker }: Engine, config: StackConfig): Promise<Own> {
  const [containers, volumes] = await Promise.all([
    stackContainers(docker, config.name),
    stackVolumes(docker, config.name),
  ])
  checkOwner(
    config,
    [...containers, ...volumes].map(({ Labels }) => Labels),
  )
  return { containers, volumes }
}

async function networkLabels({ docker }: Engine, project: string): Promise<Labels | undefined> {
  const label = [`${COMPOSE_LABEL.project}=${project}`, `${COMPOSE_LABEL.network}=default`]
  const [network] = await docker.listNetworks({ filters: { label } })
  return network && ours(network.Labels)
}

/** What stands in Compose's way first, then Compose; once more with new containers where the old ones cannot be had again. */
async function start(
  engine: Engine,
  config: StackConfig,
  containers: readonly ContainerInfo[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const { docker } = engine
  await Promise.all(
    containers.map(async ({ Id, State }) => {
      if (State === 'paused') await docker.getContainer(Id).unpause().catch(ignoreGone)
      if (State === 'dead') await docker.getContainer(Id).remove({ force: true }).catch(ignoreGone)
    }),
  )
  const project = {
    engine,
    name: config.name,
    stateDirectory: config.stateDirectory,
    variables: envFileVariables(config),
    include: config.include,
  }
  for (const [attempt, more] of ATTEMPTS.entries()) {
    try {
      await dockerCompose(project, [...UP, ...more], signal)
      return
    } catch (error) {
      const output = (error as HyperError).meta?.output
      const isStale = typeof output === 'string' && IS_STALE.test(output)
      if (signal?.aborted || !isStale || attempt === ATTEMPTS.length - 1) throw error
      await removeUnusedNetworks(engine, config.name)
      await sleep(STALE_MS * (0.5 + Math.random()), undefined, { signal })
    }
  }
}

const UP = ['up', '--detach', '--no-build', '--remove-orphans', '--quiet-pull'] as const

/** Another `up` may be at work on the same containers; when it is not, those that are there cannot be had again. */
const ATTEMPTS = [[], [], ['--force-recreate']] as const
const STALE_MS = 500

/** Containers that name a network or a neighbour that is gone, and names that another `up` has taken at the same moment. */
const IS_STALE =
  /network \S+ not found|is ambiguous|no such (?:container|network)|is marked for removal|already in use by container/i

/** Two `up`s at the same moment make two of one name, which Docker allows and then does not know apart. */
async function removeUnusedNetworks({ docker }: Engine, project: string): Promise<void> {
  const networks = await docker.listNetworks({ filters: { label: [`${COMPOSE_LABEL.project}=${project}`] } })
  if (networks.length < 2) return
  await Promise.all(
    networks.map(({ Id }) =>
      docker
        .getNetwork(Id)
        .remove()
        .catch(() => {}),
    ),
  )
}

/** What it is now, or was before the last `down`. */
function lastTcpPort(containers: readonly ContainerInfo[], stateDirectory: string): number | undefined {
  const bound = boundTcpPort(containers, GATEWAY_TCP_PORT)
  if (bound !== undefined) return bound
  try {
    return tcpPortIn(readFileSync(join(stateDirectory, '.env'), 'utf8'))
  } catch {
    return undefined
  }
}

/** From now on these images are what wrote the data. */
function recordData({ name, stateDirectory }: StackConfig, images: Partial<Record<Part, StackImage>>): void {
  const lock = readImageLock(stateDirectory)
  const before = JSON.stringify(lock)
  for (const [part, { format, version }] of Object.entries(images) as [Part, StackImage][]) {
    if (isBackend(part)) lock.data[name] = { ...lock.data[name], [part]: { format, version } }
  }
  if (JSON.stringify(lock) !== before) writeImageLock(stateDirectory, lock)
}

export function makeDirectory(stateDirectory: string): void {
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 })
}
