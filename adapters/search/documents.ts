/** Writes documents: each with its stored fields, its words, its lengths, and its share in the index's statistics. */
import type { DatabaseSync } from 'node:sqlite'
import type { SearchDocument } from '../../server/ports/search.ts'
import { readStatistics, type SearchIndex, type Statements, type Statistics, statementsOf } from './catalogue.ts'
import { type IndexedText, indexedText } from './words.ts'

/** A document ready to be written; making it is most of the work, and needs no lock. */
export interface Prepared extends IndexedText {
  key: string
  stored: string
  text: string
}

/** @param doc under its key, which becomes its `_id` unless it has one */
export function prepareDocument({ fields, storeFields }: SearchIndex, key: string, doc: SearchDocument): Prepared {
  const whole = Object.hasOwn(doc, '_id') ? doc : { ...doc, _id: key }
  const stored = storeFields.filter((name) => Object.hasOwn(whole, name)).map((name) => [name, whole[name]])
  return {
    key,
    stored: JSON.stringify(Object.fromEntries(stored)),
    text: JSON.stringify(whole),
    ...indexedText(whole, fields),
  }
}

/** Changes to one index in one transaction; its statistics are read and written once. Only in a write job, atomically. */
export class DocumentWriter {
  readonly #statements: Statements
  readonly #statistics: Statistics

  constructor(db: DatabaseSync, index: SearchIndex) {
    this.#statements = statementsOf(db, index)
    this.#statistics = readStatistics(this.#statements.statistics)
  }

  /** False when the key is there. */
  add(document: Prepared): boolean {
    const number = this.#statistics.lastDocument + 1
    const { changes } = this.#statements.add.run(number, document.key, document.stored, document.text)
    if (changes === 0) return false
    this.#statistics.lastDocument = number
    this.#statistics.documents += 1
    this.#addText(number, document)
    return true
  }

  /** False when the key is not there. */
  replace(document: Prepared): boolean {
    const number = this.#numberOf(document.key)
    if (number === undefined) return false
    this.#statements.replace.run(document.stored, document.text, number)
    this.#removeText(number)
    this.#addText(number, document)
    return true
  }

  /** False when the key is not there. */
  remove(key: string): boolean {
    const number = this.#numberOf(key)
    if (number === undefined) return false
    this.#statements.remove.run(number)
    this.#statistics.documents -= 1
    this.#removeText(number)
    return true
  }

  /** Comes last. */
  saveStatistics(): void {
    const { documents, lastDocument, totals } = this.#statistics
    this.#statements.setStatistics.run(documents, lastDocument, JSON.stringify(totals))
  }

  #numberOf(key: string): number | undefined {
    return (this.#statements.get.get(key) as unknown as [number] | undefined)?.[0]
  }

  #addText(number: number, { tokens, lengths }: IndexedText): void {
    this.#statements.addWords.run(number, tokens)
    for (const [field, length] of lengths.entries()) {
      if (length === undefined) continue
      this.#statements.addLength.run(number, field, length)
      this.#count(field, 1, length)
    }
  }

  #removeText(number: number): void {
    this.#statements.removeWords.run(number)
    const removed = this.#statements.removeLengths.all(number) as unknown as [field: number, length: number][]
    for (const [field, length] of removed) this.#count(field, -1, -length)
  }

  #count(field: number, documents: number, length: number): void {
    const total = this.#statistics.totals[field]
    if (total === undefined) return
    total[0] += documents
    total[1] += length
  }
}
