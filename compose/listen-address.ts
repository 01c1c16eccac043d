/** The TCP port that a stack's gateway will have on this machine. */
import { createServer } from 'node:net'
import type { ContainerInfo } from 'dockerode'
import { HyperError } from '../server/error.ts'
import { partOf } from './containers.ts'
import type { StackConfig } from './stack.ts'

/** @param last the TCP port this stack had before */
export async function chooseTcpPort(
  { listen }: StackConfig,
  containers: readonly ContainerInfo[],
  last: number | undefined,
): Promise<number> {
  const host = listen.host === 'localhost' ? '127.0.0.1' : listen.host
  const held = containers.flatMap(({ Labels, Ports }) => (partOf(Labels) === 'gateway' ? Ports : []))
  const isOurs = (tcpPort: number) => held.some(({ PublicPort }) => PublicPort === tcpPort)
  const check = async (tcpPort: number) => {
    if (!isOurs(tcpPort)) await checkFree(host, tcpPort)
  }
  if (listen.httpsTcpPort !== undefined) await check(listen.httpsTcpPort)
  if (listen.tcpPort !== 0) {
    await check(listen.tcpPort)
    return listen.tcpPort
  }
  if (last === undefined) return await freeTcpPort(host)
  return await check(last).then(
    () => last,
    () => freeTcpPort(host),
  )
}

/** Another one that is free now. */
export async function freeTcpPort(host: string): Promise<number> {
  return await listenFor(host, 0)
}

/** @throws ADDRESS_IN_USE. What else stands in the way is Docker's to say: it may do what this process may not. */
export async function checkFree(host: string, tcpPort: number): Promise<void> {
  try {
    await listenFor(host, tcpPort)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') return
    throw new HyperError('ADDRESS_IN_USE', `${host}:${tcpPort} is in use`, {
      hint: 'Take a free port with --port 0, or another with --port <n>.',
      cause,
      meta: { tcpPort },
    })
  }
}

function listenFor(host: string, tcpPort: number): Promise<number> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port: tcpPort, exclusive: true }, () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
