/** How answers leave: headers that every response carries, and a weak ETag with its 304 (hyper-api §§1.3, 1.7). */
import { hash } from 'node:crypto'
import { type IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { pipeline, type Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { countStreamed } from './streamed-bytes.ts'

export const COMMON_HEADERS = {
  'content-security-policy':
    "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=15552000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
  'access-control-allow-origin': '*',
  'access-control-allow-credentials': 'true',
} as const

/** What most writes answer. */
export const OK = '{"ok":true}'
const OK_ETAG = etagOf(OK)

export const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * Adds the common headers where the head is written, so that no path around fastify's hooks misses them: its own framework
 * errors, streams, and answers sent before routing.
 */
export class GatewayResponse extends ServerResponse<IncomingMessage> {
  override writeHead(statusCode: number, ...rest: unknown[]): this {
    const last = rest.at(-1)
    // An app's own head, in Node's flat form: it is passed on as it is.
    if (Array.isArray(last)) return super.writeHead(statusCode, last)
    const headers = typeof last === 'object' && last !== null ? (last as OutgoingHttpHeaders) : undefined
    return super.writeHead(statusCode, { ...COMMON_HEADERS, ...headers })
  }

  /** Node joins head and body into one string; ASCII written as latin1 is copied, as UTF-8 it is transcoded. */
  override end(chunk?: unknown, ...rest: unknown[]): this {
    const write = super.end as (...args: unknown[]) => this
    if (typeof chunk === 'string' && Buffer.byteLength(chunk) === chunk.length) {
      return write.call(this, chunk, 'latin1')
    }
    return write.call(this, chunk, ...rest)
  }
}

/** An answer that is no JSON, with all its headers. */
export interface RawAnswer {
  status: number
  headers: OutgoingHttpHeaders
  /** Absent: only the head is sent. */
  body?: Uint8Array | Readable
}

/** A stream is destroyed as soon as the client has left; one that fails cuts the connection, so that nobody takes a part for the whole. */
export function sendRaw(reply: FastifyReply, { status, headers, body }: RawAnswer): FastifyReply {
  const { raw } = reply.hijack()
  raw.writeHead(status, headers)
  if (body === undefined || body instanceof Uint8Array) raw.end(body)
  else if (raw.destroyed)
    body.destroy() // it left while the object was opened, which a pipeline would not notice
  else
    pipeline(
      body.on('data', ({ length }: Uint8Array) => countStreamed(length)),
      raw,
      () => {},
    )
  return reply
}

/** Sends JSON text; 304 without a body when a GET or HEAD already has it. */
export function sendJson(request: FastifyRequest, reply: FastifyReply, status: number, text: string): FastifyReply {
  const etag = text === OK ? OK_ETAG : etagOf(text)
  const known = request.headers['if-none-match']
  reply.header('etag', etag)
  if (known !== undefined && (request.method === 'GET' || request.method === 'HEAD') && matches(known, etag)) {
    return reply.code(304).send()
  }
  return reply.code(status).header('content-type', JSON_TYPE).send(text)
}

function etagOf(text: string): string {
  return `W/"${text.length.toString(16)}-${hash('sha1', text, 'base64').slice(0, 27)}"`
}

/** Weak comparison, as If-None-Match asks for (RFC 9110 §13.1.2). */
function matches(known: string, etag: string): boolean {
  const opaque = etag.slice(2)
  return known === '*' || known.split(',').some((tag) => tag.trim().replace(/^W\//, '') === opaque)
}

/** hyper's error body (hyper-api §0.4), always with `status` (B21). */
export function errorText(status: number, msg: string): string {
  return JSON.stringify({ ok: false, status, msg })
}
