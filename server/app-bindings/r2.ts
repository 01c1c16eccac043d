/**
 * R2 bindings of apps on the storage service: what workerd asks of a bucket (its r2-api.capnp, as JSON), answered from one bucket.
 *
 * Storage keeps an object's bytes, content type, date and entity tag. What it does not keep is refused, never dropped: custom
 * metadata, the other HTTP metadata, customer's keys, uploads in parts.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { parseRange } from '../byte-range.ts'
import { HyperError } from '../error.ts'
import type { ByteRange, ObjectInfo } from '../ports/storage.ts'
import type { Services } from '../services.ts'
import { chunksOf } from './body.ts'
import { madeOnFirstUse } from './made-on-first-use.ts'
import {
  BAD_DIGEST,
  INVALID_ARGUMENT,
  INVALID_NAME,
  INVALID_RANGE,
  preconditionFailed,
  r2Error,
  r2ErrorHeader,
} from './r2-error.ts'
import { headOf } from './r2-head.ts'
import { listR2 } from './r2-list.ts'
import { digestsOf, meetsConditions, type R2Request, r2Request, unkept } from './r2-request.ts'

type Storage = NonNullable<Services['storage']>

const REQUEST_HEADER = 'cf-r2-request'
const SIZE_HEADER = 'cf-r2-metadata-size'
const ERROR_HEADER = 'cf-r2-error'
const MAX_REQUEST_BYTES = 1024 * 1024

export type R2Handler = (bucket: string, request: IncomingMessage, response: ServerResponse) => Promise<void>

/** What it throws is a HyperError, for `r2Failure`. */
export function createR2(storage: Storage): R2Handler {
  const inBucket = madeOnFirstUse('BUCKET_NOT_FOUND', (bucket) => storage.makeBucket({ bucket }))

  async function get(bucket: string, asked: R2Request<'get'>, response: ServerResponse): Promise<void> {
    const stored = await inBucket(bucket, () => storage.getObject({ bucket, object: keyOf(asked.object) }))
    if (!meetsConditions(asked.onlyIf, stored)) {
      // The app is given what there is, without its bytes.
      return sendMetadata(response, headOf(stored), preconditionFailed())
    }
    const range = rangeOf(asked, stored.size)
    const read = range === undefined || range.end >= range.start ? await stored.read(range) : Buffer.alloc(0)
    const length = range ? range.end - range.start + 1 : stored.size
    const metadata = Buffer.from(JSON.stringify({ ...headOf(stored), range: { offset: range?.start ?? 0, length } }))
    response.writeHead(200, { [SIZE_HEADER]: metadata.length, 'content-length': metadata.length + length })
    response.write(metadata)
    if (read instanceof Uint8Array) response.end(read)
    else await pipeline(read, response)
  }

  async function put(bucket: string, asked: R2Request<'put'>, body: AsyncIterable<Uint8Array>): Promise<object> {
    const refused = unkept(asked)
    if (refused !== undefined) throw r2Error(INVALID_ARGUMENT, `storage does not keep ${refused}`)
    // Its body can be read once only: the bucket has to be there.
    await inBucket(bucket, () => storage.listNames({ bucket, prefix: asked.object }))
    const info = await storage.putObject({
      bucket,
      object: keyOf(asked.object),
      mediaType: asked.httpFields?.contentType,
      body: verified(body, digestsOf(asked)),
      onlyIf(current: ObjectInfo | undefined) {
        if (!meetsConditions(asked.onlyIf, current)) throw preconditionFailed()
      },
    })
    return headOf(info)
  }

  async function remove(bucket: string, { object, objects }: R2Request<'delete'>): Promise<void> {
    for (const key of objects ?? [object ?? '']) {
      await inBucket(bucket, () => storage.removeObject({ bucket, object: keyOf(key) })).catch((error: unknown) => {
        if (!(error instanceof HyperError && error.code === 'OBJECT_NOT_FOUND')) throw error
      })
    }
  }

  return async (bucket, request, response) => {
    const { asked, body } = await readRequest(request)
    switch (asked.method) {
      case 'head': {
        const { object } = asked
        const stored = await inBucket(bucket, () => storage.getObject({ bucket, object: keyOf(object) }))
        return sendMetadata(response, headOf(stored))
      }
      case 'get':
        return get(bucket, asked, response)
      case 'list':
        return sendMetadata(response, await inBucket(bucket, () => listR2(storage, bucket, asked)))
      case 'put':
        return sendMetadata(response, await put(bucket, asked, body))
      case 'delete':
        await remove(bucket, asked)
        return sendMetadata(response, {})
      default:
        throw r2Error(INVALID_ARGUMENT, 'uploads in parts are not served here: put the object whole')
    }
  }
}

