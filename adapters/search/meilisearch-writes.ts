/**
 * Writes to one index of Meilisearch, which knows neither "only if it is new" nor "only if it is there", takes some 20 ms for a
 * task however small, and makes an index that is missing. So writes are gathered while others are under way; each batch asks what
 * is there, decides as if its writes came one after the other, writes, and then looks whether another gateway came first: every
 * document that is added has an id of its own, and the one whose task came first stays.
 */
import type { EnqueuedTaskPromise, Meilisearch } from 'meilisearch'
import { HyperError } from '../../server/error.ts'
import { indexNotFound } from './catalogue.ts'
import { idOf, idsUnder, newLabel, type StoredRecord } from './meilisearch-records.ts'
import type { MeilisearchServer } from './meilisearch-server.ts'

/** A batch takes no further write that would make it longer, in characters. */
const BATCH_LENGTH = 10_000_000

/** What a write needs to know and may say: what there is under hashes of keys, and what there shall be. */
export interface Draft {
  has(hash: string): boolean
  put(hash: string, tail: string): void
  remove(hash: string): void
}

interface Write {
  hashes: readonly string[]
  length: number
  /** 'clear' removes everything, alone. */
  apply: ((draft: Draft) => void) | 'clear'
  resolve(count: number): void
  reject(error: unknown): void
  /** Nobody waits for it any longer. */
  isOver: boolean
}

export interface WritesOptions {
  server: MeilisearchServer
  /** Meilisearch's name for the index. */
  index: string
  /** Whether what is written there is still anyone's. */
  isNeeded(): Promise<boolean>
  onIdle(): void
}

export class Writes {
  readonly #options: WritesOptions
  #waiting: Write[] = []
  #running: Promise<void> | undefined

  constructor(options: WritesOptions) {
    this.#options = options
  }

  /**
   * Acknowledged when every query sees it.
   * @param apply throws why the write cannot be made, before it changes anything in the draft; may be asked again
   */
  async change(hashes: readonly string[], length: number, apply: (draft: Draft) => void): Promise<void> {
    await this.#add({ hashes, length, apply })
  }

  /** Answers how many documents went. */
  async clear(): Promise<number> {
    return await this.#add({ hashes: [], length: 0, apply: 'clear' })
  }

  async idle(): Promise<void> {
    await this.#running
  }

  async #add(write: Pick<Write, 'hashes' | 'length' | 'apply'>): Promise<number> {
    let added: Write | undefined
    const done = () =>
      new Promise<number>((resolve, reject) => {
        added = { ...write, resolve, reject, isOver: false }
        this.#waiting.push(added)
        this.#running ??= this.#run()
      })
    return await this.#options.server.watch(done).finally(() => {
      if (added) added.isOver = true
    })
  }

  async #run(): Promise<void> {
    for (let batch = this.#take(); batch.length > 0; batch = this.#take()) {
      try {
        const again = batch[0]?.apply === 'clear' ? await this.#clear(batch) : await this.#commit(batch)
        this.#waiting.unshift(...again)
      } catch (error) {
        if (error instanceof HyperError && error.code === 'BACKEND_UNAVAILABLE')
          this.#options.server.doubt(this.#options.index)
        for (const { reject } of batch) reject(error)
      }
    }
    this.#running = undefined
    this.#options.onIdle()
  }

  #take(): Write[] {
    this.#waiting = this.#waiting.filter(({ isOver }) => !isOver)
    let length = 0
    let count = 0
    for (const write of this.#waiting) {
      length += write.length
      const isAlone = write.apply === 'clear' || this.#waiting[0]?.apply === 'clear'
      if (count > 0 && (length > BATCH_LENGTH || isAlone)) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  async #clear(batch: readonly Write[]): Promise<never[]> {
    const { server, index } = this.#options
    const [task] = await server.perform((client) => client.index(index).deleteAllDocuments())
    await this.#mustBeNeeded()
    for (const { resolve } of batch) resolve(task?.details?.deletedDocuments ?? 0)
    return []
  }

  /** Answers what has to be done again, because another gateway came first. */
  async #commit(batch: readonly Write[]): Promise<Write[]> {
    const { server, index } = this.#options
    await server.settled(index)
    const hashes = [...new Set(batch.flatMap((write) => write.hashes))]
    const draft = new BatchDraft(await idsUnder(server, index, hashes))
    const refused = new Map<Write, unknown>()
    for (const write of batch) {
      try {
        if (write.apply !== 'clear') write.apply(draft)
      } catch (error) {
        refused.set(write, error)
      }
    }
    const { steps, added } = draft.steps(index)
    let again: Write[] = []
    if (steps.length > 0) {
      await server.perform(...steps)
      await this.#mustBeNeeded()
      const lost = await this.#lost(batch, added)
      again = batch.filter((write) => write.hashes.some((hash) => lost.has(hash)))
      const withdrawn = [...lost].flatMap((hash) => added.get(hash) ?? [])
      if (withdrawn.length > 0) await server.perform((client) => client.index(index).deleteDocuments(withdrawn))
    }
    for (const write of batch) {
      if (again.includes(write)) continue
      if (refused.has(write)) write.reject(refused.get(write))
      else write.resolve(0)
    }
    return again
  }

  /** Hashes of documents that were added in vain, with all that was added together with them. */
  async #lost(batch: readonly Write[], added: ReadonlyMap<string, string>): Promise<Set<string>> {
    const { server, index } = this.#options
    const lost = new Set<string>()
    for (const [hash, ids] of await idsUnder(server, index, [...added.keys()])) {
      const own = added.get(hash)
      if (own !== undefined && ids.includes(own) && ids[0] !== own) lost.add(hash)
    }
    for (let size = -1; size !== lost.size; ) {
      size = lost.size
      for (const { hashes } of batch) {
        if (hashes.some((hash) => lost.has(hash))) for (const hash of hashes) lost.add(hash)
      }
    }
    return lost
  }

  /** An index that was removed meanwhile is there again, made by what was just written. */
  async #mustBeNeeded(): Promise<void> {
    const { server, index, isNeeded } = this.#options
    if (await isNeeded()) return
    await server
      .perform((client) => client.deleteIndex(index))
      .catch((error: unknown) => {
        if (!(error instanceof HyperError && error.code === 'SEARCH_INDEX_NOT_FOUND')) throw error
      })
    throw indexNotFound()
  }
}

