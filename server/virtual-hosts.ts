/** A server of apps alone, as NANO is one: its own paths first, then the apps by their hosts (worker-runtime §§3, 5, 8). */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { createRoutingServer, hasBadHost } from './app-routing.ts'
import type { Metrics } from './metrics.ts'
import { answerClientError } from './plugins/errors.ts'
import type { AppHost } from './ports/apps.ts'

const TIMEOUTS = { requestTimeout: 300_000, keepAliveTimeout: 72_000 }
const HTTP_OPTIONS = {
  headersTimeout: 30_000,
  maxHeaderSize: 64 * 1024,
  requireHostHeader: false,
  joinDuplicateHeaders: true,
}
const OURS = /^\/(?:admin\/|(?:health|healthz|metrics)(?:\?|$))/
/** Told to who asks while we stop. */
const RETRY_AFTER_S = 30

export interface VirtualHostsOptions {
  apps: AppHost
  metrics: Metrics
  /** Answers what is below `/admin/`; absent: nothing is there. */
  admin: ((request: IncomingMessage, response: ServerResponse) => Promise<void>) | undefined
  /** A request that no app answered was answered. */
  onAnswered(request: IncomingMessage, status: number, bytes: number, ms: number): void
}

export interface VirtualHosts {
  server: Server
  /** From now on nothing new is answered but by a 503. The apps are drained by who hosts them. */
  drain(): void
}

export function createVirtualHosts({ apps, metrics, admin, onAnswered }: VirtualHostsOptions): VirtualHosts {
  let isDraining = false

  const server = createRoutingServer(apps, handle, { ...HTTP_OPTIONS, ...TIMEOUTS, ours: OURS })
  // An expectation we do not know may be ignored (RFC 9110 §10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('clientError', (error, socket) => answerClientError(error, socket as Socket))

  function handle(request: IncomingMessage, response: ServerResponse): void {
    const startedAt = performance.now()
    response.once('close', () => {
      const bytes = Number(response.getHeader('content-length') ?? 0)
      const status = response.writableFinished ? response.statusCode : 0
      onAnswered(request, status, request.method === 'HEAD' ? 0 : bytes, performance.now() - startedAt)
    })
    void answer(request, response)
    request.resume()
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '/' } = request
    const [pathname = ''] = url.split('?')
    const send = (status: number, body: object, headers: Record<string, string> = {}) =>
      sendText(request, response, status, JSON.stringify(body), { 'content-type': 'application/json', ...headers })
    if (pathname.startsWith('/admin/') && !isDraining) {
      if (admin) return await admin(request, response)
      return send(404, { error: 'Not found' })
    }
    if (pathname === '/health' || pathname === '/healthz')
      return isDraining ? send(503, { status: 'draining' }, { connection: 'close' }) : send(200, { status: 'ok' })
    if (pathname === '/metrics')
      return sendText(request, response, 200, await metrics.text(), { 'content-type': metrics.contentType })
    if (isDraining) {
      const headers = { 'retry-after': String(RETRY_AFTER_S), connection: 'close' }
      return send(503, { error: 'Service draining', retry_after_s: RETRY_AFTER_S }, headers)
    }
    if (hasBadHost(request)) return send(400, { error: 'Invalid Host header' })
    if (!url.startsWith('/')) return send(400, { error: 'Invalid target' })
    if (apps.status().length > 0) return send(404, { error: 'No app configured for this host' })
    sendText(request, response, 200, 'Hello from NANO!\n', { 'content-type': 'text/plain' })
  }

  return {
    server,
    drain() {
      isDraining = true
    },
  }
}

function sendText(
  { method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string>,
): void {
  response.statusCode = status
  response.setHeaders(new Map(Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(text)) })))
  response.end(method === 'HEAD' ? undefined : text)
}
