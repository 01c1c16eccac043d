/** The two kinds of server the gateway listens with. They answer alike: what holds for one holds for the other. */
import type { IncomingMessage, ServerOptions, ServerResponse } from 'node:http'
import { createServer, type Server as SecureServer } from 'node:https'
import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { GatewayResponse } from './response.ts'

export const HTTP_OPTIONS = {
  ServerResponse: GatewayResponse as unknown as typeof ServerResponse,
  headersTimeout: 30_000,
  maxHeaderSize: 64 * 1024,
  requireHostHeader: false, // Node's own refusal has no body
  joinDuplicateHeaders: true, // not the first of two hosts, types or tokens: neither
} satisfies ServerOptions

/** Both as PEM text; `cert` may hold a chain. */
export interface Certificate {
  cert: string
  key: string
}

/** What a server shows of itself. */
export interface Identity extends Certificate {
  /** Another certificate for a client that asks for this name; nothing: the same one. */
  certificateFor?: ((name: string) => Promise<Certificate> | undefined) | undefined
}

/** An HTTPS server for what the gateway's own HTTP server answers. @throws what OpenSSL says of the certificate */
export function createSecureServer(
  app: FastifyInstance,
  { cert, key, certificateFor = () => undefined }: Identity,
): SecureServer {
  const { requestTimeout, keepAliveTimeout } = app.server
  const { shouldUpgradeCallback } = app.server as { shouldUpgradeCallback?: (request: IncomingMessage) => boolean }
  const server = createServer({
    ...HTTP_OPTIONS,
    cert,
    key,
    SNICallback(name, done) {
      Promise.resolve(certificateFor(name)).then((other) => done(null, other && createSecureContext(other)), done)
    },
    requestTimeout,
    keepAliveTimeout,
    handshakeTimeout: HTTP_OPTIONS.headersTimeout,
    shouldUpgradeCallback: (request) => shouldUpgradeCallback?.call(app.server, request) ?? false,
  })
  server.on('upgrade', (request, socket, head) => app.server.emit('upgrade', request, socket, head))
  for (const event of ['request', 'checkExpectation']) {
    server.on(event, (request, response) => app.server.emit(event, request, response))
  }
  server.on('clientError', (error: Error & { code?: string }, socket: Socket) => {
    // Without a handshake there is no way to tell them.
    if (/^ERR_(SSL|TLS)_/.test(error.code ?? '')) socket.destroy()
    else app.server.emit('clientError', error, socket)
  })
  return server
}
