/** The storage service over HTTP (hyper-api §§1.12, 6). */
import * as z from 'zod'
import { meetsConditions } from '../conditional.ts'
import { HyperError } from '../error.ts'
import { uploadedType } from '../media-type.ts'
import { formObjectName, notAForm, readForm } from '../multipart.ts'
import { objectAnswer } from '../object-answer.ts'
import { numberLike } from '../ports/common.ts'
import { type ObjectInfo, storagePort } from '../ports/storage.ts'
import { streamBody } from '../request-body.ts'
import { OK, type RawAnswer } from '../response.ts'
import type { SignedMethod } from '../signed-url.ts'
import { spool } from '../spool.ts'
import { invalidArguments } from '../validation.ts'
import type { Call, ServiceRoutes } from './operation.ts'

export type Storage = Parameters<ServiceRoutes<'storage'>['banner']>[0]

const MAX_LISTED = 1000

const listing = z.object({
  ...storagePort.listNames.args.shape,
  limit: numberLike.pipe(z.number().int().min(1).max(MAX_LISTED)).default(MAX_LISTED),
})

const BYTES = { type: 'string', format: 'binary' }
const FORM = {
  type: 'object',
  required: ['file'],
  properties: { path: { type: 'string', description: 'Directory of the object.' }, file: BYTES },
}

export const storageRoutes: ServiceRoutes<'storage'> = {
  service: 'storage',
  banner: async () => ({ name: 'hyper63 Storage', version: '1.0', status: 'unstable' }),
  operations: [
    {
      name: 'storage.create',
      method: 'PUT',
      path: '',
      summary: 'Create a bucket',
      args: storagePort.makeBucket.args,
      success: 201,
      example: { ok: true },
      run: async (storage, { domain }) => {
        await storage.makeBucket({ bucket: domain })
        return OK
      },
    },
    {
      name: 'storage.destroy',
      method: 'DELETE',
      path: '',
      summary: 'Remove a bucket with all its objects',
      args: storagePort.removeBucket.args,
      success: 201,
      example: { ok: true },
      run: async (storage, { domain }) => {
        await storage.removeBucket({ bucket: domain })
        return OK
      },
    },
    {
      name: 'storage.list',
      method: 'GET',
      path: '',
      summary: 'Names of objects, ascending; `next` is there when there are more: give it as `startAfter`',
      args: listing,
      queryMembers: ['prefix', 'limit', 'startAfter'],
      success: 200,
      example: { ok: true, objects: ['a.png', 'reports/may.pdf'], next: 'reports/may.pdf' },
      run: async (storage, call) => {
        if (call.trailingSlash) throw objectNotFound()
        return list(storage, call)
      },
    },
    {
      name: 'storage.uploadForm',
      method: 'POST',
      path: '',
      summary: 'Store the file of a form',
      uploads: { 'multipart/form-data': FORM },
      args: storagePort.makeBucket.args,
      success: 201,
      example: { ok: true },
      run: async (storage, call) => {
        if (isForm(call)) return uploadForm(storage, call)
        throw call.trailingSlash ? unnamed() : notAForm()
      },
    },
    {
      name: 'storage.upload',
      method: 'POST',
      path: '/*',
      summary: 'Store an object, replacing what is there; or, with `useSignedUrl=true`, get a URL to PUT it to',
      uploads: { '*/*': BYTES, 'multipart/form-data': FORM },
      args: storagePort.removeObject.args.extend({ useSignedUrl: z.enum(['true']).optional() }),
      queryMembers: ['useSignedUrl'],
      success: 201,
      example: { ok: true },
      run: async (storage, call) => {
        if (isForm(call)) return uploadForm(storage, call)
        if (isUnnamed(call.id)) throw unnamed()
        if (wantsUrl(call) || call.headers.accept === 'application/json' || !call.headers['content-type']) {
          return signedUrl(storage, call, 'PUT')
        }
        await upload(storage, call, call.domain, call.id)
        return OK
      },
    },
    {
      name: 'storage.download',
      method: 'GET',
      path: '/*',
      summary: 'The bytes of an object; or, with `useSignedUrl=true`, a URL to GET them from',
      download: true,
      args: storagePort.getObject.args.extend({ useSignedUrl: z.enum(['true']).optional() }),
      queryMembers: ['useSignedUrl'],
      success: 200,
      example: { ok: true, url: 'http://127.0.0.1:6363/_signed/…' },
      run: async (storage, call) => {
        if (isUnnamed(call.id)) throw objectNotFound()
        if (wantsUrl(call)) return signedUrl(storage, call, 'GET')
        return download(storage, call, call.domain, call.id)
      },
    },
    {
      name: 'storage.remove',
      method: 'DELETE',
      path: '/*',
      summary: 'Remove an object',
      args: storagePort.removeObject.args,
      success: 201,
      example: { ok: true },
      run: async (storage, { domain, id }) => {
        if (isUnnamed(id)) throw objectNotFound()
        await storage.removeObject({ bucket: domain, object: id })
        return OK
      },
    },
  ],
}