class BatchDraft implements Draft {
  readonly #ids: ReadonlyMap<string, readonly string[]>
  /** What shall be otherwise than it is; undefined: gone. */
  readonly #wanted = new Map<string, string | undefined>()

  /** @param ids of what is there now, by hash, the one that counts first */
  constructor(ids: ReadonlyMap<string, readonly string[]>) {
    this.#ids = ids
  }

  has(hash: string): boolean {
    return this.#wanted.has(hash) ? this.#wanted.get(hash) !== undefined : this.#ids.has(hash)
  }

  put(hash: string, tail: string): void {
    this.#wanted.set(hash, tail)
  }

  remove(hash: string): void {
    this.#wanted.set(hash, undefined)
  }

  /** What makes it so, and the ids of what is new, by hash. */
  steps(index: string): {
    steps: ((client: Meilisearch) => EnqueuedTaskPromise)[]
    added: Map<string, string>
  } {
    const label = newLabel()
    const added = new Map<string, string>()
    const removed: string[] = []
    const newLines: string[] = []
    const changedLines: string[] = []
    for (const [hash, tail] of this.#wanted) {
      const [id, ...superfluous] = this.#ids.get(hash) ?? []
      removed.push(...superfluous)
      if (tail === undefined) {
        if (id !== undefined) removed.push(id)
      } else if (id !== undefined) {
        changedLines.push(`{"id":"${id}",${tail}`)
      } else {
        added.set(hash, idOf(hash, label))
        newLines.push(`{"id":"${idOf(hash, label)}",${tail}`)
      }
    }
    const steps: ((client: Meilisearch) => EnqueuedTaskPromise)[] = []
    if (removed.length > 0) steps.push((client) => client.index(index).deleteDocuments(removed))
    // What another gateway removes meanwhile must not come back.
    if (changedLines.length > 0) steps.push(addition(index, changedLines, { skipCreation: true }))
    if (newLines.length > 0) steps.push(addition(index, newLines, { customMetadata: label }))
    return { steps, added }
  }
}

function addition(
  index: string,
  lines: readonly string[],
  options: { skipCreation?: boolean; customMetadata?: string },
): (client: Meilisearch) => EnqueuedTaskPromise {
  return (client) =>
    client
      .index<StoredRecord & Record<string, unknown>>(index)
      .addDocumentsFromString(lines.join('\n'), 'application/x-ndjson', { primaryKey: 'id', ...options })
}
