/**
 * The files of objects too large for a row. Each has a random name that its row keeps, never its key: nothing a client
 * chooses becomes part of a path. A file is written aside, put in place whole, and never changed afterwards.
 */
import { randomBytes } from 'node:crypto'
import { access, type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { HyperError } from '../../server/error.ts'
import { onFiles } from './file-error.ts'

/** How long a file outlives its row, for those who have just read the row and open the file now. */
const GRACE_MS = 1_000

const SHARD = /^[0-9a-f]{2}$/

/** A file being written. It ends by `place` or `discard`. */
export interface Draft {
  readonly name: string
  readonly handle: FileHandle
}

export class ObjectFiles {
  readonly #root: string
  readonly #drafts = new Set<Draft>()
  readonly #retired = new Map<string, NodeJS.Timeout>()
  /** Placed since the start, so perhaps for a row that is not committed yet. Kept until leftovers are removed. */
  #fresh: Set<string> | undefined = new Set()
  #cleaning: Promise<void> | undefined
  #stopped = false

  constructor(root: string) {
    this.#root = root
  }

  /**
   * Makes the folders. What a crash left behind is then removed in the background.
   * @param named the files that rows name, of those whose names begin with `shard`
   */
  async open(named: (shard: string) => ReadonlySet<string>): Promise<void> {
    await onFiles(async () => {
      await mkdir(this.#drafted(''), { recursive: true })
      const abandoned = await readdir(this.#drafted(''))
      this.#cleaning = this.#removeLeftovers(abandoned, named).catch(() => {}) // the next start tries again
    })
  }

  async check(): Promise<void> {
    await onFiles(() => access(this.#root))
  }

  /** Gives up what is still being written; from now on nothing else is. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#cleaning
    await Promise.all([...this.#drafts].map((draft) => this.discard(draft)))
  }

  /** Removes now what was to be removed soon. */
  async close(): Promise<void> {
    for (const [name, timer] of this.#retired) {
      clearTimeout(timer)
      await this.remove(name)
    }
  }

  async create(): Promise<Draft> {
    const name = randomBytes(16).toString('hex')
    const draft = { name, handle: await onFiles(() => open(this.#drafted(name), 'wx')) }
    this.#drafts.add(draft)
    if (this.#stopped) await this.discard(draft)
    return draft
  }

  /** Resolves when the caller may overwrite `bytes`. */
  async append(draft: Draft, bytes: Uint8Array): Promise<void> {
    this.#expectGoingOn(draft)
    await onFiles(() => draft.handle.appendFile(bytes))
  }

  /** Resolves when the file is on disk, whole and in its place. */
  async place(draft: Draft): Promise<void> {
    this.#expectGoingOn(draft)
    this.#fresh?.add(draft.name)
    await onFiles(async () => {
      await draft.handle.datasync()
      await draft.handle.close()
      const folder = join(this.#root, draft.name.slice(0, 2))
      await mkdir(folder, { recursive: true })
      await rename(this.#drafted(draft.name), this.#placed(draft.name))
      this.#drafts.delete(draft)
      await syncFolder(folder).catch(async (error: unknown) => {
        await this.remove(draft.name)
        throw error
      })
    })
  }

  /** Leaves nothing of a draft; one that has ended already stays as it is. */
  async discard(draft: Draft): Promise<void> {
    if (!this.#drafts.delete(draft)) return
    await draft.handle.close().catch(() => {})
    await unlink(this.#drafted(draft.name)).catch(() => {})
  }

  /** Absent when there is no such file. */
  async read(name: string): Promise<FileHandle | undefined> {
    return onFiles(async () => {
      try {
        return await open(this.#placed(name), 'r')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    })
  }

  /** For a file whose row has gone: removes it after a moment. */
  retire(name: string): void {
    this.#retired.set(name, setTimeout(() => this.remove(name), GRACE_MS).unref())
  }

  /** What cannot be removed now is a leftover for the next start. */
  async remove(name: string): Promise<void> {
    this.#retired.delete(name)
    await unlink(this.#placed(name)).catch(() => {})
  }

  async #removeLeftovers(abandoned: readonly string[], named: (shard: string) => ReadonlySet<string>): Promise<void> {
    for (const name of abandoned) await unlink(this.#drafted(name))
    for (const shard of await readdir(this.#root)) {
      if (!SHARD.test(shard)) continue
      if (this.#stopped) return
      const rows = named(shard)
      for (const name of await readdir(join(this.#root, shard))) {
        if (!rows.has(name) && !this.#fresh?.has(name)) await unlink(this.#placed(name))
      }
    }
    this.#fresh = undefined
  }

  #expectGoingOn(draft: Draft): void {
    if (!this.#drafts.has(draft)) throw new HyperError('CLOSED', 'the service is shutting down')
  }

  #placed(name: string): string {
    return join(this.#root, name.slice(0, 2), name)
  }

  #drafted(name: string): string {
    return join(this.#root, 'tmp', name)
  }
}

/** So that a new name is on disk before a row tells of it. Windows has no handles of folders. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
