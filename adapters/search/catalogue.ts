/** Which indexes there are, and the tables of each: `docs` of its documents, `lengths` of their fields, `words` of FTS5. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { HyperError } from '../../server/error.ts'
import type { Mappings } from '../../server/ports/search.ts'
import { Lookups } from './lookups.ts'
import { TOKENIZER } from './words.ts'

export const LAYOUT_VERSION = 1
export const LAYOUT = `
  CREATE TABLE indexes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    fields TEXT NOT NULL,
    store_fields TEXT NOT NULL,
    documents INTEGER NOT NULL DEFAULT 0,
    last_document INTEGER NOT NULL DEFAULT 0,
    totals TEXT NOT NULL
  )`

export interface SearchIndex {
  number: number
  fields: readonly string[]
  storeFields: readonly string[]
  /** Prepared on first use: a sandbox may hold thousands of indexes and touch a few. */
  statements?: Statements
}

/** Rows are arrays of columns, which cost half of what objects do. */
export interface Statements {
  /** documents, last_document, totals */
  statistics: StatementSync
  setStatistics: StatementSync
  /** number, doc by key */
  get: StatementSync
  /** key, stored by number */
  match: StatementSync
  add: StatementSync
  replace: StatementSync
  remove: StatementSync
  addWords: StatementSync
  removeWords: StatementSync
  addLength: StatementSync
  /** Answers field, length of what it removes. */
  removeLengths: StatementSync
  lookups: Lookups
}

/** What scores need to know of an index besides its words. */
export interface Statistics {
  documents: number
  /** No document ever had a greater number: a number is never used for another one. */
  lastDocument: number
  /** For each field: how many documents have it, and the sum of its lengths there. */
  totals: [documents: number, length: number][]
}

export function loadIndexes(db: DatabaseSync): Map<string, SearchIndex> {
  const rows = db.prepare('SELECT number, name, fields, store_fields FROM indexes').all() as unknown as {
    number: number
    name: string
    fields: string
    store_fields: string
  }[]
  return new Map(
    rows.map(({ number, name, fields, store_fields }) => [
      name,
      { number, fields: JSON.parse(fields), storeFields: JSON.parse(store_fields) },
    ]),
  )
}

export function addIndex(db: DatabaseSync, name: string, mappings: Mappings): SearchIndex {
  const fields = [...new Set(mappings.fields)]
  const storeFields = [...new Set(mappings.storeFields ?? [])]
  const { lastInsertRowid } = db
    .prepare('INSERT INTO indexes (name, fields, store_fields, totals) VALUES (?, ?, ?, ?)')
    .run(name, JSON.stringify(fields), JSON.stringify(storeFields), noTotals(fields))
  const number = Number(lastInsertRowid)
  db.exec(`
    CREATE TABLE docs_${number} (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, stored TEXT NOT NULL, doc TEXT NOT NULL);
    CREATE TABLE lengths_${number} (number INTEGER, field INTEGER, length INTEGER NOT NULL, PRIMARY KEY (number, field)) WITHOUT ROWID;
    CREATE VIRTUAL TABLE words_${number} USING fts5 (tokens, content = '', contentless_delete = 1, tokenize = "${TOKENIZER}");
    CREATE VIRTUAL TABLE places_${number} USING fts5vocab (words_${number}, instance)`)
  return { number, fields, storeFields }
}

export function dropIndex(db: DatabaseSync, { number }: SearchIndex): void {
  db.prepare('DELETE FROM indexes WHERE number = ?').run(number)
  for (const table of ['places', 'words', 'lengths', 'docs']) db.exec(`DROP TABLE ${table}_${number}`)
}

export function emptyIndex(db: DatabaseSync, { number, fields }: SearchIndex): void {
  db.exec(`
    DELETE FROM docs_${number};
    DELETE FROM lengths_${number};
    INSERT INTO words_${number} (words_${number}) VALUES ('delete-all')`)
  db.prepare('UPDATE indexes SET documents = 0, totals = ? WHERE number = ?').run(noTotals(fields), number)
}

export function statementsOf(db: DatabaseSync, index: SearchIndex): Statements {
  index.statements ??= prepareAll(db, index.number)
  return index.statements
}

export function prepareAll(db: DatabaseSync, number: number): Statements {
  const prepare = (text: string) => prepareRows(db, text)
  return {
    statistics: prepare(statisticsText(number)),
    setStatistics: prepare(`UPDATE indexes SET documents = ?, last_document = ?, totals = ? WHERE number = ${number}`),
    get: prepare(`SELECT number, doc FROM docs_${number} WHERE key = ?`),
    match: prepare(`SELECT key, stored FROM docs_${number} WHERE number = ?`),
    add: prepare(`INSERT INTO docs_${number} (number, key, stored, doc) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`),
    replace: prepare(`UPDATE docs_${number} SET stored = ?, doc = ? WHERE number = ?`),
    remove: prepare(`DELETE FROM docs_${number} WHERE number = ?`),
    addWords: prepare(`INSERT INTO words_${number} (rowid, tokens) VALUES (?, ?)`),
    removeWords: prepare(`DELETE FROM words_${number} WHERE rowid = ?`),
    addLength: prepare(`INSERT INTO lengths_${number} (number, field, length) VALUES (?, ?, ?)`),
    removeLengths: prepare(`DELETE FROM lengths_${number} WHERE number = ? RETURNING field, length`),
    lookups: new Lookups(db, prepare(`${findText(number)} LIMIT ? + 0`)),
  }
}

/**
 * Where a field's word is: the document and that field's length there, once for each time it is in it, ascending by document.
 * Parameters: the field's number, the word's token.
 */
export function findText(number: number): string {
  return `
    SELECT place.doc, field.length FROM places_${number} AS place
    CROSS JOIN lengths_${number} AS field ON field.number = place.doc AND field.field = ?
    WHERE place.term = ?`
}

export function prepareRows(db: DatabaseSync, text: string): StatementSync {
  const statement = db.prepare(text)
  statement.setReturnArrays(true)
  return statement
}

export function statisticsText(number: number): string {
  return `SELECT documents, last_document, totals FROM indexes WHERE number = ${number}`
}

/** @throws SEARCH_INDEX_NOT_FOUND when the index has just gone */
export function readStatistics(statement: StatementSync): Statistics {
  const row = statement.get() as unknown as [number, number, string] | undefined
  if (row === undefined) throw indexNotFound()
  const [documents, lastDocument, totals] = row
  return { documents, lastDocument, totals: JSON.parse(totals) }
}

export function indexNotFound(cause?: unknown): HyperError {
  return new HyperError('SEARCH_INDEX_NOT_FOUND', 'index does not exist', { cause })
}

function noTotals(fields: readonly string[]): string {
  return JSON.stringify(fields.map(() => [0, 0]))
}
