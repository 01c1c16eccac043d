/**
 * Finds and ranks what matches a query. What is found quickly is found at once; the rest in slices, so that others get their
 * turn between them, on a second connection, where it sees one state of the index whatever is written meanwhile.
 */
import type { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import type TinyQueue from 'tinyqueue'
import { HyperError } from '../../server/error.ts'
import { asStoreError, connect } from '../shared/sqlite.ts'
import {
  findText,
  prepareRows,
  readStatistics,
  type SearchIndex,
  type Statements,
  statisticsText,
} from './catalogue.ts'
import type { Row } from './lookups.ts'
import { type Found, Places, Ranking } from './ranking.ts'
import type { Search } from './terms.ts'
import { token } from './words.ts'

/** What is found at once: less than a millisecond of work. */
const MAX_LOOKUPS = 50
const MAX_ROWS = 1_000

const SLICE_MS = 2
/** The clock is looked at once in so many rows. */
const ROWS_PER_LOOK = 128

const QUERY_DEADLINE_MS = 30_000

/** Undefined when it would take long. */
export function rankAtOnce(
  { lookups, statistics }: Statements,
  { terms, fields }: Search,
  maxRows = MAX_ROWS,
): TinyQueue<Found> | undefined {
  if (terms.length * fields.length > MAX_LOOKUPS) return undefined
  lookups.refresh()
  const ranking = new Ranking(readStatistics(statistics))
  let left = maxRows
  for (const term of terms) {
    for (const [field, name] of fields) {
      const rows = lookups.rows(field, token(field, term.word), left)
      if (rows === undefined) return undefined
      left -= rows.length
      const places = new Places()
      for (const [document, length] of rows) places.take(document, length)
      ranking.add(term, field, name, places)
    }
  }
  return ranking.queue()
}

/** Long queries, one after the other. */
export class LongQueries {
  readonly #path: string
  readonly #deadlineMs: number
  #reader: DatabaseSync | undefined
  #last: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(path: string, deadlineMs = QUERY_DEADLINE_MS) {
    this.#path = path
    this.#deadlineMs = deadlineMs
  }

  /** @throws QUERY_TIMEOUT, CLOSED; SEARCH_INDEX_NOT_FOUND when the index goes before its turn comes */
  rank(index: SearchIndex, search: Search): Promise<TinyQueue<Found>> {
    const queue = this.#last.then(() => this.#rank(index, search))
    this.#last = queue.catch(() => {})
    return queue
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#last
    this.#reader?.close()
    this.#reader = undefined
  }

  async #rank({ number }: SearchIndex, { terms, fields }: Search): Promise<TinyQueue<Found>> {
    const pace = new Pace(this.#deadlineMs, () => this.#closed)
    await pace.look()
    this.#reader ??= connect(this.#path, { readOnly: true })
    const db = this.#reader
    db.exec('BEGIN')
    try {
      const ranking = new Ranking(readStatistics(prepareRows(db, statisticsText(number))))
      const find = prepareRows(db, findText(number))
      for (const term of terms) {
        for (const [field, name] of fields) {
          const places = new Places()
          for (const [document, length] of find.iterate(field, token(field, term.word)) as unknown as Iterable<Row>) {
            places.take(document, length)
            if (pace.isTimeToLook) await pace.look()
          }
          for (let from = 0; from < places.size; from += ROWS_PER_LOOK) {
            ranking.add(term, field, name, places, from, Math.min(from + ROWS_PER_LOOK, places.size))
            await pace.look()
          }
          await pace.look()
        }
      }
      return ranking.queue()
    } catch (error) {
      throw asStoreError(error)
    } finally {
      db.exec('ROLLBACK')
    }
  }
}

/** Lets others have their turn, and ends what takes too long. */
class Pace {
  readonly #end: number
  readonly #isClosed: () => boolean
  readonly #seconds: number
  #sliceEnd: number
  #rows = 0

  constructor(deadlineMs: number, isClosed: () => boolean) {
    this.#seconds = deadlineMs / 1_000
    this.#end = performance.now() + deadlineMs
    this.#sliceEnd = performance.now() + SLICE_MS
    this.#isClosed = isClosed
  }

  /** Asked for each row: the clock itself costs more than a row. */
  get isTimeToLook(): boolean {
    this.#rows += 1
    return this.#rows % ROWS_PER_LOOK === 0
  }

  async look(): Promise<void> {
    if (this.#isClosed()) throw new HyperError('CLOSED', 'the service is shutting down')
    if (performance.now() < this.#sliceEnd) return
    await setImmediate()
    const now = performance.now()
    if (now > this.#end) {
      throw new HyperError('QUERY_TIMEOUT', `the query ran longer than ${this.#seconds} s`, {
        hint: 'Ask for fewer or rarer words.',
      })
    }
    this.#sliceEnd = now + SLICE_MS
  }
}
