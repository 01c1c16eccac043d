import type { IncomingMessage } from 'node:http'

export class BodyTooLarge extends Error {}

/** Such bodies are sent on in one piece with what they ask for. */
const SMALL_BYTES = 64 * 1024
/** How long a client that has been answered may go on sending before it is cut off. */
const LINGER_MS = 5_000

/** A declared length was looked at already; what comes in chunks is counted. Fails by `BodyTooLarge`. */
export function limitedBody(request: IncomingMessage, maxBodyMb: number): IncomingMessage | AsyncIterable<Buffer> {
  const { 'content-length': length } = request.headers
  return length !== undefined && Number(length) <= SMALL_BYTES ? request : counted(request, maxBodyMb * 2 ** 20)
}

/** An app may answer without reading all: who stops early leaves the connection open, for the answer. */
async function* counted(request: IncomingMessage, most: number): AsyncGenerator<Buffer> {
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > most) throw new BodyTooLarge()
    yield chunk
  }
}

/** Throws away what is still to come of a body that nobody wants, so that the client reads the answer; not for ever. */
export function discardRest(request: IncomingMessage): void {
  if (request.complete || request.destroyed) return
  request.resume()
  const cut = setTimeout(() => request.socket.destroy(), LINGER_MS).unref()
  request.once('close', () => clearTimeout(cut))
}
