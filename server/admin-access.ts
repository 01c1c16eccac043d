/** Who may administer: this machine itself, or whoever has the token (design §11, worker-runtime §6). */
import type { IncomingMessage } from 'node:http'
import { isSameSecret } from './same-secret.ts'

/** Where one of these is, a proxy on this machine speaks for somebody else. */
const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'] as const

/** A loopback peer that nobody forwarded and no web page sent. */
export function isLocalCall({ headers, socket }: IncomingMessage): boolean {
  if (FORWARDING_HEADERS.some((name) => headers[name] !== undefined) || headers.origin !== undefined) return false
  // A page reads its own origin without an Origin header, but not without this one.
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'none') return false
  return socket.remoteAddress !== undefined && /^(::1|(::ffff:)?127\.)/.test(socket.remoteAddress)
}

export function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const [, bearer] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
  return [bearer, headers['x-admin-key'], headers['x-api-key']].some(
    (given) => typeof given === 'string' && isSameSecret(given, token),
  )
}
