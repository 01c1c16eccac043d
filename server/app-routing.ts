/** Which requests are an app's: they pass the gateway by, whole and unread (design §8, worker-runtime §3). */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AppHost } from './ports/apps.ts'
import { hostnameOf } from './ports/hostnames.ts'
import { decodedText } from './ports/url-text.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface RoutingOptions extends ServerOptions {
  /** Paths, with their query, that are ours for any host. */
  ours: RegExp
  /** An app can also be reached where no host can be set: `/_app/<name>/<path>`. */
  byPath?: boolean
}

const BY_PATH = /^\/_app\/([^/?#]+)(?=[/?#]|$)/
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/is
const MAX_TARGET_LENGTH = 16 * 1024

/** A server whose requests go to apps by their `Host`, and to `handler` otherwise; also those that no host may have sent. */
export function createRoutingServer(
  apps: Pick<AppHost, 'find' | 'handle' | 'has' | 'upgrade'>,
  handler: Handler,
  { ours, byPath = false, ...options }: RoutingOptions,
): Server {
  const appOf = (request: IncomingMessage): string | undefined => {
    readTarget(request)
    const { url = '/', headers, httpVersion } = request
    if (ours.test(url) || !url.startsWith('/')) return undefined
    if (headers.host === undefined && httpVersion !== '1.0') return undefined
    const name = apps.find(headers.host)
    if (name !== undefined || !byPath || !url.startsWith('/_app/') || hasBadHost(request)) return name
    const [prefix = '', encoded = ''] = BY_PATH.exec(url) ?? []
    const named = decodedText(encoded)
    if (!apps.has(named)) return undefined
    const rest = url.slice(prefix.length)
    request.url = rest.startsWith('/') ? rest : `/${rest}`
    return named
  }
  /** Finding the app may change the request's target, and so is done once. */
  const upgrading = new WeakMap<IncomingMessage, string>()
  const server = createServer(
    {
      ...options,
      // Other protocols that a client offers, such as h2c, are not taken up.
      shouldUpgradeCallback(request: IncomingMessage) {
        if (!/^websocket$/i.test(request.headers.upgrade ?? '') || isTooLong(request)) return false
        const app = appOf(request)
        if (app !== undefined) upgrading.set(request, app)
        return app !== undefined
      },
    },
    route,
  )
  /** They wait to be told to go on: an app's are when the app is about to take what they send. */
  const waiting = new WeakSet<IncomingMessage>()
  function route(request: IncomingMessage, response: ServerResponse): void {
    if (isTooLong(request)) return void refuseTarget(response)
    const app = appOf(request)
    if (app !== undefined) return void apps.handle(app, request, response)
    if (waiting.has(request)) response.writeContinue()
    handler(request, response)
  }
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    waiting.add(request)
    server.emit('request', request, response)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Before Node 24.9 nobody asks first.
    const app = upgrading.get(request) ?? (isTooLong(request) ? undefined : appOf(request))
    if (app === undefined) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n')
    else apps.upgrade(app, request, socket, head)
  })
  return server
}

/** A host that cannot be one, or is two. */
export function hasBadHost({ headers: { host }, httpVersion }: IncomingMessage): boolean {
  return host === undefined ? httpVersion !== '1.0' : hostnameOf(host) === undefined
}

/** What the target says of the host goes before the header (RFC 9112 §3.2.2). */
function readTarget(request: IncomingMessage): void {
  const { url = '/', rawHeaders } = request
  if (url.startsWith('/')) return
  const [, authority, rest = ''] = ABSOLUTE.exec(url) ?? []
  if (authority === undefined) return
  request.url = rest.startsWith('/') ? rest : `/${rest}`
  request.headers.host = authority
  const at = rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'host')
  if (at < 0) rawHeaders.push('Host', authority)
  else rawHeaders[at + 1] = authority
}

function isTooLong({ url = '' }: IncomingMessage): boolean {
  return url.length > MAX_TARGET_LENGTH
}

function refuseTarget(response: ServerResponse): void {
  const text = '{"error":"URI too long"}'
  response.writeHead(414, { 'content-type': 'application/json', 'content-length': text.length, connection: 'close' })
  response.end(text)
}
