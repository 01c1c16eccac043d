/** Where words are in an index, remembered as long as nothing was written: looking one up in FTS5 costs some ten microseconds. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

/** A document, and the length of the field in which the word is. */
export type Row = [document: number, length: number]

/** Some megabyte. */
const MAX_REMEMBERED_ROWS = 20_000
/** What a word weighs besides its rows. */
const WORD_ROWS = 5

export class Lookups {
  readonly #find: StatementSync
  readonly #ownChanges: StatementSync
  readonly #otherChanges: StatementSync
  readonly #known = new Map<string, readonly Row[]>()
  #weight = 0
  #version = ''

  /** @param find rows by field, token and greatest number of rows, as arrays */
  constructor(db: DatabaseSync, find: StatementSync) {
    this.#find = find
    this.#ownChanges = db.prepare('SELECT total_changes() AS changes')
    this.#otherChanges = db.prepare('PRAGMA data_version')
  }

  /** To be called before the lookups of a query: forgets what may no longer be so. */
  refresh(): void {
    const { changes } = this.#ownChanges.get() as { changes: number }
    const { data_version } = this.#otherChanges.get() as { data_version: number }
    const version = `${changes} ${data_version}`
    if (version === this.#version && this.#weight < MAX_REMEMBERED_ROWS) return
    this.#known.clear()
    this.#weight = 0
    this.#version = version
  }

  /** Undefined when there are more than `maxRows`. */
  rows(field: number, token: string, maxRows: number): readonly Row[] | undefined {
    const known = this.#known.get(token)
    if (known) return known.length > maxRows ? undefined : known
    const rows = this.#find.all(field, token, maxRows + 1) as unknown as Row[]
    if (rows.length > maxRows) return undefined
    this.#known.set(token, rows)
    this.#weight += rows.length + WORD_ROWS
    return rows
  }
}
