import type { IncomingMessage } from 'node:http'

/** What clients send as it is, and workerd refuses. */
const UNESCAPED = /["<>`]/
const ALL_UNESCAPED = new RegExp(UNESCAPED, 'g')

/** The request's target as an app's process takes it. */
export function targetOf({ url = '/' }: IncomingMessage): string {
  if (!UNESCAPED.test(url)) return url
  return url.replace(ALL_UNESCAPED, encodeURIComponent)
}
