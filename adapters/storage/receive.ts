/** Takes a body in: into memory while it fits a row, into a file from then on. */
import { createHash } from 'node:crypto'
import type { Draft, ObjectFiles } from './object-files.ts'
import { Pending } from './pending.ts'

/** Up to here a row is faster than a file, both ways. */
export const INLINE_BYTES = 65_536

/** Where processors help, as they mostly do, no other is faster; and nobody can make two bodies of one tag. */
const HASH = 'sha256'

export interface Received {
  size: number
  etag: string
  /** One of both: the bytes, or the name of the file in its place that has them. */
  content: Uint8Array | null
  file: string | null
}

/** Reads `body` to its end, no faster than it can be kept. When that fails, nothing is left of it. */
export async function receive(
  body: AsyncIterable<Uint8Array>,
  mediaType: string | undefined,
  files: ObjectFiles,
): Promise<Received> {
  const pending = new Pending(INLINE_BYTES)
  const hash = createHash(HASH).update(JSON.stringify(mediaType ?? null))
  const etag = () => `"${hash.digest('base64url')}"`
  let size = 0
  let draft: Draft | undefined
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (pending.add(chunk)) continue
      draft ??= await files.create()
      await spill(draft, pending.take())
      if (!pending.add(chunk)) await spill(draft, chunk)
    }
    const rest = pending.take()
    if (!draft) {
      hash.update(rest)
      return { size, etag: etag(), content: rest, file: null }
    }
    await spill(draft, rest)
    await files.place(draft)
    return { size, etag: etag(), content: null, file: draft.name }
  } catch (error) {
    if (draft) await files.discard(draft)
    throw error
  }

  async function spill(to: Draft, bytes: Uint8Array): Promise<void> {
    hash.update(bytes)
    await files.append(to, bytes)
  }
}
