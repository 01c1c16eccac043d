/** Opens the gateway's listener and closes it again without cutting what is being answered. */
import type { AddressInfo } from 'node:net'
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

/** @param tcpPort 0 takes a free one. @throws ADDRESS_IN_USE */
export async function listen(app: FastifyInstance, host: string, tcpPort: number): Promise<Listener> {
  try {
    await app.listen({ host, port: tcpPort })
  } catch (cause) {
    throw listenError(cause, host, tcpPort)
  }
  const address = app.server.address() as AddressInfo
  let closing: Promise<void> | undefined
  return {
    host,
    tcpPort: address.port,
    url: `http://${reachable(host)}:${address.port}`,
    close(drainMs = DRAIN_MS) {
      closing ??= (async () => {
        const cut = setTimeout(() => app.server.closeAllConnections(), drainMs)
        await app.close()
        clearTimeout(cut)
      })()
      return closing
    },
  }
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
