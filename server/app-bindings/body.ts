/** Bodies of what workerd asks. It takes an answer that comes before its request was heard for a broken connection. */
import type { IncomingMessage } from 'node:http'
import { HyperError } from '../error.ts'

/** Can be left at any chunk; the rest is then to be drained. */
export function chunksOf(request: IncomingMessage): AsyncIterator<Buffer> {
  return request.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
}

/** Hears the rest of it. */
export async function drain(request: IncomingMessage): Promise<void> {
  try {
    const rest = chunksOf(request)
    while (!(await rest.next()).done);
  } catch {
    // Its sender is gone.
  }
}

/** @throws PAYLOAD_TOO_LARGE */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of { [Symbol.asyncIterator]: () => chunksOf(request) }) {
    bytes += part.length
    if (bytes > maxBytes) throw new HyperError('PAYLOAD_TOO_LARGE', `Value length exceeds limit of ${maxBytes}.`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}
