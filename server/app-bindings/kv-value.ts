/** A KV value as a JSON object of the cache service: text as text, so that it is readable there, other bytes as base64. */
import type { CacheValue } from '../ports/cache.ts'

export interface KvValue {
  bytes: Buffer
  /** JSON text, as workerd sends and expects it. */
  metadata?: string | undefined
  /** Unix time in seconds. */
  expiration?: number | undefined
}

export function encodeValue({ bytes, metadata, expiration }: KvValue): CacheValue {
  const text = textOf(bytes)
  return {
    ...(text === undefined ? { base64: bytes.toString('base64') } : { value: text }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(expiration === undefined ? {} : { expiration }),
  }
}

export function decodeValue(stored: CacheValue): KvValue {
  const { value, base64, metadata, expiration } = stored as Record<string, string | undefined> & { expiration?: number }
  return {
    bytes: base64 === undefined ? Buffer.from(value ?? '') : Buffer.from(base64, 'base64'),
    metadata,
    expiration,
  }
}

function textOf(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
