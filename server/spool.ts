/** Keeps a stream until it can be used: in memory while it is small, else in a temporary file that has no name. */
import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyperError } from './error.ts'

export interface Spooled extends AsyncDisposable {
  /** To be read once. */
  bytes: AsyncIterable<Uint8Array>
}

const MEMORY_BYTES = 64 * 1024

/** Resolves when `body` has ended. @throws what `body` throws, BACKEND_UNAVAILABLE when it cannot be kept */
export async function spool(body: AsyncIterable<Uint8Array>): Promise<Spooled> {
  const held: Uint8Array[] = []
  let size = 0
  let file: FileHandle | undefined
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (!file && size <= MEMORY_BYTES) {
        held.push(chunk)
        continue
      }
      file ??= await kept(openNameless())
      for (const part of held.splice(0)) await kept(file.appendFile(part))
      await kept(file.appendFile(chunk))
    }
  } catch (error) {
    await file?.close()
    throw error
  }
  return {
    bytes: file ? file.createReadStream({ start: 0, autoClose: false }) : fromMemory(held),
    [Symbol.asyncDispose]: async () => file?.close(),
  }
}

async function* fromMemory(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

/** Without a name, nothing is left of it however this process ends. */
async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `hyper-sandbox-upload-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

async function kept<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    throw new HyperError('BACKEND_UNAVAILABLE', 'the upload cannot be kept until its form is complete', { cause })
  }
}
