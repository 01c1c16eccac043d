/**
 * Uploads by form (hyper-api §6.2): one part `file` with a name, at most one text field `path`, before or after it. The
 * file's bytes are handed on as they come.
 */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { parse as parseContentType } from 'content-type'
import { HyperError } from './error.ts'
import { uploadedType } from './media-type.ts'
import { cutShort } from './request-body.ts'
import { countStreamed } from './streamed-bytes.ts'
import { boundByIdleness } from './upload-timeout.ts'

export interface UploadForm {
  /** The client's name for the file, without directories. */
  filename: string
  mediaType: string | undefined
  /** The field `path`, undefined until it has come; when there is none, also after `bytes` has ended. */
  path(): string | undefined
  /**
   * The file. Ends only after the whole form has arrived and was found good, so whoever stores what has ended stores nothing
   * of a bad form. @throws BAD_REQUEST, INVALID_ARGUMENTS
   */
  bytes: AsyncIterable<Uint8Array>
}

/** Longer than the longest object name. */
const MAX_FIELD_BYTES = 4096

export function notAForm(): HyperError {
  return new HyperError('INVALID_ARGUMENTS', 'body must be FormData that contains a file field and optional path field')
}

/**
 * Resolves when the file begins.
 * @throws BAD_REQUEST when it is no well-formed form or holds other files, INVALID_ARGUMENTS when there is no file
 */
export async function readForm(request: IncomingMessage): Promise<UploadForm> {
  const { Busboy } = (await import('@fastify/busboy')).default // bundled, a CommonJS module has no other export
  const begun = Promise.withResolvers<UploadForm>()
  const whole = Promise.withResolvers<void>()
  whole.promise.catch(() => {}) // whoever reads the file learns of it
  let path: string | undefined
  let file: Readable | undefined
  let failed = false

  const contentType = request.headers['content-type'] ?? ''
  // The parser itself takes an empty one.
  if (!parseContentType(contentType).parameters.boundary) throw malformed(new Error('it has no boundary'))
  const parser = attempt(
    () => new Busboy({ headers: { 'content-type': contentType }, limits: { fieldSize: MAX_FIELD_BYTES } }),
  )

  function fail(error: unknown): void {
    if (failed) return
    failed = true
    request.unpipe(parser)
    begun.reject(error)
    whole.reject(error)
    file?.destroy()
  }

  parser.on('file', (field, stream, filename, _encoding, mediaType) => {
    stream.on('error', () => {}) // told by the parser's own error
    if (failed || field !== 'file' || file) {
      stream.resume()
      fail(new HyperError('BAD_REQUEST', 'Unexpected field'))
      return
    }
    if (!filename) {
      stream.resume() // a form sent without choosing a file
      return
    }
    file = stream
    begun.resolve({
      filename,
      mediaType: uploadedType(mediaType),
      path: () => path,
      bytes: untilWhole(stream, whole.promise),
    })
  })
  parser.on('field', (field, value, _nameTruncated, truncated) => {
    if (field !== 'path') return
    if (path !== undefined) fail(new HyperError('INVALID_ARGUMENTS', "the field 'path' may be given once"))
    else if (truncated) fail(new HyperError('PATH_INVALID', `the field 'path' is longer than ${MAX_FIELD_BYTES} bytes`))
    path = value
  })
  parser.on('error', (cause) => fail(malformed(cause)))
  parser.on('finish', () => {
    if (!file) fail(notAForm())
    else whole.resolve()
  })
  request.on('error', (cause) => fail(cutShort(cause)))
  boundByIdleness(request)
  request.on('data', ({ length }: Buffer) => countStreamed(length)).pipe(parser)
  return begun.promise
}

async function* untilWhole(file: Readable, whole: Promise<void>): AsyncGenerator<Uint8Array> {
  try {
    yield* file as AsyncIterable<Buffer>
  } catch {
    // Why it broke off is known to `whole`.
  }
  await whole
}

function attempt<T>(make: () => T): T {
  try {
    return make()
  } catch (cause) {
    throw malformed(cause)
  }
}

function malformed(cause: unknown): HyperError {
  return new HyperError('BAD_REQUEST', `the form cannot be read: ${(cause as Error).message}`, { cause })
}

/**
 * What a form's file is stored as: the directory that `path` names, then the file's own name. A last segment with a dot in it
 * is taken for a file name and dropped; one slash at the end is too.
 */
export function formObjectName(path: string, filename: string): string {
  const directory = path.replace(/[^/]*\.[^/]*$/, '').replace(/\/$/, '')
  return directory === '' ? filename : `${directory}/${filename}`
}
