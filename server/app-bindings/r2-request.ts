/** A request of an R2 binding as workerd writes it: JSON, whose 64-bit numbers are strings. */
import * as z from 'zod'
import type { ObjectInfo } from '../ports/storage.ts'
import { INVALID_ARGUMENT, r2Error } from './r2-error.ts'

const number = z.coerce.number()
const etag = z.object({ type: z.enum(['strong', 'weak', 'wildcard']), value: z.string().optional() })

const onlyIf = z.object({
  etagMatches: z.array(etag).optional(),
  etagDoesNotMatch: z.array(etag).optional(),
  /** Unix time in milliseconds, as is the next. */
  uploadedBefore: number.optional(),
  uploadedAfter: number.optional(),
  secondsGranularity: z.boolean().optional(),
})

const object = z.string()
const ssec = z.unknown().optional()

const schema = z.discriminatedUnion('method', [
  z.object({ method: z.literal('head'), object }),
  z.object({
    method: z.literal('get'),
    object,
    range: z.object({ offset: number.optional(), length: number.optional(), suffix: number.optional() }).optional(),
    rangeHeader: z.string().optional(),
    onlyIf: onlyIf.optional(),
  }),
  z.object({
    method: z.literal('put'),
    object,
    customFields: z.array(z.unknown()).optional(),
    httpFields: z.looseObject({ contentType: z.string().optional() }).optional(),
    onlyIf: onlyIf.optional(),
    ssec,
    md5: z.base64().optional(),
    sha1: z.hex().optional(),
    sha256: z.hex().optional(),
    sha384: z.hex().optional(),
    sha512: z.hex().optional(),
  }),
  z.object({ method: z.literal('delete'), object: object.optional(), objects: z.array(object).optional() }),
  z.object({
    method: z.literal('list'),
    limit: z.number().optional(),
    prefix: z.string().optional(),
    cursor: z.string().optional(),
    delimiter: z.string().optional(),
    startAfter: z.string().optional(),
  }),
  z.object({
    method: z.enum(['createMultipartUpload', 'uploadPart', 'completeMultipartUpload', 'abortMultipartUpload']),
  }),
])

type Request = z.infer<typeof schema>
type Method = Request['method']
/** Of one method. */
export type R2Request<M extends Method = Method> = Extract<Request, { method: M }>
export type Conditions = z.infer<typeof onlyIf>

/** @throws BAD_REQUEST */
export function r2Request(text: string): R2Request {
  const parsed = schema.safeParse(JSON.parse(text))
  if (!parsed.success) throw r2Error(INVALID_ARGUMENT, `the request is not R2's: ${parsed.error.issues[0]?.message}`)
  return parsed.data
}

/** What of a write storage would lose. */
export function unkept({ customFields = [], httpFields = {}, ssec: key }: R2Request<'put'>): string | undefined {
  if (customFields.length > 0) return 'customMetadata'
  if (key !== undefined) return 'objects encrypted with a key of the customer'
  const field = Object.keys(httpFields).find((name) => name !== 'contentType')
  return field && `httpMetadata.${field}: it keeps contentType alone`
}

/** Names of hashes, as Node has them, to what they should be, in hexadecimal digits. */
export function digestsOf({ md5, sha1, sha256, sha384, sha512 }: R2Request<'put'>): Record<string, string> {
  const digests = { md5: md5 && Buffer.from(md5, 'base64').toString('hex'), sha1, sha256, sha384, sha512 }
  return Object.fromEntries(Object.entries(digests).flatMap(([name, digest]) => (digest ? [[name, digest]] : [])))
}

/** R2's conditions are HTTP's (RFC 9110 §13.2.2). @param current absent: there is nothing */
export function meetsConditions(conditions: Conditions | undefined, current: ObjectInfo | undefined): boolean {
  if (!conditions) return true
  const { etagMatches, etagDoesNotMatch, uploadedBefore, uploadedAfter, secondsGranularity } = conditions
  const names = (tags: z.infer<typeof etag>[]) =>
    current !== undefined && tags.some(({ type, value }) => type === 'wildcard' || `"${value}"` === current.etag)
  const time = (ms: number) => (secondsGranularity ? Math.floor(ms / 1000) : ms)
  const modified = current && time(current.modified)
  const matches = etagMatches && names(etagMatches)
  const differs = etagDoesNotMatch && !names(etagDoesNotMatch)
  if (matches === false || differs === false) return false
  if (modified === undefined) return true
  if (
    matches === undefined &&
    uploadedBefore !== undefined &&
    modified >= time(uploadedBefore) + (secondsGranularity ? 1 : 0)
  )
    return false
  return differs !== undefined || uploadedAfter === undefined || modified > time(uploadedAfter)
}
