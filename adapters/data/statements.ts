/** Prepared statements by their text, the longest unused forgotten first. Their rows are arrays of columns. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'

type Row = SQLOutputValue[]

interface RowStatement {
  get(...params: SQLInputValue[]): Row | undefined
  all(...params: SQLInputValue[]): Row[]
  iterate(...params: SQLInputValue[]): Iterable<Row>
  run: StatementSync['run']
}

const MAX_STATEMENTS = 200

export class Statements {
  readonly db: DatabaseSync
  readonly #prepared = new Map<string, RowStatement>()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  get(text: string): RowStatement {
    let statement = this.#prepared.get(text)
    if (statement === undefined) {
      const prepared = this.db.prepare(text)
      // Arrays cost half of what objects do.
      prepared.setReturnArrays(true)
      statement = prepared as unknown as RowStatement
      const [oldest] = this.#prepared.keys()
      if (this.#prepared.size >= MAX_STATEMENTS && oldest !== undefined) this.#prepared.delete(oldest)
    } else {
      this.#prepared.delete(text)
    }
    this.#prepared.set(text, statement)
    return statement
  }
}
