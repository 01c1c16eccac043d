/**
 * The record of an object: a line of JSON and, while they are few, the bytes. S3 replaces it whole, so that a reader has either
 * version, and every change gives it another tag of S3's. The bytes of a larger object are apart, under the record's id, so that
 * they can be read to their end by whoever has read the record, however often the object is replaced meanwhile.
 *
 * Media type and time are in the record because S3 loses them: it has no absent type, and its times are in seconds.
 */
import { HyperError } from '../../server/error.ts'
import type { ObjectInfo } from '../../server/ports/storage.ts'
import { keyOf } from './s3-names.ts'
import type { Places } from './s3-places.ts'
import type { S3Server } from './s3-server.ts'

/** Up to here one request brings all; larger objects cost more requests, both ways. */
export const INLINE_BYTES = 262_144

/** Most lines are shorter. */
const LINE_BYTES = 2_048

const NEW_LINE = 0x0a

export interface ObjectRecord extends ObjectInfo {
  /** Of this version, and the name of its bytes where they are apart. */
  id: string
  isInline: boolean
}

export interface StoredRecord {
  record: ObjectRecord
  /** Where they are inline. */
  bytes: Buffer
  /** S3's own tag. */
  tag: string
}

export class S3Records {
  readonly #server: S3Server
  readonly #places: Places

  constructor(server: S3Server, places: Places) {
    this.#server = server
    this.#places = places
  }

  async get(generation: string, object: string): Promise<StoredRecord | undefined> {
    const fetched = await this.#server.get(this.#places.objects(generation) + keyOf(object))
    return fetched && parsed(fetched.bytes, fetched.tag)
  }

  /** What the record at a key says; undefined for none. */
  async at(key: string): Promise<ObjectRecord | undefined> {
    let fetched = await this.#server.get(key, LINE_BYTES)
    if (fetched && !fetched.bytes.includes(NEW_LINE)) fetched = await this.#server.get(key)
    return fetched && parsed(fetched.bytes, fetched.tag).record
  }

  /** Answers false, and nothing has changed, unless the tag is what is there; undefined for nothing. */
  async replace(
    generation: string,
    record: ObjectRecord,
    bytes: Uint8Array,
    tag: string | undefined,
  ): Promise<boolean> {
    const body = Buffer.concat([Buffer.from(`${JSON.stringify(record)}\n`), bytes])
    return this.#server.replace(this.#places.objects(generation) + keyOf(record.object), body, tag)
  }

  async remove(generation: string, object: string): Promise<void> {
    await this.#server.remove(this.#places.objects(generation) + keyOf(object))
  }

  bodyKey(generation: string, id: string): string {
    return this.#places.bodies(generation) + id
  }
}

/** What a record tells callers. */
export function infoOf({ object, size, mediaType, etag, modified }: ObjectInfo): ObjectInfo {
  return { object, size, mediaType, etag, modified }
}

function parsed(text: Buffer, tag: string): StoredRecord {
  const end = text.indexOf(NEW_LINE)
  try {
    const record = JSON.parse(text.subarray(0, end).toString()) as ObjectRecord
    return { record, bytes: text.subarray(end + 1), tag }
  } catch (cause) {
    throw new HyperError('BACKEND_UNAVAILABLE', 'the stored object is damaged', { cause })
  }
}
