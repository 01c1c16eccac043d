/**
 * What has to be removed is written down in the S3 bucket before it is garbage, and crossed out when it is gone: an upload, the
 * bytes of a replaced object, a generation that no bucket has any more. A gateway that dies leaves its list, and any other, or its
 * own next run, goes through it. Whose gateway lives writes its lines anew from time to time, and an unfinished upload is taken
 * for dead only when nobody has for a whole lease. Nothing is removed that a record names.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import type { S3Buckets } from './s3-buckets.ts'
import { isFull } from './s3-error.ts'
import { keyOf } from './s3-names.ts'
import { newId, type Places } from './s3-places.ts'
import type { S3Records } from './s3-records.ts'
import type { S3Server } from './s3-server.ts'

/** The bytes named `id`, unless they are those of `object`. */
interface BodyChore {
  kind: 'body'
  generation: string
  object: string
  id: string
}

/** All that is in a generation, unless it is that of `bucket`. */
interface GenerationChore {
  kind: 'generation'
  generation: string
  bucket: string
}

type Chore = BodyChore | GenerationChore

/** A chore that is written down. */
interface Noted<C extends Chore = Chore> {
  readonly key: string
  readonly chore: C
  /** When that was last sure to be on the server, in the time of `performance.now`. */
  at: number
}

export type NotedBody = Noted<BodyChore>
export type NotedGeneration = Noted<GenerationChore>

const LEASE_MS = 120_000
/** How long bytes outlive their record, for those who have just read it and ask for the bytes now. */
const GRACE_MS = 1_000
/** How long a close waits for what readers still hold. */
const CLOSE_MS = 1_000

interface Store {
  server: S3Server
  places: Places
  buckets: S3Buckets
  records: S3Records
}

export class S3Chores {
  readonly #store: Store
  readonly #leaseMs: number
  readonly #own = new Map<string, Noted>()
  /** Those of others: their time on the server, and since when they have had it. */
  readonly #others = new Map<string, { time: number; since: number }>()
  readonly #retired = new Map<NodeJS.Timeout, NotedBody>()
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> = Promise.resolve()
  #isClosing = false

  constructor(store: Store, leaseMs = LEASE_MS) {
    this.#store = store
    this.#leaseMs = leaseMs
  }

  /** Goes through the list from now on, in the background. */
  start(): void {
    const look = () => {
      void this.#renewOwn() // not behind the work, which may take longer than a lease
      this.#inBackground(() => this.#doLeftovers())
    }
    this.#timer = setInterval(look, this.#leaseMs / 4).unref()
    look()
  }

  /** Removes what can be removed now, and leaves the rest to others. */
  async close(): Promise<void> {
    this.#isClosing = true
    clearInterval(this.#timer)
    const retired = [...this.#retired].map(([timer, noted]) => {
      clearTimeout(timer)
      return this.#removeBody(noted).catch(() => {})
    })
    const work = Promise.all([this.#working, ...retired])
    await Promise.race([work, sleep(CLOSE_MS, undefined, { ref: false })])
  }

  async note<C extends Chore>(chore: C): Promise<Noted<C>> {
    const noted = { key: this.#store.places.chores + newId(), chore, at: 0 }
    await this.#write(noted)
    this.#own.set(noted.key, noted)
    return noted
  }

  /** The same for what makes room: where that is needed nothing can be written down, and it is removed all the same. */
  async noteRemoval<C extends Chore>(chore: C): Promise<Noted<C>> {
    const noted = { key: this.#store.places.chores + newId(), chore, at: performance.now() }
    await this.#write(noted).catch((error: unknown) => {
      if (!isFull(error)) throw error
    })
    this.#own.set(noted.key, noted)
    return noted
  }

  /** @throws BACKEND_UNAVAILABLE when another gateway may have taken it for left behind */
  expectOwn({ at }: Noted): void {
    if (performance.now() - at < this.#leaseMs / 2) return
    throw new HyperError('BACKEND_UNAVAILABLE', 'the upload was interrupted for too long')
  }

  /** There is nothing to do any more. */
  async cross(noted: Noted): Promise<void> {
    this.#own.delete(noted.key)
    await this.#store.server.remove(noted.key)
  }

  /** Whether there is something to do has to be found out, later. */
  leave(noted: Noted): void {
    this.#own.delete(noted.key)
  }

  /** Nothing refers to the body any more: it goes in a moment. */
  retire(noted: NotedBody): void {
    const timer = setTimeout(() => {
      this.#retired.delete(timer)
      this.#removeBody(noted).catch(() => this.leave(noted))
    }, GRACE_MS).unref()
    this.#retired.set(timer, noted)
  }

  /** Nothing refers to the generation any more: it goes bit by bit. */
  sweep(noted: NotedGeneration): void {
    this.#inBackground(async () => {
      await sleep(GRACE_MS, undefined, { ref: false })
      await this.#carryOut(noted).catch(() => this.leave(noted))
    })
  }

  async #removeBody(noted: NotedBody): Promise<void> {
    const { generation, id } = noted.chore
    await this.#store.server.remove(this.#store.records.bodyKey(generation, id))
    await this.cross(noted)
  }

