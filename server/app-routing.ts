/** Which requests are an app's: they pass the gateway by, whole and unread (design §8). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { HTTP_OPTIONS } from './http-server.ts'
import type { AppHost } from './ports/apps.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** Ours for any host, as NANO has it. */
const OURS = /^\/(?:health|healthz|metrics)(?:\?|$)/
/** Where no host can be set: `/_app/<name>/<path>`. */
const BY_PATH = /^\/_app\/([^/?#]+)(?=[/?#]|$)/

/** A server whose requests go to apps by their `Host`, and to `handler` otherwise. */
export function createRoutingServer(
  apps: Pick<AppHost, 'find' | 'handle' | 'upgrade' | 'status'>,
  handler: Handler,
  { requestTimeout, keepAliveTimeout }: { requestTimeout: number; keepAliveTimeout: number },
): Server {
  const appOf = (request: IncomingMessage): string | undefined => {
    const { url = '/', headers } = request
    if (OURS.test(url)) return undefined
    const name = apps.find(headers.host)
    if (name !== undefined || !url.startsWith('/_app/')) return name
    const [prefix = '', encoded = ''] = BY_PATH.exec(url) ?? []
    const named = decoded(encoded)
    if (!apps.status().some((app) => app.name === named)) return undefined
    const rest = url.slice(prefix.length)
    request.url = rest.startsWith('/') ? rest : `/${rest}`
    return named
  }
  const options = {
    ...HTTP_OPTIONS,
    requestTimeout,
    keepAliveTimeout,
    // Other protocols that a client offers, such as h2c, are not taken up.
    shouldUpgradeCallback: (request: IncomingMessage) =>
      /^websocket$/i.test(request.headers.upgrade ?? '') && appOf(request) !== undefined,
  }
  const server = createServer(options, (request, response) => {
    const app = appOf(request)
    if (app === undefined) handler(request, response)
    else apps.handle(app, request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const app = appOf(request)
    if (app === undefined) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    else apps.upgrade(app, request, socket, head)
  })
  return server
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
