/** From a query to what runs: plain data, made on the main thread, run there or in the worker. */
import type { DataQuery } from '../../server/ports/data.ts'
import { type Condition, isUnbounded } from './condition.ts'
import { compileConjuncts } from './filter.ts'
import { compileOrder, parseOrder, type SortKey } from './order.ts'
import { parseSelector } from './selector.ts'
import { ARRAY, type Shape } from './shape.ts'
import { Sql } from './sql.ts'

const DEFAULT_LIMIT = 25

/** Longer conditions are left to JavaScript: SQLite limits how deep and wide an expression may be. */
export const MAX_SQL_LENGTH = 20_000

/** A query, checked; independent of any database. */
export interface ParsedQuery {
  condition: Condition
  sort: SortKey[]
  skip: number
  limit: number
}

export interface Plan {
  /** Number of the database (its table is `d<number>`) and the version of the shape the plan relies on. */
  database: number
  shapeVersion: number
  /** Accepts at least what the query does. */
  where: string
  params: (string | number)[]
  /** How many conditions an index must cover for `where` to visit no other documents. */
  conjuncts: number
  /** A single document may take long: only the worker may run it. */
  isHostile: boolean
  /** What is left to decide in JavaScript, document by document. */
  condition?: Condition | undefined
  /** The order in SQL. Absent when none was asked for, or when `sort` is to be done in JavaScript. */
  orderBy?: string | undefined
  sort?: SortKey[] | undefined
  skip: number
  limit: number
  /** No document's text is longer, in UTF-16 units. */
  largest: number
}

/** A partial index: queries that hold its conditions may use it. */
export interface PartialFilter {
  /** Its top-level conditions, each as JSON. */
  conditions: readonly string[]
  /** The SQL of the index's WHERE. */
  literal: string
}

/** @throws QUERY_INVALID */
export function parseQuery(query: DataQuery): ParsedQuery {
  return {
    condition: parseSelector(query.selector ?? {}),
    sort: parseOrder(query.sort ?? []),
    skip: whole(query.skip ?? 0),
    limit: whole(Math.abs(query.limit ?? 0)) || DEFAULT_LIMIT,
  }
}

function whole(number: number): number {
  return Math.min(Math.trunc(number), Number.MAX_SAFE_INTEGER)
}

export function makePlan(
  query: ParsedQuery,
  database: { number: number; shape: Shape; partialFilters: readonly PartialFilter[] },
): Plan {
  const { shape } = database
  const filters = compileConjuncts(query.condition, shape)
  const parts = filters.map((filter) => filter.sql).filter((part) => part.text !== 'TRUE')
  const isLong = parts.reduce((length, part) => length + part.text.length, 0) > MAX_SQL_LENGTH
  const conjuncts = isLong ? [] : parts
  const isExact = !isLong && filters.every((filter) => filter.exact)
  const where = Sql.join(conjuncts, ' AND ')
  const implied = impliedFilters(query.condition, database.partialFilters)
  const pinned = pinnedPaths(query.condition, shape)
  const varying = query.sort.filter(({ path }) => !pinned.has(path.join('.')))
  const orderBy = query.sort.length === 0 ? undefined : compileOrder(varying, shape, query.sort.at(-1)?.descending)
  return {
    database: database.number,
    shapeVersion: shape.version,
    where: [where.text, ...implied].filter((text) => text !== '').join(' AND ') || 'TRUE',
    params: where.params,
    conjuncts: conjuncts.length,
    isHostile: isUnbounded(query.condition),
    condition: isExact ? undefined : query.condition,
    orderBy,
    sort: orderBy === undefined && query.sort.length > 0 ? query.sort : undefined,
    skip: query.skip,
    limit: query.limit,
    largest: shape.largest,
  }
}

/** FROM, WHERE and ORDER BY. */
export function source({ database, where, orderBy }: Plan): string {
  return `FROM d${database} WHERE ${where}${orderBy === undefined ? '' : ` ORDER BY ${orderBy}`}`
}

export function isSqlOnly(plan: Plan): boolean {
  return plan.condition === undefined && plan.sort === undefined
}

/** Paths that equal one value in all documents found: SQLite does not see that they need no sorting. */
function pinnedPaths(condition: Condition, shape: Shape): Set<string> {
  const pinned = new Set<string>()
  for (const part of topLevel(condition)) {
    if (part.kind !== 'field' || part.test.op !== 'eq') continue
    const types = shape.at(part.path)
    if (types !== undefined && !(types & ARRAY)) pinned.add(part.path.join('.'))
  }
  return pinned
}

/** SQLite uses a partial index only for a query that spells out the index's own WHERE. */
function impliedFilters(condition: Condition, partialFilters: readonly PartialFilter[]): string[] {
  if (partialFilters.length === 0) return []
  const held = new Set(topLevel(condition).map((part) => JSON.stringify(part)))
  return partialFilters
    .filter(({ conditions }) => conditions.every((part) => held.has(part)))
    .map(({ literal }) => `(${literal})`)
}

export function topLevel(condition: Condition): Condition[] {
  return condition.kind === 'and' ? condition.of.flatMap(topLevel) : [condition]
}
