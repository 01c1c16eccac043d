/** Opens the gateway's listener and closes it again without cutting what is being answered. */
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { HyperError } from './error.ts'

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
  const silent = trackSilent(app.server)
  const address = app.server.address() as AddressInfo
  let closing: Promise<void> | undefined
  return {
    host,
    tcpPort: address.port,
    url: `http://${reachable(host)}:${address.port}`,
    close(drainMs = DRAIN_MS) {
      closing ??= (async () => {
        const cut = setTimeout(() => app.server.closeAllConnections(), drainMs)
        const sweep = setInterval(() => {
          app.server.closeIdleConnections()
          for (const socket of silent) socket.destroy()
        }, IDLE_SWEEP_MS)
        await app.close()
        clearTimeout(cut)
        clearInterval(sweep)
      })()
      return closing
    },
  }
}

/** Connections that have asked nothing yet, such as a browser's spare ones: to Node they are not idle. */
function trackSilent(server: Server): ReadonlySet<Socket> {
  const silent = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  server.on('request', ({ socket }) => silent.delete(socket))
  return silent
}

function reachable(host: string): string {
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
