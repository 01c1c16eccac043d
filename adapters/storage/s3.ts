/**
 * The storage port on any S3 server. Objects are not found there under their own names and as they are, but as records
 * (s3-records.ts): what S3 calls an object has neither our names, nor an absent media type, nor a version that can be read to
 * its end while it is replaced; MinIO even keeps the next writer waiting until the slowest reader of the last version is done.
 */
import type { Readable } from 'node:stream'
import { HyperError } from '../../server/error.ts'
import type { Page } from '../../server/ports/common.ts'
import type { ByteRange, ObjectInfo, StoragePort } from '../../server/ports/storage.ts'
import { addressOf, type S3StorageOptions } from './s3-address.ts'
import { S3Buckets } from './s3-buckets.ts'
import { type NotedGeneration, S3Chores } from './s3-chores.ts'
import { isFull } from './s3-error.ts'
import { type ListedPage, listPage, recordsAt } from './s3-listing.ts'
import { placesIn } from './s3-places.ts'
import { infoOf, S3Records, type StoredRecord } from './s3-records.ts'
import { S3Server } from './s3-server.ts'
import { S3Writes } from './s3-writes.ts'

/** Up to here bytes come at once. */
const AT_ONCE_BYTES = 65_536

export function createS3Storage(options: S3StorageOptions): StoragePort {
  const address = addressOf(options)
  const places = placesIn(address.root)
  const server = new S3Server(address)
  const buckets = new S3Buckets(server, places)
  const records = new S3Records(server, places)
  const chores = new S3Chores({ server, places, buckets, records })
  const writes = new S3Writes({ server, buckets, records, chores })
  const store = { server, places, records }

  async function read(
    generation: string,
    { record, bytes }: StoredRecord,
    range?: ByteRange,
  ): Promise<Uint8Array | Readable> {
    const { start, end } = range ?? { start: 0, end: record.size - 1 }
    if (record.isInline) {
      if (bytes.length !== record.size) throw new HyperError('BACKEND_UNAVAILABLE', 'the stored object is damaged')
      return bytes.subarray(start, end + 1)
    }
    const length = end - start + 1
    const opened = await server.open(records.bodyKey(generation, record.id), { start, end })
    if (!opened) {
      const now = await records.get(generation, record.object)
      if (now?.record.id !== record.id) throw objectNotFound()
      throw new HyperError('BACKEND_UNAVAILABLE', 'the stored object is missing')
    }
    if (opened.length !== length) {
      opened.stream.destroy()
      throw new HyperError('BACKEND_UNAVAILABLE', 'the stored object is damaged')
    }
    return length > AT_ONCE_BYTES ? opened.stream : Buffer.concat(await opened.stream.toArray())
  }

  /** The generations that a bucket loses by `change`, each written down before. */
  async function lostBy(
    bucket: string,
    change: (before: (generation: string) => Promise<void>) => Promise<void>,
  ): Promise<NotedGeneration[]> {
    const gone: NotedGeneration[] = []
    try {
      await change(async (generation) => {
        gone.push(await chores.noteRemoval({ kind: 'generation', generation, bucket }))
      })
      return gone
    } catch (error) {
      for (const noted of gone) chores.leave(noted)
      throw error
    }
  }

  /** Pages of what `look` makes of each page of keys. */
  async function pages<T>(
    bucket: string,
    range: { prefix: string; startAfter: string },
    look: (listed: ListedPage['items']) => Promise<T[]>,
    from?: string,
  ): Promise<Page<T>> {
    const { value } = await buckets.within(bucket, (generation) => listPage(store, generation, range, from))
    const { items, last } = value
    const next = last === undefined ? undefined : () => pages(bucket, range, look, last)
    return { items: (await look(items)) as Page<T>['items'], next }
  }

  return {
    async open() {
      chores.start()
    },

    async check() {
      await server.check()
    },

    async close() {
      await writes.close()
      await chores.close()
      server.close()
    },

    async makeBucket({ bucket }) {
      await buckets.make(bucket)
    },

    async removeBucket({ bucket }) {
      const gone = await lostBy(bucket, (before) => buckets.remove(bucket, before))
      for (const noted of gone) chores.sweep(noted)
    },

    async listBuckets() {
      return { names: await buckets.names() }
    },

    async emptyBucket({ bucket }) {
      let gone: NotedGeneration[]
      try {
        gone = await lostBy(bucket, (before) => buckets.renew(bucket, before))
      } catch (error) {
        if (!isFull(error)) throw error
        // No record can be written until there is room again.
        return { count: await chores.clear(await buckets.generationOf(bucket)) }
      }
      // Counted when nothing comes to it any more.
      const count = await server.count(places.objects(gone.at(-1)?.chore.generation ?? ''))
      for (const noted of gone) chores.sweep(noted)
      return { count }
    },

    putObject: (object) => writes.put(object),

    async getObject({ bucket, object }) {
      const { generation, value: stored } = await buckets.within(bucket, (now) => records.get(now, object))
      if (!stored) throw objectNotFound()
      return { ...infoOf(stored.record), read: (range) => read(generation, stored, range) }
    },

    removeObject: ({ bucket, object }) => writes.remove(bucket, object),

    listObjects: ({ bucket, prefix = '', startAfter = '' }) =>
      pages<ObjectInfo>(bucket, { prefix, startAfter }, async (items) => {
        const keys = items.map(({ key }) => key)
        return (await recordsAt(store, keys)).map(infoOf)
      }),

    listNames: ({ bucket, prefix = '', startAfter = '' }) =>
      pages<string>(bucket, { prefix, startAfter }, async (items) => items.map(({ name }) => name)),
  } satisfies StoragePort
}

function objectNotFound(): HyperError {
  return new HyperError('OBJECT_NOT_FOUND', 'object does not exist')
}
