/** Sorting by MongoDB's order across types (hyper-api §4.4), in SQL where a path's shape allows it. */
import { HyperError } from '../../server/error.ts'
import type { FieldOrder } from '../../server/ports/data.ts'
import { isNameable, type Path, parseFieldName, sqlPath } from './path.ts'
import { ARRAY, BOOLEAN, INEXACT_NUMBER, OBJECT, type Shape } from './shape.ts'
import { compare, typeRank, valuesAt } from './values.ts'

/** MongoDB's own limit. */
const MAX_KEYS = 32

export interface SortKey {
  path: Path
  descending: boolean
}

/** @throws QUERY_INVALID */
export function parseOrder(fields: FieldOrder): SortKey[] {
  if (fields.length > MAX_KEYS) {
    throw new HyperError('QUERY_INVALID', `a sort or an index has at most ${MAX_KEYS} fields`)
  }
  return fields.map((field) => {
    if (typeof field === 'string') return { path: parseFieldName(field), descending: false }
    const [first] = Object.entries(field)
    if (first === undefined) throw new HyperError('QUERY_INVALID', 'a sort or index field has no name')
    return { path: parseFieldName(first[0]), descending: first[1] === 'DESC' }
  })
}

/** The expression an index on `path` holds. */
export function indexExpression(path: Path): string {
  return path.length === 1 && path[0] === '_id' ? 'id' : `json_extract(doc, ${sqlPath(path)})`
}

/**
 * The ORDER BY of `keys`, or undefined when SQL would order them otherwise. Ties go by age; callers let the last key asked
 * for decide its direction, so that an index gives the whole order either way it is read.
 */
export function compileOrder(keys: readonly SortKey[], shape: Shape, newestFirst = false): string | undefined {
  const terms: string[] = []
  for (const { path, descending } of keys) {
    const direction = descending ? ' DESC' : ''
    const isId = path.length === 1 && path[0] === '_id'
    const types = isId ? 0 : shape.at(path)
    if (types === undefined || !isNameable(path) || types & (ARRAY | OBJECT | INEXACT_NUMBER)) return undefined
    if (types & BOOLEAN) terms.push(`json_type(doc, ${sqlPath(path)}) IN ('true', 'false') IS TRUE${direction}`)
    terms.push(`${indexExpression(path)}${direction}`)
  }
  return [...terms, newestFirst ? 'seq DESC' : 'seq'].join(', ')
}

export interface Ranked {
  seq: number
  ranks: unknown[]
}

/** What a document sorts by: of an array its smallest element, or its largest when descending. */
export function rank(doc: unknown, seq: number, keys: readonly SortKey[]): Ranked {
  return { seq, ranks: keys.map(({ path, descending }) => sortValue(doc, path, descending)) }
}

export function compareRanked(a: Ranked, b: Ranked, keys: readonly SortKey[]): number {
  for (const [i, { descending }] of keys.entries()) {
    const order = compareRanks(a.ranks[i], b.ranks[i])
    if (order !== 0) return descending ? -order : order
  }
  return keys.at(-1)?.descending ? b.seq - a.seq : a.seq - b.seq
}

/** An empty array sorts before null. */
const EMPTY = Symbol('empty array')

function sortValue(doc: unknown, path: Path, descending: boolean): unknown {
  let chosen: unknown
  let found = false
  for (const value of valuesAt(doc, path, true)) {
    const candidates = Array.isArray(value) ? (value.length === 0 ? [EMPTY] : value) : [value]
    for (const candidate of candidates) {
      const order = found ? compareRanks(candidate, chosen) : 0
      if (!found || (descending ? order > 0 : order < 0)) chosen = candidate
      found = true
    }
  }
  return chosen
}

function compareRanks(a: unknown, b: unknown): number {
  if (a === EMPTY || b === EMPTY) return Number(b === EMPTY) - Number(a === EMPTY)
  const missingOrNull = (value: unknown) => typeRank(value) < 2
  if (missingOrNull(a) && missingOrNull(b)) return 0
  return compare(a, b)
}
