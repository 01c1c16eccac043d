/**
 * The part of a condition that SQL can decide. Each filter accepts at least what the condition accepts; an exact one accepts
 * nothing else. Documents are JSONB in the column `doc`, their `_id` also in `id`.
 *
 * `json_extract` gives a member as a SQL value, which an index can hold, but true and 1 become one and arrays and objects
 * become text; `->` gives its JSON text, which is what `JSON.stringify` printed and so decides equality.
 */
import type { Condition, Test } from './condition.ts'
import { isNameable, type Path, sqlPath } from './path.ts'
import { ARRAY, BOOLEAN, INEXACT_NUMBER, NULL, NUMBER, OBJECT, type Shape, STRING } from './shape.ts'
import { raw, Sql, sql } from './sql.ts'
import type { TypeName } from './type-names.ts'

export interface Filter {
  sql: Sql
  exact: boolean
}

const EVERYTHING: Filter = { sql: raw('TRUE'), exact: false }
const ALL: Filter = { sql: raw('TRUE'), exact: true }
const NONE: Filter = { sql: raw('FALSE'), exact: true }

/** One filter per top-level condition, to be ANDed. */
export function compileConjuncts(condition: Condition, shape: Shape): Filter[] {
  if (condition.kind === 'and') return condition.of.flatMap((part) => compileConjuncts(part, shape))
  return [compile(condition, shape)]
}

function compile(condition: Condition, shape: Shape): Filter {
  switch (condition.kind) {
    case 'and':
      return every(condition.of.map((part) => compile(part, shape)))
    case 'or':
      return some(condition.of.map((part) => compile(part, shape)))
    case 'nor':
      return not(some(condition.of.map((part) => compile(part, shape))))
    case 'field':
      return compileTest(condition.path, condition.test, shape)
    default:
      return EVERYTHING
  }
}

function every(filters: Filter[]): Filter {
  const exact = filters.every((filter) => filter.exact)
  const parts = filters.map((filter) => filter.sql).filter((part) => part.text !== 'TRUE')
  if (parts.length === 0) return exact ? ALL : EVERYTHING
  return { sql: sql`(${Sql.join(parts, ' AND ')})`, exact }
}

function some(filters: Filter[]): Filter {
  return {
    sql: sql`(${Sql.join(
      filters.map((filter) => filter.sql),
      ' OR ',
    )})`,
    exact: filters.every((filter) => filter.exact),
  }
}

function not(filter: Filter): Filter {
  return filter.exact ? { sql: sql`(${filter.sql}) IS NOT TRUE`, exact: true } : EVERYTHING
}

function compileTest(path: Path, test: Test, shape: Shape): Filter {
  if (test.op === 'not') return not(every(test.tests.map((part) => compileTest(path, part, shape))))
  if (test.op === 'all') return every(test.tests.map((part) => compileTest(path, part, shape)))
  if (path.length === 1 && path[0] === '_id') return compileId(test)
  const types = shape.at(path)
  if (types === undefined || !isNameable(path)) return EVERYTHING
  return new Field(path, types).compile(test)
}

/** `_id` is always a string, and its column is the key. */
function compileId(test: Test): Filter {
  switch (test.op) {
    case 'eq':
      return isStorable(test.value) ? { sql: sql`id = ${test.value}`, exact: true } : NONE
    case 'in': {
      const ids = JSON.stringify(test.values.filter(isStorable))
      return { sql: sql`id IN (SELECT value FROM json_each(${ids}))`, exact: true }
    }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      if (typeof test.value !== 'string') return NONE
      return isStorable(test.value) ? { sql: sql`id ${raw(SIGN[test.op])} ${test.value}`, exact: true } : EVERYTHING
    case 'exists':
      return ALL
    default:
      return EVERYTHING
  }
}

function isStorable(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0')
}

const SIGN = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

type Range = keyof typeof SIGN

const JSON_TYPES: Partial<Record<TypeName, string>> = {
  string: "'text'",
  object: "'object'",
  bool: "'true', 'false'",
  null: "'null'",
  number: "'integer', 'real'",
}

/** Conditions on one path that no array interrupts. */
class Field {
  readonly #types: number
  readonly #value: Sql
  readonly #json: Sql
  readonly #type: Sql
  readonly #path: Sql

