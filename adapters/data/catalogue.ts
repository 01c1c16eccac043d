/** What databases and indexes there are, kept in the file's own tables and, for speed, in memory. */
import type { DatabaseSync } from 'node:sqlite'
import { identifier } from '../shared/sqlite.ts'
import { indexExpression, type SortKey } from './order.ts'
import { isNameable } from './path.ts'
import type { PartialFilter } from './plan.ts'
import { Shape } from './shape.ts'

export const LAYOUT_VERSION = 1

export const LAYOUT = `
  CREATE TABLE databases (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    shape TEXT NOT NULL,
    shape_version INTEGER NOT NULL
  );
  CREATE TABLE indexes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    database INTEGER NOT NULL,
    name TEXT NOT NULL,
    keys TEXT NOT NULL,
    partial TEXT,
    UNIQUE (database, name)
  )`

/** An index as asked for. Two are the same when `keys` and `partial` are. */
export interface IndexRequest {
  name: string
  keys: SortKey[]
  partial?: PartialFilter | undefined
}

export interface Database {
  readonly number: number
  readonly shape: Shape
  /** The version of the shape that is stored. */
  savedShape: number
  indexes: IndexRequest[]
  partialFilters: PartialFilter[]
  removed: boolean
}

export function loadCatalogue(db: DatabaseSync): Map<string, Database> {
  const found = new Map<string, Database>()
  const indexes = db.prepare('SELECT name, keys, partial FROM indexes WHERE database = ? ORDER BY number')
  for (const row of db.prepare('SELECT * FROM databases').all()) {
    const number = row.number as number
    const version = row.shape_version as number
    const database = newDatabase(number, new Shape(version, row.shape as string))
    for (const index of indexes.all(number)) {
      addIndex(database, {
        name: index.name as string,
        keys: JSON.parse(index.keys as string),
        partial: index.partial === null ? undefined : JSON.parse(index.partial as string),
      })
    }
    found.set(row.name as string, database)
  }
  return found
}

function newDatabase(number: number, shape: Shape): Database {
  return { number, shape, savedShape: shape.version, indexes: [], partialFilters: [], removed: false }
}

export function createTable(db: DatabaseSync, name: string): Database {
  const shape = new Shape(1)
  const { lastInsertRowid } = db
    .prepare('INSERT INTO databases (name, shape, shape_version) VALUES (?, ?, ?)')
    .run(name, shape.save(), shape.version)
  const number = Number(lastInsertRowid)
  // `seq` keeps the order of insertion. Numbers are never given twice, so a late query cannot meet another's table.
  // `doc` is JSONB, which scans read twice as fast as text; `text` is what answers are made of, as it would cost half of an
  // indexed query to print JSONB again.
  db.exec(
    `CREATE TABLE d${number} (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, doc BLOB NOT NULL, text TEXT NOT NULL)`,
  )
  return newDatabase(number, shape)
}

export function dropTable(db: DatabaseSync, database: Database): void {
  db.exec(`DROP TABLE d${database.number}`)
  db.prepare('DELETE FROM indexes WHERE database = ?').run(database.number)
  db.prepare('DELETE FROM databases WHERE number = ?').run(database.number)
}

export function saveShape(db: DatabaseSync, database: Database): void {
  const { number, shape } = database
  if (shape.version === database.savedShape) return
  db.prepare('UPDATE databases SET shape = ?, shape_version = ? WHERE number = ?').run(
    shape.save(),
    shape.version,
    number,
  )
  database.savedShape = shape.version
}

/**
 * Builds the index and enters it; takes long on a large table. Only inside a transaction. A field that SQL cannot name has
 * none: its queries are not decided in SQL.
 */
export function createIndex(db: DatabaseSync, database: number, request: IndexRequest): void {
  const { name, keys, partial } = request
  const { lastInsertRowid } = db
    .prepare('INSERT INTO indexes (database, name, keys, partial) VALUES (?, ?, ?, ?)')
    .run(database, name, JSON.stringify(keys), partial === undefined ? null : JSON.stringify(partial))
  if (!keys.every(({ path }) => isNameable(path))) return
  const columns = keys.map(({ path, descending }) => `${indexExpression(path)}${descending ? ' DESC' : ''}`)
  const where = partial === undefined ? '' : ` WHERE ${partial.literal}`
  db.exec(`CREATE INDEX ${identifier(`i${lastInsertRowid}`)} ON d${database} (${columns.join(', ')})${where}`)
}

export function addIndex(database: Database, request: IndexRequest): void {
  database.indexes.push(request)
  if (request.partial !== undefined) database.partialFilters.push(request.partial)
}
