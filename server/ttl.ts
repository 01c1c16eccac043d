/** Time to live as hyper's clients write it (hyper-api §5.2), in milliseconds. */
import ms from 'ms'
import { HyperError } from './error.ts'

/**
 * @param ttl a duration such as `"1 day"`, `"500"` or `500` (milliseconds)
 * @returns milliseconds from now, possibly negative; undefined: lives for ever
 * @throws TTL_INVALID for anything that is no duration (B16)
 */
export function parseTtl(ttl: unknown): number | undefined {
  if (ttl === undefined || ttl === null || ttl === '' || ttl === 0 || ttl === false) return undefined
  const milliseconds = typeof ttl === 'number' ? ttl : typeof ttl === 'string' ? parseDuration(ttl) : Number.NaN
  if (!Number.isFinite(milliseconds)) {
    throw new HyperError('TTL_INVALID', `ttl is not a duration such as "1 day", "500" or 500: ${excerpt(ttl)}`)
  }
  return Math.min(Math.ceil(milliseconds), Number.MAX_SAFE_INTEGER)
}

function parseDuration(text: string): number {
  // ms throws past 100 characters and answers undefined for what it cannot read
  return text.length > 100 ? Number.NaN : ((ms as (text: string) => number | undefined)(text) ?? Number.NaN)
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
