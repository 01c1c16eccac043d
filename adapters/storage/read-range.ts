import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { HyperError } from '../../server/error.ts'
import type { ByteRange } from '../../server/ports/storage.ts'
import { onFiles } from './file-error.ts'

/** Up to here one read is cheaper than a stream. */
const AT_ONCE_BYTES = 65_536

/** The bytes of `range` of a file that must have `size` bytes. Sees to it that the handle is closed. */
export async function readRange(
  handle: FileHandle,
  size: number,
  { start, end }: ByteRange,
): Promise<Uint8Array | Readable> {
  const length = end - start + 1
  return onFiles(async () => {
    let stream: Readable | undefined
    try {
      const found = await handle.stat()
      if (found.size !== size) throw new HyperError('BACKEND_UNAVAILABLE', 'the stored object is damaged')
      if (length > AT_ONCE_BYTES) {
        stream = handle.createReadStream({ start, end })
        return stream
      }
      const bytes = Buffer.allocUnsafe(length)
      await handle.read(bytes, 0, length, start)
      return bytes
    } finally {
      if (!stream) await handle.close()
    }
  })
}
