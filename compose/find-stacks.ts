/** Every stack on the engine, whichever project made it: for `list`. */

import { partOf, publishedAddress } from './containers.ts'
import type { Engine } from './engine.ts'
import { LABEL } from './labels.ts'
import { GATEWAY_TCP_PORT } from './services/gateway.ts'
import type { Part } from './stack.ts'

export interface FoundStack {
  name: string
  projectDirectory: string
  /** Parts whose containers run. */
  running: Part[]
  /** Parts that have a container or data. */
  parts: Part[]
  /** Of the gateway on this machine, while it runs: `127.0.0.1:6363`. */
  address?: string
}

export async function findStacks({ docker }: Engine): Promise<FoundStack[]> {
  const filters = { label: [LABEL.project] }
  const [containers, { Volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listVolumes({ filters }),
  ])
  const stacks = new Map<string, FoundStack>()
  const stackOf = (labels: Record<string, string>): FoundStack => {
    const name = labels[LABEL.project] ?? ''
    const projectDirectory = labels[LABEL.directory] ?? ''
    const known = stacks.get(name) ?? { name, projectDirectory, running: [], parts: [] }
    stacks.set(name, known)
    const part = partOf(labels)
    if (part !== undefined && !known.parts.includes(part)) known.parts.push(part)
    return known
  }
  for (const container of containers) {
    const stack = stackOf(container.Labels)
    const part = partOf(container.Labels)
    if (part === undefined || container.State !== 'running') continue
    stack.running.push(part)
    const address = part === 'gateway' ? publishedAddress(container, GATEWAY_TCP_PORT) : undefined
    if (address !== undefined) stack.address = address
  }
  for (const { Labels } of Volumes ?? []) if (Labels) stackOf(Labels)
  return [...stacks.values()].sort((a, b) => a.name.localeCompare(b.name))
}
