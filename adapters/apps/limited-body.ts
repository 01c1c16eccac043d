import type { IncomingMessage } from 'node:http'
import { Transform } from 'node:stream'

export class BodyTooLarge extends Error {}

/** A declared length was looked at already; what comes in chunks is counted. Fails by `BodyTooLarge`. */
export function limitedBody(request: IncomingMessage, maxBodyMb: number): IncomingMessage | Transform {
  if (request.headers['content-length'] !== undefined) return request
  const most = maxBodyMb * 1024 * 1024
  let bytes = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > most) done(new BodyTooLarge())
      else done(null, chunk)
    },
  })
  request.on('error', (error) => counted.destroy(error))
  return request.pipe(counted)
}
