/** Writes documents: each with its stored fields, its words, its lengths, and its share in the index's statistics. */
import { HyperError } from '../../server/error.ts'
import type { SearchDocument } from '../../server/ports/search.ts'
import { readStatistics, type SearchIndex, type Statements, type Statistics } from './catalogue.ts'
import { type IndexedText, indexedText } from './words.ts'

/** A document ready to be written; making it is most of the work, and needs no lock. */
export interface Prepared extends IndexedText {
  key: string
  stored: string
  text: string
}

/** @param doc under its key, which becomes its `_id` unless it has one */
export function prepareDocument(
  { fields, storeFields }: Pick<SearchIndex, 'fields' | 'storeFields'>,
  key: string,
  doc: SearchDocument,
): Prepared {
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

  constructor(statements: Statements) {
    this.#statements = statements
    this.#statistics = readStatistics(statements.statistics)
  }

  /** @throws SEARCH_DOCUMENT_EXISTS */
  add(document: Prepared): void {
    const number = this.#statistics.lastDocument + 1
    const { changes } = this.#statements.add.run(number, document.key, document.stored, document.text)
    if (changes === 0) throw new HyperError('SEARCH_DOCUMENT_EXISTS', 'document conflict')
    this.#statistics.lastDocument = number
    this.#statistics.documents += 1
    this.#addText(number, document)
  }

  /** @throws SEARCH_DOCUMENT_NOT_FOUND */
  replace(document: Prepared): void {
    const number = this.#numberOf(document.key)
    this.#statements.replace.run(document.stored, document.text, number)
    this.#removeText(number)
    this.#addText(number, document)
  }

  /** @throws SEARCH_DOCUMENT_NOT_FOUND */
  remove(key: string): void {
    const number = this.#numberOf(key)
    this.#statements.remove.run(number)
    this.#statistics.documents -= 1
    this.#removeText(number)
  }

  /** Comes last. */
  saveStatistics(): void {
    const { documents, lastDocument, totals } = this.#statistics
    this.#statements.setStatistics.run(documents, lastDocument, JSON.stringify(totals))
  }

  #numberOf(key: string): number {
    const row = this.#statements.get.get(key) as unknown as [number: number] | undefined
    if (row === undefined) throw documentNotFound()
    return row[0]
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

export function documentNotFound(): HyperError {
  return new HyperError('SEARCH_DOCUMENT_NOT_FOUND', 'not found')
}
