/** The buckets by name. Objects know theirs by number, so that a bucket of any size is emptied by giving it another one. */
import type { StatementSync } from 'node:sqlite'
import { HyperError } from '../../server/error.ts'
import type { SqliteFile } from '../shared/sqlite.ts'

export class Buckets {
  readonly #file: SqliteFile
  readonly #numbers = new Map<string, number>()
  readonly #insert: StatementSync
  readonly #unname: StatementSync

  constructor(file: SqliteFile) {
    this.#file = file
    this.#insert = file.db.prepare('INSERT INTO buckets (name) VALUES (?)')
    this.#unname = file.db.prepare('UPDATE buckets SET name = NULL WHERE number = ?')
    this.#read()
  }

  /** Ascending by code point, which is the order of their bytes. */
  names(): string[] {
    const rows = this.#file.db.prepare('SELECT name FROM buckets WHERE name IS NOT NULL ORDER BY name').all()
    return (rows as { name: string }[]).map(({ name }) => name)
  }

  /** @throws BUCKET_NOT_FOUND */
  numberOf(name: string): number {
    const number = this.#numbers.get(name)
    if (number === undefined) throw new HyperError('BUCKET_NOT_FOUND', 'bucket does not exist')
    return number
  }

  async make(name: string): Promise<void> {
    await this.#file.restructure(() => {
      if (this.#numbers.has(name)) throw new HyperError('BUCKET_EXISTS', 'bucket already exists')
      this.#numbers.set(name, Number(this.#insert.run(name).lastInsertRowid))
    }, this.#read)
  }

  /** What was in it is then in a nameless bucket. */
  async remove(name: string): Promise<void> {
    await this.#file.restructure(() => {
      this.#unname.run(this.numberOf(name))
      this.#numbers.delete(name)
    }, this.#read)
  }

  /** The same, and a new one has its name. `before` is told the number of the old one, in the same transaction. */
  async empty<T>(name: string, before: (number: number) => T): Promise<T> {
    return this.#file.restructure(() => {
      const number = this.numberOf(name)
      const value = before(number)
      this.#unname.run(number)
      this.#numbers.set(name, Number(this.#insert.run(name).lastInsertRowid))
      return value
    }, this.#read)
  }

  nameless(): number[] {
    const rows = this.#file.db.prepare('SELECT number FROM buckets WHERE name IS NULL').all()
    return (rows as { number: number }[]).map(({ number }) => number)
  }

  /** For a nameless one without objects. Only inside a write job. */
  forget(number: number): void {
    this.#file.db.prepare('DELETE FROM buckets WHERE number = ?').run(number)
  }

  /** Makes the map say what the file says. */
  readonly #read = (): void => {
    const rows = this.#file.db.prepare('SELECT number, name FROM buckets WHERE name IS NOT NULL').all()
    this.#numbers.clear()
    for (const { number, name } of rows as { number: number; name: string }[]) this.#numbers.set(name, number)
  }
}
