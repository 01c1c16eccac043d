/** Takes in what a request brings: whole and bounded, or as a stream; and gets rid of what nobody wants. */
import type { IncomingMessage } from 'node:http'
import { HyperError } from './error.ts'
import { countStreamed } from './streamed-bytes.ts'
import { boundByIdleness } from './upload-timeout.ts'

/** How much more than a body's limit is still taken in: a client that is cut off while it sends never reads the answer. */
const DRAIN_BYTES = 64 * 1024 * 1024

/** How long a client that has been answered may go on sending before it is cut off. */
const LINGER_MS = 5_000

/** Bodies of known length up to this are read in one piece, which costs a third of streaming them. */
const SMALL_BYTES = 64 * 1024

/**
 * @param limit bytes, inclusive
 * @throws BAD_REQUEST when it breaks off, PAYLOAD_TOO_LARGE
 */
export function readAll(request: IncomingMessage, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const take = (chunk: Buffer) => {
      size += chunk.length
      if (size <= limit) {
        chunks.push(chunk)
        return
      }
      chunks.length = 0
      if (size > limit + DRAIN_BYTES) giveUp()
    }
    const giveUp = () => {
      request.off('data', take)
      reject(tooLarge(limit))
    }
    if (Number(request.headers['content-length'] ?? 0) > limit + DRAIN_BYTES) {
      giveUp()
      return
    }
    request.on('data', take)
    request.on('end', () => {
      if (size > limit) reject(tooLarge(limit))
      else resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks))
    })
    request.on('error', (cause) => reject(cutShort(cause)))
    request.on('close', () => {
      if (!request.readableEnded) reject(cutShort())
    })
  })
}

/**
 * The body as it arrives, of any length. A reader that stops early leaves the connection open, for the answer.
 * @throws BAD_REQUEST when it breaks off
 */
export async function* streamBody(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  const length = Number(request.headers['content-length'] ?? Number.NaN)
  if (length <= SMALL_BYTES) {
    yield await readAll(request, length)
    return
  }
  boundByIdleness(request)
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      countStreamed(chunk.length)
      yield chunk
    }
  } catch (cause) {
    throw cutShort(cause)
  }
}

/** Throws away what is still to come of a body that nobody wants, so that the client reads the answer; not for ever. */
export function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  request.unpipe()
  request.resume()
  const cut = setTimeout(() => request.socket.destroy(), LINGER_MS).unref()
  request.once('close', () => clearTimeout(cut))
}

export function cutShort(cause?: unknown): HyperError {
  return new HyperError('BAD_REQUEST', 'the request body did not arrive whole', { cause })
}

export function tooLarge(limit: number): HyperError {
  return new HyperError('PAYLOAD_TOO_LARGE', `request entity too large: the limit is ${limit} bytes`)
}
