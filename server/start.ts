/** Opens the gateway's listeners and closes them again without cutting what is being answered. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { Server as SecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { HyperError } from './error.ts'
import { createSecureServer, type Identity } from './http-server.ts'

export interface Listener {
  host: string
  tcpPort: number
  /** Where a client on this machine reaches it. */
  url: string
  /** Stops accepting, lets open requests finish for at most `drainMs`, then cuts them. Safe to repeat. */
  close(drainMs?: number): Promise<void>
}

const DRAIN_MS = 2_000
/** How often connections that became idle while draining are looked for. */
const IDLE_SWEEP_MS = 20

/** @param tcpPort 0 takes a free one. @throws ADDRESS_IN_USE */
export async function listen(app: FastifyInstance, host: string, tcpPort: number): Promise<Listener> {
  try {
    await app.listen({ host, port: tcpPort })
  } catch (cause) {
    throw listenError(cause, host, tcpPort)
  }
  return listener('http', app.server, host, trackSilent(app.server), () => app.close())
}

/**
 * HTTPS beside `listen`: the same app, to be closed together with it.
 *
 * @param tcpPort 0 takes a free one. @throws ADDRESS_IN_USE
 */
export async function listenSecurely(
  app: FastifyInstance,
  host: string,
  tcpPort: number,
  identity: Identity,
): Promise<Listener> {
  const server = createSecureServer(app, identity)
  await open(server, host, tcpPort)
  return listener('https', server, host, trackSilentSecure(server), () => closed(server))
}

/** A server that is no gateway's. @param tcpPort 0 takes a free one. @throws ADDRESS_IN_USE */
export async function listenWith(server: Server, host: string, tcpPort: number): Promise<Listener> {
  await open(server, host, tcpPort)
  return listener('http', server, host, trackSilent(server), () => closed(server))
}

async function open(server: Server | SecureServer, host: string, tcpPort: number): Promise<void> {
  try {
    server.listen({ host, port: tcpPort })
    await once(server, 'listening')
  } catch (cause) {
    throw listenError(cause, host, tcpPort)
  }
}

async function closed(server: Server | SecureServer): Promise<void> {
  server.close()
  await once(server, 'close')
}

function listener(
  protocol: 'http' | 'https',
  server: Server | SecureServer,
  host: string,
  silent: () => Iterable<Socket>,
  stop: () => Promise<void>,
): Listener {
  const { port } = server.address() as AddressInfo
  let closing: Promise<void> | undefined
  return {
    host,
    tcpPort: port,
    url: `${protocol}://${reachable(host)}:${port}`,
    close(drainMs = DRAIN_MS) {
      closing ??= (async () => {
        const cut = setTimeout(() => server.closeAllConnections(), drainMs)
        const sweep = setInterval(() => {
          server.closeIdleConnections()
          for (const socket of silent()) socket.destroy()
        }, IDLE_SWEEP_MS)
        await stop()
        clearTimeout(cut)
        clearInterval(sweep)
      })()
      return closing
    },
  }
}

/** Connections that have asked nothing yet, such as a browser's spare ones: to Node they are not idle. */
function trackSilent(server: Server | SecureServer, event = 'connection'): () => Iterable<Socket> {
  const silent = new Set<Socket>()
  server.on(event, (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.on('request', ({ socket }) => silent.delete(socket))
  return () => silent
}

/** A connection is one object until its handshake is done, and another afterwards: only its two ends are the same. */
function trackSilentSecure(server: SecureServer): () => Iterable<Socket> {
  const silent = trackSilent(server, 'secureConnection')
  const shaking = new Map<string, Socket>()
  const peer = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
  server.on('connection', (socket: Socket) => {
    const name = peer(socket)
    shaking.set(name, socket)
    socket.once('close', () => shaking.delete(name))
  })
  server.on('secureConnection', (socket: Socket) => shaking.delete(peer(socket)))
  return () => [...silent(), ...shaking.values()]
}

/** The address by which a client on this machine reaches who listens on `host`. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function listenError(cause: unknown, host: string, tcpPort: number): unknown {
  const { code } = cause as { code?: string }
  if (code === 'EADDRINUSE' || code === 'EACCES') {
    return new HyperError(
      'ADDRESS_IN_USE',
      `${host}:${tcpPort} ${code === 'EACCES' ? 'may not be listened on' : 'is already in use'}`,
      {
        hint: 'Choose another with --port <n>, or --port 0 for a free one.',
        cause,
        meta: { tcpPort },
      },
    )
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new HyperError('USAGE', `this machine has no address '${host}' to listen on`, {
      hint: 'Use --host 127.0.0.1.',
      cause,
    })
  }
  return cause
}