/** Stores the request's body as it is (hyper-api §6.1). @throws PRECONDITION_FAILED, and what the port throws */
export async function upload(
  storage: Storage,
  { incoming, headers }: Pick<Call, 'incoming' | 'headers'>,
  bucket: string,
  object: string,
): Promise<void> {
  await put(storage, headers, {
    bucket,
    object,
    mediaType: uploadedType(headers['content-type']),
    body: streamBody(incoming),
  })
}

export async function download(
  storage: Storage,
  { method, headers }: Pick<Call, 'method' | 'headers'>,
  bucket: string,
  object: string,
): Promise<RawAnswer> {
  return objectAnswer(await storage.getObject({ bucket, object }), method, headers)
}

async function uploadForm(storage: Storage, { incoming, headers, domain, id }: Call): Promise<string> {
  const { filename, mediaType, path, bytes } = await readForm(incoming)
  const name = () => formObjectName(path() || id, filename)
  if (path() !== undefined) {
    await put(storage, headers, { bucket: domain, object: name(), mediaType, body: bytes })
    return OK
  }
  // The field may still come, so the object has no name until the form has ended.
  await find(storage, domain, filename)
  await using spooled = await spool(bytes)
  await put(storage, headers, { bucket: domain, object: name(), mediaType, body: spooled.bytes })
  return OK
}

type NewObject = { bucket: string; object: string; mediaType: string | undefined; body: AsyncIterable<Uint8Array> }

/** Conditions are asked before the body is taken in, to spare it, and again by the store at the moment it counts. */
async function put(storage: Storage, headers: Call['headers'], object: NewObject): Promise<void> {
  if (!CONDITIONS.some((name) => headers[name] !== undefined)) {
    await storage.putObject({ ...object, onlyIf: undefined })
    return
  }
  const onlyIf = (current: ObjectInfo | undefined) => void meetsConditions(headers, current, false)
  onlyIf(await find(storage, object.bucket, object.object))
  await storage.putObject({ ...object, onlyIf })
}

const CONDITIONS = ['if-match', 'if-none-match', 'if-unmodified-since'] as const

/** What is there now; undefined for nothing. @throws BUCKET_NOT_FOUND, PATH_INVALID */
async function find(storage: Storage, bucket: string, object: string): Promise<ObjectInfo | undefined> {
  try {
    return await storage.getObject({ bucket, object })
  } catch (error) {
    if (error instanceof HyperError && error.code === 'OBJECT_NOT_FOUND') return undefined
    throw error
  }
}

/** The bucket must exist, the object need not. */
async function signedUrl(storage: Storage, call: Call, method: SignedMethod): Promise<string> {
  const { domain: bucket, id, origin, signer } = call
  const object = id.replace(/^\/+/, '')
  await find(storage, bucket, object)
  return JSON.stringify({ ok: true, url: origin() + signer.sign({ method, bucket, object }) })
}

async function list(storage: Storage, { domain: bucket, query }: Call): Promise<string> {
  const { prefix, startAfter } = query
  const parsed = listing.safeParse({ bucket, prefix, startAfter, limit: query.limit })
  if (!parsed.success) throw invalidArguments(parsed.error, { bucket, ...query })
  const { limit } = parsed.data
  const objects: string[] = []
  let page: Awaited<ReturnType<Storage['listNames']>> | undefined = await storage.listNames({
    bucket,
    prefix,
    startAfter,
  })
  while (page && objects.length <= limit) {
    objects.push(...(page.items as string[]))
    page = await page.next?.()
  }
  const next = objects.length > limit ? { next: objects[limit - 1] } : {}
  return JSON.stringify({ ok: true, objects: objects.slice(0, limit), ...next })
}

function isForm({ headers }: Call): boolean {
  return headers['content-type']?.startsWith('multipart/form-data') === true
}

function wantsUrl({ query }: Call): boolean {
  return typeof query.useSignedUrl === 'string' && query.useSignedUrl.trim() === 'true'
}

/** No object can have such a name, as with directories on a disk: readers find nothing there (hyper-api B1). */
function isUnnamed(object: string): boolean {
  return object === '' || object.endsWith('/')
}

function objectNotFound(): HyperError {
  return new HyperError('OBJECT_NOT_FOUND', 'object does not exist')
}

function unnamed(): HyperError {
  return new HyperError('PATH_INVALID', 'object name cannot be empty or end with a slash')
}
