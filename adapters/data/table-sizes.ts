import type { Statements } from './statements.ts'

/** How long a size is good enough to choose a thread by. */
const FRESH_MS = 100

/** About how many documents each table holds: its highest `seq`, never less, asked again after a moment. */
export class TableSizes {
  readonly #statements: Statements
  readonly #known = new Map<number, { size: number; until: number }>()

  constructor(statements: Statements) {
    this.#statements = statements
  }

  of(database: number): number {
    const known = this.#known.get(database)
    if (known !== undefined && performance.now() < known.until) return known.size
    return this.now(database)
  }

  /** The same, as the table is now. */
  now(database: number): number {
    const [seq] = this.#statements.get(`SELECT max(seq) FROM d${database}`).get() ?? []
    const size = Number(seq ?? 0)
    this.#known.set(database, { size, until: performance.now() + FRESH_MS })
    return size
  }

  forget(database: number): void {
    this.#known.delete(database)
  }
}
