/** Takes a body in: into memory while it fits a record, from then on to the server, no faster than that takes it. */
import { createHash } from 'node:crypto'
import { HyperError } from '../../server/error.ts'
import { Pending } from './pending.ts'
import { INLINE_BYTES } from './s3-records.ts'
import type { Part, S3Server } from './s3-server.ts'

const MB = 1024 * 1024

/** S3 takes no smaller part but the last, and no more than 10 000 of them: with these they may have 5 TB. */
const PART_BYTES = 5 * MB
const PARTS_OF_A_SIZE = 1_000
/** Beside these one is being filled. */
const PARTS_ON_THE_WAY = 2
const FIRST_BUFFER_BYTES = 2 * INLINE_BYTES

export interface Received {
  size: number
  etag: string
  /** The bytes, if they are not with the writer. */
  inline: Uint8Array | undefined
}

/** Reads `body` to its end. @param apart makes the writer, when it is needed */
export async function receive(
  body: AsyncIterable<Uint8Array>,
  mediaType: string | undefined,
  apart: () => Promise<BodyWriter>,
): Promise<Received> {
  const pending = new Pending(INLINE_BYTES)
  const hash = createHash('sha256').update(JSON.stringify(mediaType ?? null))
  let size = 0
  let writer: BodyWriter | undefined
  for await (const chunk of body) {
    size += chunk.length
    hash.update(chunk)
    if (!writer) {
      if (pending.add(chunk)) continue
      writer = await apart()
      await writer.write(pending.take())
    }
    await writer.write(chunk)
  }
  await writer?.end()
  return { size, etag: `"${hash.digest('base64url')}"`, inline: writer ? undefined : pending.take() }
}

/** One object of S3 on its way: in one piece if it is small, else in parts. It ends by `end` or `drop`. */
export class BodyWriter {
  readonly #server: S3Server
  readonly #key: string
  readonly #begun: Promise<unknown>
  #buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES)
  #used = 0
  readonly #free: Buffer[] = []
  #upload: Promise<string> | undefined
  readonly #parts: Promise<Part>[] = []
  readonly #onTheWay = new Set<Promise<unknown>>()
  #error: unknown

  /** @param begun what has to be done before anything is written */
  constructor(server: S3Server, key: string, begun: Promise<unknown>) {
    this.#server = server
    this.#key = key
    this.#begun = begun
    begun.catch((error: unknown) => this.#fail(error))
  }

  /** Resolves when more may come. */
  async write(bytes: Uint8Array): Promise<void> {
    let rest = bytes
    while (rest.length > 0) {
      this.#expectGoingOn()
      const limit = partBytes(this.#parts.length)
      if (this.#used === limit) await this.#send()
      else {
        if (this.#used === this.#buffer.length) this.#grow(Math.min(limit, 2 * this.#used))
        const taken = Math.min(rest.length, this.#buffer.length - this.#used, limit - this.#used)
        this.#buffer.set(rest.subarray(0, taken), this.#used)
        this.#used += taken
        rest = rest.subarray(taken)
      }
    }
  }

  /** Resolves when S3 has all of it. */
  async end(): Promise<void> {
    await this.#begun
    this.#expectGoingOn()
    if (!this.#upload) {
      await this.#tracked(this.#server.put(this.#key, this.#buffer.subarray(0, this.#used)))
    } else {
      if (this.#used > 0) await this.#send()
      const parts = await Promise.all(this.#parts)
      this.#expectGoingOn()
      await this.#tracked(this.#server.joinParts(this.#key, await this.#upload, parts))
    }
    this.#expectGoingOn()
  }

  /** Leaves nothing, whatever it had come to. @throws BACKEND_UNAVAILABLE when that cannot be said */
  async drop(): Promise<void> {
    this.#fail(new HyperError('CLOSED', 'the service is shutting down'))
    await this.#begun
    await Promise.allSettled(this.#onTheWay)
    if (this.#upload) await this.#server.dropParts(this.#key, await this.#upload)
    await this.#server.remove(this.#key)
  }

  async #send(): Promise<void> {
    await this.#begun
    this.#upload ??= this.#tracked(this.#server.beginParts(this.#key))
    const upload = await this.#upload
    while (this.#onTheWay.size >= PARTS_ON_THE_WAY) await Promise.race(this.#onTheWay)
    this.#expectGoingOn()
    const buffer = this.#buffer
    const part = this.#server.putPart(this.#key, upload, this.#parts.length + 1, buffer.subarray(0, this.#used))
    this.#parts.push(this.#tracked(part))
    part.then(
      () => this.#free.push(buffer),
      (error: unknown) => this.#fail(error),
    )
    this.#buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES)
    this.#used = 0
  }

  /** Nothing is dropped before what is on its way has arrived. */
  #tracked<T>(request: Promise<T>): Promise<T> {
    const settled = request.then(
      () => {},
      () => {},
    )
    this.#onTheWay.add(settled)
    void settled.finally(() => this.#onTheWay.delete(settled))
    return request
  }

  #grow(size: number): void {
    const grown = Buffer.allocUnsafeSlow(size)
    grown.set(this.#buffer)
    this.#buffer = grown
  }

  #fail(error: unknown): void {
    this.#error ??= error
  }

  #expectGoingOn(): void {
    if (this.#error !== undefined) throw this.#error
  }
}

/** Of the part after `count` others: they grow, so that their number has a limit and the memory of most objects too. */
function partBytes(count: number): number {
  return PART_BYTES * 2 ** Math.floor(count / PARTS_OF_A_SIZE)
}
