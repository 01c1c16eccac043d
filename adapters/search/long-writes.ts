/**
 * Large bulks, one after the other: written in slices on a connection of their own while other writes wait, so that all others
 * get their turn between the slices and see nothing of a bulk before it is whole.
 */
import { setImmediate } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import { asStoreError, connect, type SqliteFile } from '../shared/sqlite.ts'
import { prepareAll, type SearchIndex } from './catalogue.ts'
import { DocumentWriter, type Prepared } from './documents.ts'

const SLICE_MS = 5

export class LongWrites {
  readonly #path: string
  readonly #file: SqliteFile
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(path: string, file: SqliteFile) {
    this.#path = path
    this.#file = file
  }

  /**
   * Adds all of them or none.
   * @param find asked when no other write can come between: the index, or why not
   * @throws SEARCH_DOCUMENT_EXISTS, CLOSED, and what `find` throws
   */
  add(find: () => SearchIndex, documents: readonly Prepared[]): Promise<void> {
    const added = this.#last.then(() => this.#add(find, documents))
    this.#last = added.catch(() => {})
    return added
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
  }

  async #add(find: () => SearchIndex, documents: readonly Prepared[]): Promise<void> {
    if (this.#closed) throw new HyperError('CLOSED', 'the service is shutting down')
    const resume = this.#file.pause()
    try {
      await this.#addInSlices(find(), documents)
    } catch (error) {
      throw asStoreError(error)
    } finally {
      resume()
    }
  }

  async #addInSlices({ number }: SearchIndex, documents: readonly Prepared[]): Promise<void> {
    const db = connect(this.#path)
    try {
      db.exec('BEGIN IMMEDIATE')
      const writer = new DocumentWriter(prepareAll(db, number))
      let sliceEnd = performance.now() + SLICE_MS
      for (const document of documents) {
        writer.add(document)
        if (performance.now() < sliceEnd) continue
        await setImmediate()
        sliceEnd = performance.now() + SLICE_MS
      }
      writer.saveStatistics()
      db.exec('COMMIT')
    } finally {
      // Without a commit this undoes everything.
      db.close()
    }
  }
}
