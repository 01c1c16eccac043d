/** Prepared statements by their text, the longest unused forgotten first. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

const MAX_STATEMENTS = 200

export class Statements {
  readonly db: DatabaseSync
  readonly #prepared = new Map<string, StatementSync>()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  get(text: string): StatementSync {
    let statement = this.#prepared.get(text)
    if (statement === undefined) {
      statement = this.db.prepare(text)
      const [oldest] = this.#prepared.keys()
      if (this.#prepared.size >= MAX_STATEMENTS && oldest !== undefined) this.#prepared.delete(oldest)
    } else {
      this.#prepared.delete(text)
    }
    this.#prepared.set(text, statement)
    return statement
  }
}
