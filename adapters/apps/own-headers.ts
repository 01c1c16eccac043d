/** Headers between our own processes; a client's of these names are dropped at the gateway. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

const OWN_HEADER = 'x-hyper-sandbox-'
/** Proves that a request comes from a process of the same sandbox. */
export const KEY_HEADER = `${OWN_HEADER}key`
/** The app that a request is for. */
export const APP_HEADER = `${OWN_HEADER}app`

export function hasKey({ headers }: IncomingMessage, key: string): boolean {
  return timingSafeEqual(digestOf(String(headers[KEY_HEADER] ?? '')), digestOf(key))
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** What was for us alone; the rest is passed on. */
export function dropHeaders(request: IncomingMessage, names: readonly string[]): void {
  request.rawHeaders = request.rawHeaders.filter(
    (_, at, all) => !names.includes((all[at - (at % 2)] as string).toLowerCase()),
  )
}
