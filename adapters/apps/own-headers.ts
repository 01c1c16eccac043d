/** Headers between our own processes; a client's of these names are dropped at the gateway. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** What their names begin with, in lower case. */
export const OWN_HEADER = 'x-hyper-sandbox-'
/** Proves that a request comes from a process of the same sandbox. */
export const KEY_HEADER = `${OWN_HEADER}key`
/** The app that a request is for. */
export const APP_HEADER = `${OWN_HEADER}app`

/** @returns whether a request has the key, found out in the same time for every wrong one */
export function keyCheck(key: string): (request: IncomingMessage) => boolean {
  const expected = digestOf(key)
  return ({ headers }) => timingSafeEqual(digestOf(String(headers[KEY_HEADER] ?? '')), expected)
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
