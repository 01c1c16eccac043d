/**
 * The buckets by name. All live in one S3 bucket: names of those are narrower than ours, on Amazon shared with the whole world,
 * limited in number, slow to make, and one that holds something cannot be removed. Here a bucket is a record that names a
 * generation, under which its objects are; it is made, removed or emptied by one conditional write of that record, at once and
 * for every gateway, and what was in it is then in a generation that no record names.
 */
import { HyperError } from '../../server/error.ts'
import { keyOf, nameOf } from './s3-names.ts'
import { newId, type Places } from './s3-places.ts'
import type { S3Server } from './s3-server.ts'

/** Generations remembered, to be asked about beside a request instead of before it. */
const REMEMBERED = 10_000

interface BucketRecord {
  generation: string
  tag: string
}

export class S3Buckets {
  readonly #server: S3Server
  readonly #place: string
  readonly #last = new Map<string, string>()

  constructor(server: S3Server, { buckets }: Places) {
    this.#server = server
    this.#place = buckets
  }

  /** Ascending by code point, which is the order of their keys. */
  async names(): Promise<string[]> {
    const names: string[] = []
    for (let after = '', isLast = false; !isLast; ) {
      const listed = await this.#server.list(this.#place, after)
      names.push(...listed.keys.map((key) => nameOf(key.slice(this.#place.length))))
      after = listed.keys.at(-1) ?? ''
      isLast = listed.isLast
    }
    return names
  }

  /** @throws BUCKET_EXISTS */
  async make(name: string): Promise<void> {
    const generation = newId()
    if (await this.#write(name, generation, undefined)) return
    // The answer to a first attempt may have been lost.
    if ((await this.#read(name))?.generation === generation) return
    throw new HyperError('BUCKET_EXISTS', 'bucket already exists')
  }

  /** `before` is told the generation that is about to go. @throws BUCKET_NOT_FOUND */
  async remove(name: string, before: (generation: string) => Promise<void>): Promise<void> {
    await before((await this.#existing(name)).generation)
    await this.#server.remove(this.#place + keyOf(name))
    this.#last.delete(name)
  }

  /** The same, and it has a new generation then. `before` may be told several, of which others have made the first ones go. */
  async renew(name: string, before: (generation: string) => Promise<void>): Promise<void> {
    const generation = newId()
    for (;;) {
      const old = await this.#existing(name)
      // A try whose answer was lost has been carried out all the same.
      if (old.generation === generation) return
      await before(old.generation)
      if (await this.#write(name, generation, old.tag)) return
    }
  }

  /** @throws BUCKET_NOT_FOUND */
  async generationOf(name: string): Promise<string> {
    return (await this.#existing(name)).generation
  }

  /** Whether it is what a bucket holds now. */
  async isNamed(name: string, generation: string): Promise<boolean> {
    return (await this.#read(name))?.generation === generation
  }

  /**
   * What `request` answers for the generation of a bucket at some moment between call and answer. The one of last time is
   * asked about while the request is under way with it; only when it is another now, both are made again.
   * @throws BUCKET_NOT_FOUND
   */
  async within<T>(
    name: string,
    request: (generation: string) => Promise<T>,
  ): Promise<{ generation: string; value: T }> {
    const guess = this.#last.get(name)
    if (guess !== undefined) {
      const [existing, tried] = await Promise.allSettled([this.#existing(name), request(guess)])
      if (existing.status === 'rejected') throw existing.reason
      if (existing.value.generation === guess) {
        if (tried.status === 'rejected') throw tried.reason
        return { generation: guess, value: tried.value }
      }
    }
    const { generation } = await this.#existing(name)
    return { generation, value: await request(generation) }
  }

  async #existing(name: string): Promise<BucketRecord> {
    const record = await this.#read(name)
    if (!record) throw new HyperError('BUCKET_NOT_FOUND', 'bucket does not exist')
    if (this.#last.size >= REMEMBERED) this.#last.clear()
    this.#last.set(name, record.generation)
    return record
  }

  async #read(name: string): Promise<BucketRecord | undefined> {
    const fetched = await this.#server.get(this.#place + keyOf(name))
    if (!fetched) {
      this.#last.delete(name)
      return undefined
    }
    const { generation } = JSON.parse(fetched.bytes.toString()) as { generation: string }
    return { generation, tag: fetched.tag }
  }

  async #write(name: string, generation: string, tag: string | undefined): Promise<boolean> {
    const record = Buffer.from(JSON.stringify({ bucket: name, generation }))
    return this.#server.replace(this.#place + keyOf(name), record, tag)
  }
}
