/**
 * An app's static files (design §9): served as they are before the app is asked, and never from outside their directory, whatever a
 * path or a link in it says.
 */
import { type BigIntStats, createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { join, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseRange } from './byte-range.ts'
import { meetsConditions, meetsIfRange } from './conditional.ts'
import type { HyperError } from './error.ts'
import { downloadType } from './media-type.ts'

interface Found {
  file: string
  size: number
  /** Strong, quoted. */
  etag: string
  /** Unix time in milliseconds. */
  modified: number
}

/**
 * @param root absolute directory
 * @returns the status it answered with and how many bytes; nothing where no file is meant
 */
export async function serveAsset(
  root: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<{ status: number; bytes: number } | undefined> {
  const { method, url = '/', headers } = request
  if (method !== 'GET' && method !== 'HEAD') return undefined
  const [path = '/', query] = url.split(/\?(.*)/s)
  const place = placeOf(path)
  const found = place === undefined ? undefined : await find(root, place)
  if (found === undefined) return undefined
  if (found === 'directory') {
    // Its links are relative to it.
    return answer(response, 307, {
      location: `${path.replace(/^\/{2,}/, '/')}/${query === undefined ? '' : `?${query}`}`,
    })
  }
  const known = { etag: found.etag, 'cache-control': 'public, max-age=0, must-revalidate' }
  try {
    if (!meetsConditions(headers, found, true)) return answer(response, 304, known)
  } catch (error) {
    return answer(response, (error as HyperError).status, known)
  }
  const { size, file } = found
  const range = headers.range && meetsIfRange(headers, found) ? parseRange(headers.range, size) : undefined
  if (range === 'unsatisfiable') return answer(response, 416, { 'content-range': `bytes */${size}` })
  const bytes = range ? range.end - range.start + 1 : size
  writeHead(response, range ? 206 : 200, {
    ...known,
    'content-type': downloadType(file, undefined),
    'content-length': bytes,
    'accept-ranges': 'bytes',
    'last-modified': new Date(found.modified).toUTCString(),
    'x-content-type-options': 'nosniff',
    ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${size}` } : {}),
  })
  if (method === 'HEAD' || bytes === 0) response.end()
  // Whoever has left, or a file that was cut meanwhile, ends it: nobody can be told more.
  else await pipeline(createReadStream(file, range ?? { end: size - 1 }), response).catch(() => response.destroy())
  return { status: response.statusCode, bytes: method === 'HEAD' ? 0 : bytes }
}

/** @returns a relative path; nothing for one that no file can have, or that is hidden */
function placeOf(path: string): string | undefined {
  let decoded: string
  try {
    decoded = decodeURIComponent(path)
  } catch {
    return undefined
  }
  const segments = decoded.split('/')
  const isHidden = segments.some((segment) => segment.startsWith('.') && segment !== '.well-known')
  return !decoded.startsWith('/') || isHidden || /[\\\0]/.test(decoded) ? undefined : decoded
}

/** The file itself, a page without its `.html`, or a directory's index. */
async function find(root: string, place: string): Promise<Found | 'directory' | undefined> {
  if (place.endsWith('/')) return await fileAt(root, `${place}index.html`)
  const file = (await fileAt(root, place)) ?? (await fileAt(root, `${place}.html`))
  if (file) return file
  return (await fileAt(root, `${place}/index.html`)) ? 'directory' : undefined
}

async function fileAt(root: string, place: string): Promise<Found | undefined> {
  try {
    const [top, file] = await Promise.all([realpath(root), realpath(join(root, place))])
    if (!file.startsWith(top + sep)) return undefined
    const found = await stat(file, { bigint: true })
    return found.isFile()
      ? { file, size: Number(found.size), etag: etagOf(found), modified: Number(found.mtimeMs) }
      : undefined
  } catch {
    return undefined
  }
}

function etagOf({ size, mtimeNs, ino }: BigIntStats): string {
  return `"${[size, mtimeNs, ino].map((part) => part.toString(36)).join('-')}"`
}

/** Flat, as an app's own head is: the gateway adds nothing to it. */
function writeHead(response: ServerResponse, status: number, headers: OutgoingHttpHeaders): ServerResponse {
  return response.writeHead(status, Object.entries(headers).flat() as string[])
}

function answer(response: ServerResponse, status: number, headers: OutgoingHttpHeaders) {
  writeHead(response, status, { ...headers, ...(status === 304 ? {} : { 'content-length': 0 }) }).end()
  return { status, bytes: 0 }
}
