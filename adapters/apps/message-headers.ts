/** Headers on their way to an app and back; names and values in turns, as they come and as undici takes them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { OWN_HEADER } from './own-headers.ts'
import type { Upstream } from './upstream.ts'

/** About one connection, not about the message (RFC 9110 §7.6.1); and what undici says itself. */
const HOP_BY_HOP = new Set(
  'connection keep-alive proxy-connection te trailer transfer-encoding upgrade expect http2-settings'.split(' '),
)
const PROTO_HEADER = `${OWN_HEADER}proto`

/** @param isPassedOn the request came through a gateway of ours: what that says of the client stands */
export function requestHeaders(
  request: IncomingMessage,
  isPassedOn: boolean | undefined,
  { headers: own }: Upstream,
): string[] {
  const headers = isPassedOn ? passedOnHeaders(request) : clientHeaders(request)
  if (own) headers.push(...own)
  return headers
}

function passedOnHeaders({ rawHeaders }: IncomingMessage): string[] {
  const headers: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, rawHeaders[at + 1] as string)
  }
  return headers
}

/** The same with what the app is told of a client that called us. */
function clientHeaders(request: IncomingMessage): string[] {
  const { rawHeaders, socket } = request
  const headers: string[] = []
  let forwardedFor = socket.remoteAddress ?? ''
  // HTTP/1.0 asks for none; what an app sees of its own address is NANO's.
  if (request.headers.host === undefined) headers.push('host', 'localhost')
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    const value = rawHeaders[at + 1] as string
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || lower.startsWith(OWN_HEADER)) continue
    if (lower === 'x-forwarded-for') {
      forwardedFor = `${value}, ${forwardedFor}`
      continue
    }
    if (lower === 'x-forwarded-proto' || lower === 'x-forwarded-host') continue
    headers.push(name, value)
  }
  const proto = 'encrypted' in socket ? 'https' : 'http'
  headers.push('x-forwarded-for', forwardedFor, 'x-forwarded-host', request.headers.host ?? '')
  headers.push('x-forwarded-proto', proto)
  // Without it, the app sees that it was called by plain HTTP.
  if (proto === 'https') headers.push(PROTO_HEADER, proto)
  return headers
}

export interface AnswerHead {
  headers: string[]
  /** Undefined where the app did not say. */
  length: number | undefined
}

export function answerHead(raw: readonly Buffer[], response: ServerResponse): AnswerHead {
  const headers: string[] = []
  let length: number | undefined
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as Buffer).toString('latin1')
    const value = (raw[at + 1] as Buffer).toString('latin1')
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower)) continue
    if (lower === 'content-length') length = Number(value)
    headers.push(name, value)
  }
  if (!response.shouldKeepAlive) headers.push('connection', 'close')
  return { headers, length }
}
