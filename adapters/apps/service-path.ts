/** What of the gateway an app may ask for: the hyper services, and none of what is for people and their tools (design §§8, 11). */

import { decodedText } from '../../server/ports/url-text.ts'

const NOT_SERVICES = new Set(['admin', 'metrics', 'readyz', 'docs', 'openapi.json'])
/** URLs that are good for one object. */
const SIGNED = '_signed'

export function isServicePath(url: string): boolean {
  const [, encoded = ''] = /^\/*([^/?#;]*)/.exec(url) ?? []
  const first = decodedText(encoded).toLowerCase()
  return first === SIGNED || !(first.startsWith('_') || NOT_SERVICES.has(first))
}
