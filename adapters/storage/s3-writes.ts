/** How an object comes to be replaced, as seen from every gateway: at once, knowing exactly what it replaces. */
import { HyperError } from '../../server/error.ts'
import type { ObjectInfo } from '../../server/ports/storage.ts'
import { BodyWriter, receive } from './s3-body.ts'
import type { S3Buckets } from './s3-buckets.ts'
import type { NotedBody, S3Chores } from './s3-chores.ts'
import { newId } from './s3-places.ts'
import { infoOf, type ObjectRecord, type S3Records, type StoredRecord } from './s3-records.ts'
import type { S3Server } from './s3-server.ts'
import { InTurn } from './s3-turns.ts'

/** Gateways that replace one object at the same time: more than these tries says that something else is wrong. */
const MOST_TRIES = 50

interface Store {
  server: S3Server
  buckets: S3Buckets
  records: S3Records
  chores: S3Chores
}

export interface NewObject {
  bucket: string
  object: string
  mediaType?: string | undefined
  body: AsyncIterable<Uint8Array>
  onlyIf?: ((current: ObjectInfo | undefined) => void) | undefined
}

/** The bytes of an object to be, apart from its record. */
interface Body {
  generation: string
  writer: BodyWriter
  noted: Promise<NotedBody>
  /** There is a copy of what was written. */
  isMoved?: boolean
}

export class S3Writes {
  readonly #store: Store
  readonly #turns = new InTurn()
  readonly #bodies = new Set<Body>()
  #isClosing = false

  constructor(store: Store) {
    this.#store = store
  }

  /** Gives up what is still on its way. */
  async close(): Promise<void> {
    this.#isClosing = true
    await Promise.all([...this.#bodies].map((body) => this.#drop(body)))
  }

  async put({ bucket, object, mediaType, body, onlyIf }: NewObject): Promise<ObjectInfo> {
    const id = newId()
    let apart: Body | undefined
    try {
      const { inline, ...received } = await receive(body, mediaType, async () => {
        apart = await this.#beginBody(bucket, object, id)
        return apart.writer
      }).catch(async (error: unknown) => {
        // That there is no such bucket is said first, whatever becomes of the body.
        if (!apart && !isUnavailable(error)) await this.#store.buckets.generationOf(bucket)
        throw error
      })
      const record = { object, mediaType, ...received, modified: 0, id, isInline: inline !== undefined }
      return await this.#turns.take(`${bucket}/${object}`, () => this.#publish(bucket, record, inline, apart, onlyIf))
    } catch (error) {
      if (apart) {
        const dropping = this.#drop(apart)
        // Where the server is gone it would only take as long again.
        if (!isUnavailable(error)) await dropping
      }
      throw error
    }
  }

  async remove(bucket: string, object: string): Promise<void> {
    const { records, chores } = this.#store
    await this.#turns.take(`${bucket}/${object}`, async () => {
      const { generation, value: old } = await this.#current(bucket, object)
      if (!old) throw new HyperError('OBJECT_NOT_FOUND', 'object does not exist')
      const replaced = await this.#noteReplaced(generation, old)
      await records.remove(generation, object)
      if (replaced) chores.retire(replaced)
    })
  }

  async #publish(
    bucket: string,
    record: ObjectRecord,
    inline: Uint8Array | undefined,
    apart: Body | undefined,
    onlyIf: NewObject['onlyIf'],
  ): Promise<ObjectInfo> {
    const { records, chores } = this.#store
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const { generation, value: old } = await this.#current(bucket, record.object)
      // A try whose answer was lost has been carried out all the same.
      if (old?.record.id === record.id) return infoOf(old.record)
      onlyIf?.(old && infoOf(old.record))
      if (apart) await this.#moveTo(generation, apart, record)
      if (this.#isClosing) throw new HyperError('CLOSED', 'the service is shutting down')
      const noted = await apart?.noted
      if (noted) chores.expectOwn(noted)

      record.modified = Date.now()
      const replaced = await this.#noteReplaced(generation, old)
      const isDone = await records.replace(generation, record, inline ?? Buffer.alloc(0), old?.tag).catch((error) => {
        // Nobody knows whether the record names the body now: the list of chores says what to look at later.
        if (apart) this.#bodies.delete(apart)
        if (noted) chores.leave(noted)
        if (replaced) chores.leave(replaced)
        throw error
      })
      if (!isDone) {
        if (replaced) chores.leave(replaced)
        continue
      }
      if (apart) this.#bodies.delete(apart)
      if (noted) chores.cross(noted).catch(() => {})
      if (replaced) chores.retire(replaced)
      return infoOf(record)
    }
    throw new HyperError('BACKEND_UNAVAILABLE', 'the object is being replaced by too many at once')
  }

  async #beginBody(bucket: string, object: string, id: string): Promise<Body> {
    const { server, buckets, records, chores } = this.#store
    if (this.#isClosing) throw new HyperError('CLOSED', 'the service is shutting down')
    const generation = await buckets.generationOf(bucket)
    const noted = chores.note({ kind: 'body', generation, object, id })
    const body = { generation, noted, writer: new BodyWriter(server, records.bodyKey(generation, id), noted) }
    this.#bodies.add(body)
    return body
  }

  /** Leaves nothing of a body that no record can name. */
  async #drop(body: Body): Promise<void> {
    if (!this.#bodies.delete(body)) return
    const { chores } = this.#store
    const noted = await body.noted.catch(() => undefined)
    await body.writer
      .drop()
      .then(() => noted && (body.isMoved ? chores.leave(noted) : chores.cross(noted)))
      .catch(() => noted && chores.leave(noted))
  }

  /** The bucket was emptied while the body came: it belongs to the new generation then. */
  async #moveTo(generation: string, body: Body, { id, object }: ObjectRecord): Promise<void> {
    if (body.generation === generation) return
    const { server, records, chores } = this.#store
    const noted = chores.note({ kind: 'body', generation, object, id })
    await noted
    const isCopied = await server.copy(records.bodyKey(body.generation, id), records.bodyKey(generation, id))
    chores.leave(await body.noted)
    Object.assign(body, { generation, noted, isMoved: true })
    if (!isCopied) throw new HyperError('BACKEND_UNAVAILABLE', 'the bucket was emptied while the object came')
  }

  async #current(bucket: string, object: string): Promise<{ generation: string; value: StoredRecord | undefined }> {
    return this.#store.buckets.within(bucket, (generation) => this.#store.records.get(generation, object))
  }

  /** Writes down the bytes of a record that is about to go, if they are apart. */
  async #noteReplaced(generation: string, old: StoredRecord | undefined): Promise<NotedBody | undefined> {
    if (!old || old.record.isInline) return undefined
    const { object, id } = old.record
    return this.#store.chores.noteRemoval({ kind: 'body', generation, object, id })
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof HyperError && error.code === 'BACKEND_UNAVAILABLE'
}
