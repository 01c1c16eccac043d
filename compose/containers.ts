/** The containers of one stack, found by their labels. */

import type Docker from 'dockerode'
import type { ContainerInfo } from 'dockerode'
import { COMPOSE_LABEL, LABEL } from './labels.ts'
import { PARTS, type Part } from './stack.ts'

/** All of the Compose project, those of included files too, running or not. */
export async function stackContainers(docker: Docker, project: string): Promise<ContainerInfo[]> {
  return await docker.listContainers({ all: true, filters: { label: [`${COMPOSE_LABEL.project}=${project}`] } })
}

/** Which part a container is; nothing for one of an included file. */
export function partOf(labels: Record<string, string> | undefined): Part | undefined {
  const service = labels?.[LABEL.service]
  return PARTS.find((part) => part === service)
}

/** Where the host reaches what the container publishes, as it is, not as it was asked for. */
export function publishedAddress({ Ports }: Pick<ContainerInfo, 'Ports'>, tcpPort: number): string | undefined {
  const published = Ports.find(({ PrivatePort, PublicPort }) => PrivatePort === tcpPort && PublicPort)
  if (!published) return undefined
  const { IP, PublicPort } = published
  return `${IP.includes(':') ? `[${IP}]` : IP}:${PublicPort}`
}

/** The engine's refusal where another has done the same before, or does it now. */
export function ignoreGone(error: { statusCode?: number }): void {
  if (error.statusCode !== 404 && error.statusCode !== 409 && error.statusCode !== 304) throw error
}

/** The TCP port of this machine that leads to one of the gateway's, while it runs. */
export function boundTcpPort(containers: readonly ContainerInfo[], tcpPort: number): number | undefined {
  const gateway = containers.find(({ Labels }) => partOf(Labels) === 'gateway')
  return gateway?.Ports.find(({ PrivatePort, PublicPort }) => PrivatePort === tcpPort && PublicPort)?.PublicPort
}