/** Of reads it is in a header, of writes the first bytes of the body. */
async function readRequest(request: IncomingMessage): Promise<{ asked: R2Request; body: AsyncIterable<Uint8Array> }> {
  const { [REQUEST_HEADER]: inHeader, [SIZE_HEADER]: size } = request.headers
  if (inHeader !== undefined) {
    return { asked: r2Request(Buffer.from(String(inHeader), 'latin1').toString()), body: request }
  }
  const length = Number(size)
  if (!(length <= MAX_REQUEST_BYTES)) throw r2Error(INVALID_ARGUMENT, 'the request has no metadata')
  const chunks = chunksOf(request)
  let head = Buffer.alloc(0)
  while (head.length < length) {
    const { value, done } = await chunks.next()
    if (done) throw r2Error(INVALID_ARGUMENT, 'the request is not whole')
    head = Buffer.concat([head, value])
  }
  const rest = head.subarray(length)
  async function* body() {
    if (rest.length > 0) yield rest
    yield* { [Symbol.asyncIterator]: () => chunks }
  }
  return { asked: r2Request(head.subarray(0, length).toString()), body: body() }
}

/** Slashes in front are no part of storage's keys, where they are of R2's. */
function keyOf(object: string): string {
  if (object.startsWith('/')) throw r2Error(INVALID_NAME, 'storage has no keys that begin with a slash')
  return object
}

function rangeOf({ range, rangeHeader }: R2Request<'get'>, size: number): ByteRange | undefined {
  const parsed = rangeHeader === undefined ? fromParts(range, size) : parseRange(rangeHeader, size)
  if (parsed === 'unsatisfiable') throw r2Error(INVALID_RANGE, 'The requested range is not satisfiable')
  return parsed
}

function fromParts(range: R2Request<'get'>['range'], size: number): ByteRange | 'unsatisfiable' | undefined {
  if (!range) return undefined
  const { offset = 0, length, suffix } = range
  if (suffix !== undefined) return suffix > 0 ? { start: Math.max(0, size - suffix), end: size - 1 } : 'unsatisfiable'
  if (offset >= size && size > 0) return 'unsatisfiable'
  return length === 0 ? 'unsatisfiable' : { start: offset, end: Math.min(size, offset + (length ?? size)) - 1 }
}

/** Throws at its end when the bytes are others than was said: then nothing is stored. */
async function* verified(body: AsyncIterable<Uint8Array>, digests: Record<string, string>): AsyncIterable<Uint8Array> {
  const hashes = Object.keys(digests).map((name) => ({ name, hash: createHash(name) }))
  for await (const chunk of body) {
    for (const { hash } of hashes) hash.update(chunk)
    yield chunk
  }
  for (const { name, hash } of hashes) {
    if (hash.digest('hex') !== digests[name])
      throw r2Error(BAD_DIGEST, `The ${name} checksum you specified did not match`)
  }
}

function sendMetadata(response: ServerResponse, value: object, error?: HyperError): void {
  const metadata = Buffer.from(JSON.stringify(value))
  response
    .writeHead(error ? error.status : 200, {
      [SIZE_HEADER]: metadata.length,
      'content-length': metadata.length,
      ...(error ? { [ERROR_HEADER]: r2ErrorHeader(error) } : {}),
    })
    .end(metadata)
}

/** As workerd wants to be told. */
export function r2Failure(response: ServerResponse, error: HyperError): void {
  response.writeHead(error.status, { [ERROR_HEADER]: r2ErrorHeader(error), 'content-length': 0 }).end()
}
