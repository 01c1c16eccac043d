/**
 * Reads a request's JSON body as hyper does (hyper-api §1.6): any valid media type counts as JSON, none at all means no
 * body; limits apply after decompression. What upstream answers with 500 is the client's 400, 413 or 415 here (B14).
 */
import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { gunzip, inflate } from 'node:zlib'
import { parse as parseContentType } from 'content-type'
import { HyperError } from './error.ts'
import { readAll, tooLarge } from './request-body.ts'

/** MongoDB's servers refuse documents nested deeper, so no engine of ours stores what the other could not. */
const MAX_DEPTH = 200

const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(?:;|$)/

const decoders = { gzip: promisify(gunzip), deflate: promisify(inflate) }

type Encoding = 'identity' | keyof typeof decoders

type JsonContainer = Record<string, unknown> | unknown[]

/**
 * @param limit bytes, inclusive
 * @throws BAD_REQUEST, PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA
 */
export async function readJsonBody(request: IncomingMessage, limit: number): Promise<JsonContainer> {
  let charset: string | undefined
  let encoding: Encoding
  try {
    charset = readableCharset(request.headers['content-type'])
    if (charset === undefined) return {}
    encoding = readableEncoding(request.headers['content-encoding'])
  } catch (error) {
    await readAll(request, 0).catch(() => {})
    throw error
  }
  const raw = await readAll(request, limit)
  const bytes = encoding === 'identity' ? raw : await decompress(raw, encoding, limit)
  if (bytes.length === 0) return {}
  return parseContainer(decodeText(bytes, charset))
}

/** The charset to read with, or undefined when the body is not to be read. */
function readableCharset(header: string | undefined): string | undefined {
  if (header === undefined || header === '') return undefined
  if (header === 'application/json') return 'utf-8'
  if (!MEDIA_TYPE.test(header)) return undefined
  const charset = parseContentType(header).parameters.charset?.toLowerCase() ?? 'utf-8'
  if (!charset.startsWith('utf-')) {
    throw new HyperError('UNSUPPORTED_MEDIA', `unsupported charset "${charset.toUpperCase()}"`)
  }
  return charset
}

function readableEncoding(header = 'identity'): Encoding {
  const encoding = header.toLowerCase()
  if (encoding === 'identity' || encoding === 'gzip' || encoding === 'deflate') return encoding
  throw new HyperError('UNSUPPORTED_MEDIA', `unsupported content encoding "${encoding}"`)
}

async function decompress(bytes: Buffer, encoding: keyof typeof decoders, limit: number): Promise<Buffer> {
  if (bytes.length === 0) return bytes
  try {
    return await decoders[encoding](bytes, { maxOutputLength: limit })
  } catch (cause) {
    if ((cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit)
    throw new HyperError('BAD_REQUEST', `the request body is not valid ${encoding}`, { cause })
  }
}

function decodeText(bytes: Buffer, charset: string): string {
  if (charset === 'utf-8') {
    if (!isUtf8(bytes)) throw new HyperError('BAD_REQUEST', 'the request body is not valid UTF-8')
    const text = bytes.toString('utf8')
    return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text
  }
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new HyperError(
      cause instanceof RangeError ? 'UNSUPPORTED_MEDIA' : 'BAD_REQUEST',
      cause instanceof RangeError
        ? `unsupported charset "${charset.toUpperCase()}"`
        : `the request body is not valid ${charset}`,
      { cause },
    )
  }
}

function parseContainer(text: string): JsonContainer {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new HyperError('BAD_REQUEST', `the request body is not valid JSON: ${(cause as Error).message}`, { cause })
  }
  if (typeof value !== 'object' || value === null) {
    throw new HyperError('BAD_REQUEST', 'the request body must be a JSON object or array')
  }
  checkContents(value, 1, text.includes('\\u'))
  return value as JsonContainer
}

/**
 * Refuses what could not be stored and read back the same: nesting past MAX_DEPTH, numbers past the range of a double, and
 * lone surrogates, which only a `\u` escape can bring in.
 */
function checkContents(container: object, depth: number, escapes: boolean): void {
  if (depth > MAX_DEPTH) {
    throw new HyperError('BAD_REQUEST', `the request body is nested deeper than ${MAX_DEPTH} levels`)
  }
  const isArray = Array.isArray(container)
  for (const key in container) {
    if (escapes && !isArray && !key.isWellFormed()) throw loneSurrogate('a member name')
    const value = (container as Record<string, unknown>)[key]
    if (typeof value === 'object') {
      if (value !== null) checkContents(value, depth + 1, escapes)
    } else if (typeof value === 'number') {
      if (!Number.isFinite(value)) {
        throw new HyperError('BAD_REQUEST', `the number at '${key}' is out of range`)
      }
    } else if (escapes && typeof value === 'string' && !value.isWellFormed()) {
      throw loneSurrogate(`'${key}'`)
    }
  }
}

function loneSurrogate(where: string): HyperError {
  return new HyperError('BAD_REQUEST', `${where} holds a lone surrogate, which is not Unicode text`)
}