  /** Removes all of a generation that its bucket keeps; answers how many objects there were. */
  async clear(generation: string): Promise<number> {
    const { places } = this.#store
    const count = await this.#removeAll(places.objects(generation))
    await this.#removeAll(places.bodies(generation))
    return count
  }

  /** What nothing refers to; then the line is crossed out. */
  async #carryOut(noted: Noted): Promise<void> {
    const { buckets } = this.#store
    const { chore } = noted
    if (chore.kind === 'body') await this.#removeUnnamedBody(chore)
    else if (!(await buckets.isNamed(chore.bucket, chore.generation))) await this.clear(chore.generation)
    if (!this.#isClosing) await this.cross(noted)
  }

  async #removeUnnamedBody({ generation, object, id }: BodyChore): Promise<void> {
    const { server, places, records } = this.#store
    const record = await records.at(places.objects(generation) + keyOf(object))
    if (record?.id === id) return
    const key = records.bodyKey(generation, id)
    for (const upload of await server.uploadsTo(key)) await server.dropParts(key, upload)
    await server.remove(key)
  }

  async #removeAll(prefix: string): Promise<number> {
    let count = 0
    for (let isLast = false; !isLast && !this.#isClosing; ) {
      const listed = await this.#store.server.list(prefix, '')
      await this.#store.server.removeAll(listed.keys)
      count += listed.keys.length
      isLast = listed.isLast
    }
    return count
  }

  async #doLeftovers(): Promise<void> {
    const { server, places } = this.#store
    const now = performance.now()
    const found = new Map<string, number>()
    for (let after = '', isLast = false; !isLast; ) {
      const listed = await server.list(places.chores, after)
      for (const [n, key] of listed.keys.entries()) found.set(key, listed.times[n] ?? 0)
      after = listed.keys.at(-1) ?? ''
      isLast = listed.isLast
    }
    for (const key of this.#others.keys()) if (!found.has(key)) this.#others.delete(key)
    for (const [key, time] of found) {
      if (this.#isClosing) return
      if (this.#own.has(key)) continue
      const known = this.#others.get(key)
      if (known?.time !== time) this.#others.set(key, { time, since: now })
      else if (now - known.since >= this.#leaseMs) await this.#doLeftover(key)
    }
  }

  async #doLeftover(key: string): Promise<void> {
    const line = await this.#store.server.get(key)
    if (line) await this.#carryOut({ key, chore: JSON.parse(line.bytes.toString()) as Chore, at: 0 })
  }

  async #renewOwn(): Promise<void> {
    await Promise.all([...this.#own.values()].map((noted) => this.#write(noted).catch(() => {})))
  }

  async #write(noted: Noted): Promise<void> {
    const at = performance.now()
    await this.#store.server.put(noted.key, Buffer.from(JSON.stringify(noted.chore)))
    noted.at = at
  }

  /** One after another; what fails is tried again when it is looked at next. */
  #inBackground(work: () => Promise<void>): void {
    this.#working = this.#working.then(async () => {
      if (!this.#isClosing) await work().catch(() => {})
    })
  }
}