  constructor(path: Path, types: number) {
    const text = sqlPath(path)
    this.#types = types
    this.#path = raw(text)
    this.#value = raw(`json_extract(doc, ${text})`)
    this.#json = raw(`(doc -> ${text})`)
    this.#type = raw(`json_type(doc, ${text})`)
  }

  compile(test: Test): Filter {
    switch (test.op) {
      case 'eq':
        return this.#equals(test.value)
      case 'in':
        return this.#in(test.values)
      case 'gt':
      case 'gte':
      case 'lt':
      case 'lte':
        return this.#range(test.op, test.value)
      case 'exists':
        return { sql: sql`${this.#type} IS NOT NULL`, exact: true }
      case 'type':
        return this.#typeIs(test.types)
      case 'size':
        return {
          sql: sql`(${this.#type} = 'array' AND json_array_length(doc, ${this.#path}) = ${test.size})`,
          exact: true,
        }
      case 'elemMatch':
      case 'elemTest':
        return this.#may(ARRAY) ? { sql: sql`${this.#type} = 'array'`, exact: false } : NONE
      case 'regex':
        return this.#matches(test)
      case 'mod':
      case 'bits':
        return this.#may(ARRAY | NUMBER | INEXACT_NUMBER)
          ? { sql: sql`${this.#type} IN ('integer', 'real', 'array')`, exact: false }
          : NONE
      case 'geoWithin':
      case 'geoIntersects':
        return this.#may(ARRAY | OBJECT) ? { sql: sql`${this.#type} IN ('object', 'array')`, exact: false } : NONE
      default:
        return EVERYTHING
    }
  }

  #may(types: number): boolean {
    return (this.#types & types) !== 0
  }

  #equals(value: unknown): Filter {
    if (typeof value === 'number' && !Number.isFinite(value)) return NONE
    const own = this.#ownEquals(value)
    if (!this.#may(ARRAY)) return { sql: own, exact: true }
    const element = elementEquals(value)
    return { sql: this.#orElement(own, element), exact: true }
  }

  /** The member itself, not an element of it. The indexable half comes first; the other decides. */
  #ownEquals(value: unknown): Sql {
    const json = JSON.stringify(value)
    switch (typeof value) {
      case 'string': {
        const same = sql`${this.#value} = json_extract(${json}, '$')`
        return this.#may(ARRAY | OBJECT) || !isStorable(value) ? sql`(${same} AND ${this.#json} = ${json})` : same
      }
      case 'number': {
        const same = sql`${this.#value} = json_extract(${json}, '$')`
        return this.#may(BOOLEAN | INEXACT_NUMBER) ? sql`(${same} AND ${this.#json} = ${json})` : same
      }
      case 'boolean': {
        const same = sql`${this.#value} = ${Number(value)}`
        return this.#may(NUMBER | INEXACT_NUMBER) ? sql`(${same} AND ${this.#json} = ${json})` : same
      }
      default:
        return value === null ? sql`${this.#value} IS NULL` : sql`${this.#json} = ${json}`
    }
  }

  #in(values: readonly unknown[]): Filter {
    const known = values.filter((value) => typeof value !== 'number' || Number.isFinite(value))
    if (known.length === 0) return NONE
    if (known.includes(null) || known.some((value) => typeof value === 'object') || this.#may(ARRAY)) {
      return known.length > 20 ? EVERYTHING : some(known.map((value) => this.#equals(value)))
    }
    const list = JSON.stringify(known)
    const same = sql`${this.#value} IN (SELECT value FROM json_each(${list}))`
    const plain = known.every((value) => typeof value === 'string' && isStorable(value)) && !this.#may(OBJECT)
    if (plain) return { sql: same, exact: true }
    const texts = JSON.stringify(known.map((value) => JSON.stringify(value)))
    return { sql: sql`(${same} AND ${this.#json} IN (SELECT value FROM json_each(${texts})))`, exact: true }
  }

  #range(op: Range, bound: unknown): Filter {
    if (typeof bound === 'number') return this.#numberRange(op, bound)
    if (typeof bound === 'string' && isStorable(bound)) return this.#textRange(op, bound)
    if (bound === null) return op === 'gte' || op === 'lte' ? this.#equals(null) : NONE
    return EVERYTHING
  }

