/** Dotted paths: their check, and their spelling in SQL. */
import { HyperError } from '../../server/error.ts'
import { quote } from './sql.ts'

export type Path = readonly string[]

/** As deep as MongoDB's documents go. */
const MAX_DEPTH = 100
const PROTOTYPE_KEYS = new Set(['__proto__', 'constructor', 'prototype'])

/** @throws QUERY_INVALID for a path that could reach a prototype, or that no document can have */
export function parsePath(text: string): Path {
  const path = text.split('.')
  if (path.length > MAX_DEPTH) {
    throw new HyperError('QUERY_INVALID', `a field name is nested deeper than ${MAX_DEPTH} levels`)
  }
  for (const key of path) {
    if (PROTOTYPE_KEYS.has(key)) throw new HyperError('QUERY_INVALID', `the field name '${key}' cannot be queried`)
    if (key.includes('\0')) throw new HyperError('QUERY_INVALID', 'a field name cannot hold a NUL')
  }
  return path
}

/** As {@link parsePath}, for the names in `sort`, `fields` and an index. */
export function parseFieldName(text: string): Path {
  const path = parsePath(text)
  if (path.some((key) => key === '' || key.startsWith('$'))) {
    throw new HyperError('QUERY_INVALID', `'${text}' is not a field name`)
  }
  return path
}

/** So that statements stay small enough to be kept. */
const MAX_NAMEABLE = 1_000

/** Whether SQLite's own path syntax can name it: its quoted keys know no escapes that all its versions agree on. */
export function isNameable(path: Path): boolean {
  if (path.reduce((length, key) => length + key.length, 0) > MAX_NAMEABLE) return false
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON text escapes them, so a plain key never matches
  return path.every((key) => key.isWellFormed() && !/["\\\u0000-\u001f]/.test(key))
}

/** The SQL string literal of a path, always spelled alike: an expression index is only used for the same text. */
export function sqlPath(path: Path): string {
  return quote(`$${path.map((key) => `."${key}"`).join('')}`)
}
