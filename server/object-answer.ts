/** An object as an HTTP answer: its type, its version, the range asked for, or that the client has it already. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { parseRange } from './byte-range.ts'
import { meetsConditions, meetsIfRange } from './conditional.ts'
import { downloadType } from './media-type.ts'
import type { ByteRange, StoredObject } from './ports/storage.ts'
import { COMMON_HEADERS, errorText, JSON_TYPE, type RawAnswer } from './response.ts'

/** Types that browsers run scripts of. */
const ACTIVE_TYPE = /html|xml/

/** Uploaded pages are shown, but as strangers: without scripts and without this origin's rights (hyper-api B9). */
const SANDBOXED = `${COMMON_HEADERS['content-security-policy']};sandbox`

/** @throws PRECONDITION_FAILED */
export async function objectAnswer(
  stored: StoredObject,
  method: string,
  headers: IncomingHttpHeaders,
): Promise<RawAnswer> {
  const { etag, size } = stored
  const version = { etag, 'last-modified': new Date(stored.modified).toUTCString() }
  if (!meetsConditions(headers, stored, true)) return { status: 304, headers: version }

  const isHead = method === 'HEAD'
  const range = isHead ? undefined : chosenRange(headers, stored)
  if (range === 'unsatisfiable') return unsatisfiable(size)

  const type = downloadType(stored.object, stored.mediaType)
  const answerHeaders: OutgoingHttpHeaders = {
    'content-type': type,
    'content-length': range ? range.end - range.start + 1 : size,
    'accept-ranges': 'bytes',
    ...version,
  }
  if (ACTIVE_TYPE.test(type)) answerHeaders['content-security-policy'] = SANDBOXED
  if (range) answerHeaders['content-range'] = `bytes ${range.start}-${range.end}/${size}`
  return {
    status: range ? 206 : 200,
    headers: answerHeaders,
    ...(isHead ? {} : { body: await stored.read(range) }),
  }
}

function chosenRange(headers: IncomingHttpHeaders, stored: StoredObject): ByteRange | 'unsatisfiable' | undefined {
  if (headers.range === undefined || !meetsIfRange(headers, stored)) return undefined
  return parseRange(headers.range, stored.size)
}

function unsatisfiable(size: number): RawAnswer {
  const text = errorText(416, `the range lies outside the object, which has ${size} bytes`)
  return {
    status: 416,
    headers: {
      'content-type': JSON_TYPE,
      'content-length': Buffer.byteLength(text),
      'content-range': `bytes */${size}`,
    },
    body: Buffer.from(text),
  }
}
