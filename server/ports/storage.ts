/**
 * The storage port: named buckets of objects, each some bytes with a media type under a key such as `a/b.png`
 * (hyper-api §§2, 6). Keys are flat: `/` in them means nothing to the port, and `a` and `a/b` may both exist.
 *
 * A write is acknowledged only when it survives a kill of the process; until then, and for ever when its body fails
 * half-way, readers see what was there before: never a part.
 */
import type { Readable } from 'node:stream'
import * as z from 'zod'
import { type Page, type PortLifecycle, type PortSchemas, pageOf } from './common.ts'

export interface ObjectInfo {
  object: string
  /** Bytes. */
  size: number
  /** As uploaded, absent when the uploader named none. */
  mediaType?: string | undefined
  /** Strong, quoted entity tag: another one as soon as the bytes or the media type differ. */
  etag: string
  /** Unix time in milliseconds of the last write. */
  modified: number
}

/** Offsets in bytes, both inclusive, inside the object. */
export interface ByteRange {
  start: number
  end: number
}

export interface StoredObject extends ObjectInfo {
  /**
   * The bytes of exactly the version that `etag` names, or of `range` alone: at once when they are few, else as a stream to
   * be read to its end or destroyed. Not calling it costs nothing. @throws OBJECT_NOT_FOUND when it has gone meanwhile
   */
  read(range?: ByteRange): Promise<Uint8Array | Readable>
}

/** Every method but makeBucket and listBuckets throws BUCKET_NOT_FOUND when the bucket does not exist. */
export interface StoragePort extends PortLifecycle {
  /** @throws BUCKET_EXISTS */
  makeBucket(args: { bucket: string }): Promise<void>
  /** Removes the bucket and all it holds. */
  removeBucket(args: { bucket: string }): Promise<void>
  /** Names, ascending by code point. */
  listBuckets(args: Record<never, never>): Promise<{ names: string[] }>
  /** Removes every object, keeps the bucket. Answers how many objects went. */
  emptyBucket(args: { bucket: string }): Promise<{ count: number }>
  /**
   * Stores all of `body`, replacing what was there. When `body` throws, so does this, and nothing has changed. Its chunks are
   * the adapter's from then on; when storing fails it is not read to its end, but returned.
   * @param args.onlyIf is shown what the key holds at the moment of replacing, undefined for nothing, and throws to refuse
   */
  putObject(args: {
    bucket: string
    object: string
    mediaType?: string | undefined
    body: AsyncIterable<Uint8Array>
    onlyIf?: ((current: ObjectInfo | undefined) => void) | undefined
  }): Promise<ObjectInfo>
  /** @throws OBJECT_NOT_FOUND */
  getObject(args: { bucket: string; object: string }): Promise<StoredObject>
  /** @throws OBJECT_NOT_FOUND */
  removeObject(args: { bucket: string; object: string }): Promise<void>
  /** Objects whose key begins with `prefix` and comes after `startAfter`, ascending by UTF-8 bytes. */
  listObjects(args: {
    bucket: string
    prefix?: string | undefined
    startAfter?: string | undefined
  }): Promise<Page<ObjectInfo>>
  /** The same, but their keys alone: a server may have to be asked for the rest one by one. */
  listNames(args: {
    bucket: string
    prefix?: string | undefined
    startAfter?: string | undefined
  }): Promise<Page<string>>
}

/** S3's limit, so that no engine takes what the other could not. */
const MAX_KEY_BYTES = 1024
const MAX_BUCKET_BYTES = 255

const RELATIVE = 'cannot contain relative path parts'

/** What is wrong with a bucket's name, if anything. */
function bucketProblem(name: string): string | undefined {
  if (name.includes('..')) return RELATIVE
  if (/[/\\]/.test(name)) return 'bucket name cannot contain slashes'
  if (name === '' || name === '.' || name.includes('\0') || !name.isWellFormed()) return 'bucket name is not valid'
  if (Buffer.byteLength(name) > MAX_BUCKET_BYTES) return `bucket name is longer than ${MAX_BUCKET_BYTES} bytes`
  return undefined
}

/** What is wrong with an object's key, if anything. Only whole segments are relative: `a..b` is fine (B32). */
function objectProblem(key: string): string | undefined {
  if (key.split('/').some((segment) => segment === '..' || segment === '.')) return RELATIVE
  if (key === '' || key.endsWith('/')) return 'object name cannot be empty or end with a slash'
  if (key.includes('\0') || !key.isWellFormed()) return 'object name is not valid'
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `object name is longer than ${MAX_KEY_BYTES} bytes`
  return undefined
}

function checked(problemOf: (text: string) => string | undefined) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text)
    if (problem) context.addIssue({ code: 'custom', message: problem, params: { code: 'PATH_INVALID' } })
  })
}

const bucket = checked(bucketProblem)
/** Slashes in front are no part of a key (hyper-api §6.5). */
const object = z
  .preprocess((key) => (typeof key === 'string' ? key.replace(/^\/+/, '') : key), checked(objectProblem))
  .meta({ type: 'string' })

const listing = z.object({ bucket, prefix: z.string().optional(), startAfter: z.string().optional() })

const none = z.void()
const count = z.object({ count: z.number() })
const info = z.object({
  object: z.string(),
  size: z.number(),
  mediaType: z.string().optional(),
  etag: z.string().regex(/^"[^"]+"$/),
  modified: z.number(),
})
const body = z
  .custom<AsyncIterable<Uint8Array>>(
    (value) => typeof (value as AsyncIterable<Uint8Array> | null)?.[Symbol.asyncIterator] === 'function',
    { params: { expected: 'stream' } },
  )
  .meta({ type: 'string', format: 'binary' })
const onlyIf = z.custom<(current: ObjectInfo | undefined) => void>((value) => typeof value === 'function').optional()
const storedBytes = z.custom<StoredObject>(
  (value) => info.safeParse(value).success && typeof (value as Partial<StoredObject>).read === 'function',
  { params: { expected: 'stored object' } },
)

export const storagePort = {
  makeBucket: { args: z.object({ bucket }), result: none },
  removeBucket: { args: z.object({ bucket }), result: none },
  listBuckets: { args: z.object({}), result: z.object({ names: z.array(z.string()) }) },
  emptyBucket: { args: z.object({ bucket }), result: count },
  putObject: { args: z.object({ bucket, object, mediaType: z.string().optional(), body, onlyIf }), result: info },
  getObject: { args: z.object({ bucket, object }), result: storedBytes },
  removeObject: { args: z.object({ bucket, object }), result: none },
  listObjects: { args: listing, result: pageOf<ObjectInfo>() },
  listNames: { args: listing, result: pageOf<string>() },
} satisfies PortSchemas<StoragePort>
