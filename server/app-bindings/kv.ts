/** KV bindings of apps on the cache service: what workerd asks of a namespace, answered from one store (worker-runtime §12.3). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { HyperError } from '../error.ts'
import { decode } from '../json-text.ts'
import type { CacheEntry } from '../ports/cache.ts'
import type { Services } from '../services.ts'
import { readBody } from './body.ts'
import { decodeKey, encodeKey } from './kv-key.ts'
import { decodeValue, encodeValue, type KvValue } from './kv-value.ts'
import { madeOnFirstUse } from './made-on-first-use.ts'

type Cache = NonNullable<Services['cache']>

const METADATA_HEADER = 'cf-kv-metadata'
/** Workers' limits. */
const MAX_VALUE_BYTES = 25 * 1024 * 1024
const MAX_METADATA_BYTES = 1024
const MAX_LISTED = 1_000
const MAX_BULK_KEYS = 100
const MIN_TTL_S = 60

/** Answers for one store; the store is made when it is not there. */
export type KvHandler = (store: string, request: IncomingMessage, response: ServerResponse) => Promise<void>

/** What it throws is a HyperError; workerd shows the app its status and message. */
export function createKv(cache: Cache): KvHandler {
  const inStore = madeOnFirstUse('STORE_NOT_FOUND', (store) => cache.createStore({ store }))

  async function read(store: string, key: string): Promise<KvValue | undefined> {
    try {
      return decodeValue(decode(await inStore(store, () => cache.getDoc({ store, key: encodeKey(key) }))))
    } catch (error) {
      if (error instanceof HyperError && error.code === 'KEY_NOT_FOUND') return undefined
      throw error
    }
  }

  async function get(store: string, key: string, response: ServerResponse): Promise<void> {
    const found = await read(store, key)
    if (!found) return void response.writeHead(404).end()
    const headers = found.metadata === undefined ? {} : { 'cf-kv-metadata': headerOf(found.metadata) }
    response.writeHead(200, { ...headers, 'content-length': found.bytes.length }).end(found.bytes)
  }

  async function put(store: string, key: string, query: URLSearchParams, request: IncomingMessage): Promise<void> {
    const metadata = textOfHeader(request.headers[METADATA_HEADER])
    if (metadata !== undefined && Buffer.byteLength(metadata) > MAX_METADATA_BYTES) {
      throw new HyperError('PAYLOAD_TOO_LARGE', `metadata is longer than ${MAX_METADATA_BYTES} bytes`)
    }
    const now = Date.now()
    const expiration = expirationOf(query, Math.floor(now / 1000))
    const bytes = await readBody(request, MAX_VALUE_BYTES)
    const value = encodeValue({ bytes, metadata, expiration })
    const ttlMs = expiration === undefined ? undefined : expiration * 1000 - now
    await inStore(store, () => cache.updateDoc({ store, key: encodeKey(key), value, ttlMs }))
  }

  async function list(store: string, query: URLSearchParams): Promise<object> {
    const most = Math.min(MAX_LISTED, Number(query.get('key_count_limit') ?? MAX_LISTED))
    const after = Buffer.from(query.get('cursor') ?? '', 'base64url')
    const pattern = `${encodeKey(query.get('prefix') ?? '')}*`
    const keys: { name: string; bytes: Buffer; expiration?: number; metadata?: string }[] = []
    let page = await inStore(store, () => cache.listDocs({ store, pattern }))
    for (;;) {
      for (const item of page.items) {
        const { key, value } = decode<CacheEntry>(item)
        const name = decodeKey(key)
        const bytes = Buffer.from(name)
        if (after.length > 0 && bytes.compare(after) <= 0) continue
        const { metadata, expiration } = decode(value) as Pick<KvValue, 'metadata' | 'expiration'>
        keys.push({ name, bytes, ...(expiration && { expiration }), ...(metadata && { metadata }) })
      }
      if (!page.next) break
      page = await page.next()
    }
    // The service's order is that of the encoded keys.
    keys.sort((a, b) => a.bytes.compare(b.bytes))
    const listed = keys.slice(0, most)
    const isComplete = listed.length === keys.length
    return {
      keys: listed.map(({ bytes: _, ...key }) => key),
      list_complete: isComplete,
      ...(isComplete ? {} : { cursor: listed.at(-1)?.bytes.toString('base64url') }),
    }
  }

  async function getMany(store: string, request: IncomingMessage): Promise<object> {
    const asked = JSON.parse((await readBody(request, MAX_VALUE_BYTES)).toString())
    const { keys, type, withMetadata } = asked as { keys: string[]; type?: 'text' | 'json'; withMetadata?: boolean }
    if (keys.length > MAX_BULK_KEYS) throw new HyperError('BAD_REQUEST', `over ${MAX_BULK_KEYS} keys at once`)
    const values = await Promise.all(
      keys.map(async (key) => {
        const found = await read(store, key)
        if (!found) return [key, null]
        const text = found.bytes.toString()
        const value = type === 'json' ? JSON.parse(text) : text
        const metadata = found.metadata === undefined ? null : JSON.parse(found.metadata)
        return [key, withMetadata ? { value, metadata } : value]
      }),
    )
    return Object.fromEntries(values)
  }

  return async (store, request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://kv')
    const key = decodeURIComponent(pathname.slice(1))
    const { method } = request
    if (method === 'POST' && pathname === '/bulk/get') return sendJson(response, await getMany(store, request))
    if (method === 'GET' && key === '') return sendJson(response, await list(store, searchParams))
    if (method === 'GET') return get(store, key, response)
    if (method === 'PUT') await put(store, key, searchParams, request)
    else if (method === 'DELETE') await inStore(store, () => cache.deleteDoc({ store, key: encodeKey(key) }))
    else throw new HyperError('ROUTE_NOT_FOUND', `KV has no ${method} ${pathname}`)
    response.writeHead(200, { 'content-length': 0 }).end()
  }
}

function sendJson(response: ServerResponse, value: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** @returns Unix time in seconds. @throws BAD_REQUEST, in Workers' words */
function expirationOf(query: URLSearchParams, now: number): number | undefined {
  const [ttl, at] = [query.get('expiration_ttl'), query.get('expiration')]
  const expiration = ttl !== null ? now + Number(ttl) : at !== null ? Number(at) : undefined
  if (expiration === undefined) return undefined
  if (!Number.isInteger(expiration) || expiration < now + MIN_TTL_S) {
    const what = ttl !== null ? `expiration_ttl of ${ttl}` : `expiration of ${at}`
    throw new HyperError(
      'BAD_REQUEST',
      `Invalid ${what}. Expiration must be at least ${MIN_TTL_S} seconds in the future.`,
    )
  }
  return expiration
}

/** Headers carry bytes, of UTF-8 here; Node's strings of them are latin1. */
function headerOf(text: string): string {
  return Buffer.from(text).toString('latin1')
}

function textOfHeader(header: string | string[] | undefined): string | undefined {
  return header === undefined ? undefined : Buffer.from(String(header), 'latin1').toString()
}