  /** Texts sort after all numbers, so a lower bound needs an upper one beside it; nulls never pass. */
  #numberRange(op: Range, bound: number): Filter {
    const inexact = this.#may(INEXACT_NUMBER | ARRAY)
    const isLower = op === 'gt' || op === 'gte'
    const sign = inexact ? (isLower ? '>=' : '<=') : SIGN[op]
    const edge = inexact ? widened(bound, isLower ? -1 : 1) : bound
    const parts = [sql`${this.#value} ${raw(sign)} ${edge}`]
    if (isLower && this.#may(STRING | OBJECT | ARRAY)) parts.push(sql`${this.#value} <= 9e999`)
    if (this.#may(BOOLEAN)) parts.push(sql`${this.#type} IN ('integer', 'real')`)
    return this.#orAnyArray(parts, !inexact)
  }

  #textRange(op: Range, bound: string): Filter {
    const parts = [sql`${this.#value} ${raw(SIGN[op])} ${bound}`]
    const isUpper = op === 'lt' || op === 'lte'
    if (isUpper && this.#may(NUMBER | INEXACT_NUMBER | BOOLEAN)) parts.push(sql`${this.#value} >= ''`)
    if (this.#may(OBJECT | ARRAY)) parts.push(sql`${this.#type} = 'text'`)
    return this.#orAnyArray(parts, true)
  }

  #orAnyArray(parts: Sql[], exact: boolean): Filter {
    const own = parts.length === 1 && parts[0] ? parts[0] : sql`(${Sql.join(parts, ' AND ')})`
    return this.#may(ARRAY) ? { sql: sql`(${own} OR ${this.#type} = 'array')`, exact: false } : { sql: own, exact }
  }

  #orElement(own: Sql, element: Sql): Sql {
    return sql`(${own} OR (${this.#type} = 'array' AND EXISTS (SELECT 1 FROM json_each(doc, ${this.#path}) AS e WHERE ${element})))`
  }

  #matches({ source, flags }: { source: string; flags: string }): Filter {
    if (!this.#may(ARRAY | STRING)) return NONE
    if (this.#may(ARRAY)) return { sql: sql`${this.#type} IN ('text', 'array')`, exact: false }
    return { sql: sql`matches(${source}, ${flags}, ${this.#json})`, exact: true }
  }

  #typeIs(types: readonly TypeName[]): Filter {
    const names = types.map((type) => JSON_TYPES[type])
    if (this.#may(ARRAY) || names.includes(undefined)) return EVERYTHING
    return { sql: sql`${this.#type} IN (${raw(names.join(', '))})`, exact: true }
  }
}

/** An array's element `e` equals `value`. */
function elementEquals(value: unknown): Sql {
  if (value === null) return raw("e.type = 'null'")
  if (typeof value === 'boolean') return raw(`e.type = '${value}'`)
  if (typeof value === 'string' && isStorable(value)) return sql`(e.type = 'text' AND e.value = ${value})`
  return sql`(doc -> e.fullkey) = ${JSON.stringify(value)}`
}

/** A bound moved outward by more than any reading error. */
function widened(bound: number, direction: 1 | -1): number {
  return bound + direction * Math.max(Math.abs(bound) * 2 ** -50, Number.MIN_VALUE)
}

/**
 * A filter for a partial index: it must hold for documents of shapes yet to come and cannot contain a subquery, so every array
 * on the way is let through.
 */
export function compileForIndex(condition: Condition): Sql {
  switch (condition.kind) {
    case 'and':
      return Sql.join(condition.of.map(compileForIndex), ' AND ')
    case 'or':
      return sql`(${Sql.join(condition.of.map(compileForIndex), ' OR ')})`
    case 'field': {
      const { path, test } = condition
      if (!isNameable(path)) return raw('TRUE')
      if (test.op === 'in') {
        const values = test.values.map((value): Condition => ({ kind: 'field', path, test: { op: 'eq', value } }))
        return values.length === 0 ? raw('FALSE') : compileForIndex({ kind: 'or', of: values })
      }
      const own = path.length === 1 && path[0] === '_id' ? compileId(test) : new Field(path, PLAIN).compile(test)
      const arrays = path.map((_, i) => raw(`json_type(doc, ${sqlPath(path.slice(0, i + 1))}) = 'array'`))
      return sql`(${Sql.join([own.sql, ...arrays], ' OR ')})`
    }
    default:
      return raw('TRUE')
  }
}

const PLAIN = OBJECT | BOOLEAN | STRING | NUMBER | INEXACT_NUMBER | NULL
