/**
 * Reads a MongoDB 7 selector (hyper-api §4.4), whole, before anything runs: whatever it holds that is unknown, refused or
 * misused is QUERY_INVALID here, naming the operator.
 */
import { HyperError } from '../../server/error.ts'
import type { Condition, Test } from './condition.ts'
import { parseIntersects, parseWithin } from './geo-operand.ts'
import { parsePath } from './path.ts'
import { parseRegex } from './regex.ts'
import { type TypeName, typeNamed } from './type-names.ts'
import { isObject } from './values.ts'

type Selector = Record<string, unknown>

/** Deeper ones are refused, as MongoDB does. */
const MAX_DEPTH = 100
const MAX_VALUE_DEPTH = 1_000

/** Reasons that are better than "unknown operator". */
const REFUSED: Record<string, string> = {
  $where: 'it would run code',
  $function: 'it would run code',
  $accumulator: 'it would run code',
  $text: 'no text index can be made here; use the search service',
  $near: 'it needs a geo index',
  $nearSphere: 'it needs a geo index',
  $not: 'it belongs to a field, as {field: {$not: {…}}}',
  $allMatch: "it is CouchDB's; MongoDB's is {$not: {$elemMatch: {…}}}",
  $keyMapMatch: "it is CouchDB's",
  $beginsWith: "it is CouchDB's; use {$regex: '^…'}",
}

/** @throws QUERY_INVALID */
export function parseSelector(selector: Selector): Condition {
  checkDepth(selector, 0)
  return parseCondition(selector, 0)
}

/** Values to compare with count too: what they are compared with can be no deeper. */
function checkDepth(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth > MAX_VALUE_DEPTH) throw invalid(`the selector is nested deeper than ${MAX_VALUE_DEPTH} levels`)
  for (const member of Object.values(value)) checkDepth(member, depth + 1)
}

function parseCondition(selector: Selector, depth: number): Condition {
  if (depth > MAX_DEPTH) throw invalid(`the selector is nested deeper than ${MAX_DEPTH} levels`)
  const of = Object.entries(selector).flatMap(([key, value]) =>
    key.startsWith('$') ? [parseTopLevel(key, value, depth)] : parseField(key, value, depth),
  )
  return of.length === 1 && of[0] ? of[0] : { kind: 'and', of }
}

function parseTopLevel(operator: string, value: unknown, depth: number): Condition {
  switch (operator) {
    case '$and':
    case '$or':
    case '$nor': {
      if (!Array.isArray(value) || value.length === 0) throw misused(operator, 'takes a non-empty array')
      const of = value.map((part) => {
        if (!isObject(part)) throw misused(operator, 'takes an array of objects')
        return parseCondition(part, depth + 1)
      })
      return { kind: operator.slice(1) as 'and' | 'or' | 'nor', of }
    }
    case '$expr':
      refuseCode(value)
      return { kind: 'expression', expression: value }
    case '$jsonSchema':
      if (!isObject(value)) throw misused(operator, 'takes an object')
      return { kind: 'schema', schema: value }
    case '$comment':
      return { kind: 'and', of: [] }
    default:
      throw unknown(operator, 'top level operator')
  }
}

function parseField(name: string, value: unknown, depth: number): Condition[] {
  const path = parsePath(name)
  return parseTests(value, depth).map((test) => ({ kind: 'field', path, test }))
}

/** Operators, or a value to equal: an object is operators when its first member is one. */
function parseTests(value: unknown, depth: number): Test[] {
  return isOperators(value) ? parseOperators(value, depth) : [{ op: 'eq', value }]
}

function isOperators(value: unknown): value is Selector {
  return isObject(value) && (Object.keys(value)[0]?.startsWith('$') ?? false)
}

function parseOperators(operators: Selector, depth: number): Test[] {
  if (depth > MAX_DEPTH) throw invalid(`the selector is nested deeper than ${MAX_DEPTH} levels`)
  return Object.entries(operators).flatMap(([operator, operand]) => {
    if (operator === '$options') {
      if (!Object.hasOwn(operators, '$regex')) throw misused('$options', 'needs a $regex')
      return []
    }
    if (operator === '$regex') return [parseRegex(operand, operators.$options)]
    return [parseOperator(operator, operand, depth)]
  })
}

function parseOperator(operator: string, operand: unknown, depth: number): Test {
  switch (operator) {
    case '$eq':
      return { op: 'eq', value: operand }
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return { op: operator.slice(1) as 'gt' | 'gte' | 'lt' | 'lte', value: operand }
    case '$ne':
      return negated({ op: 'eq', value: operand })
    case '$in':
      return { op: 'in', values: parseList(operator, operand) }
    case '$nin':
      return negated({ op: 'in', values: parseList(operator, operand) })
    case '$exists':
      return operand ? { op: 'exists' } : negated({ op: 'exists' })
    case '$type':
      return { op: 'type', types: (Array.isArray(operand) ? operand : [operand]).map(parseType) }
    case '$not':
      if (!isOperators(operand)) throw misused(operator, 'takes an object of operators')
      return { op: 'not', tests: parseOperators(operand, depth + 1) }
    case '$mod':
      return parseMod(operand)
    case '$size':
      if (!Number.isInteger(operand) || (operand as number) < 0) throw misused(operator, 'takes a whole number from 0')
      return { op: 'size', size: operand as number }
    case '$all':
      return parseAll(operand, depth)
    case '$elemMatch':
      return parseElemMatch(operand, depth)
    case '$geoWithin':
      return { op: 'geoWithin', region: parseWithin(operand) }
    case '$geoIntersects':
      return { op: 'geoIntersects', parts: parseIntersects(operand) }
    case '$bitsAllSet':
    case '$bitsAnySet':
    case '$bitsAllClear':
    case '$bitsAnyClear':
      return {
        op: 'bits',
        mask: parseMask(operator, operand),
        set: operator.endsWith('Set'),
        all: operator.includes('All'),
      }
    default:
      throw unknown(operator, 'operator')
  }
}

function negated(test: Test): Test {
  return { op: 'not', tests: [test] }
}

function parseList(operator: string, operand: unknown): unknown[] {
  if (!Array.isArray(operand)) throw misused(operator, 'takes an array')
  for (const value of operand) if (isOperators(value)) throw misused(operator, 'takes values, not operators')
  return operand
}

const TYPE_NUMBERS: Record<number, TypeName> = {
  1: 'double',
  2: 'string',
  3: 'object',
  4: 'array',
  8: 'bool',
  10: 'null',
  16: 'int',
}

/** Numbers of types that JSON cannot hold. */
const ABSENT_NUMBERS = new Set<unknown>([5, 6, 7, 9, 11, 12, 13, 14, 15, 17, 18, 19, -1, 127, 255])

function parseType(type: unknown): TypeName {
  const name = typeof type === 'number' ? TYPE_NUMBERS[type] : typeNamed(type)
  if (name !== undefined) return name
  if (ABSENT_NUMBERS.has(type)) return 'absent'
  throw invalid(`unknown type ${JSON.stringify(type)} in $type`)
}

function parseMod(operand: unknown): Test {
  if (!Array.isArray(operand) || operand.length !== 2 || !operand.every(Number.isFinite)) {
    throw misused('$mod', 'takes [divisor, remainder]')
  }
  const [divisor, remainder] = operand.map(Math.trunc) as [number, number]
  if (divisor === 0) throw misused('$mod', 'cannot divide by 0')
  return { op: 'mod', divisor, remainder }
}

function parseAll(operand: unknown, depth: number): Test {
  if (!Array.isArray(operand)) throw misused('$all', 'takes an array')
  const matches = operand.filter((value) => isObject(value) && Object.keys(value)[0] === '$elemMatch')
  if (matches.length > 0 && matches.length < operand.length) throw misused('$all', 'mixes $elemMatch with values')
  if (operand.length === 0) return { op: 'in', values: [] }
  return {
    op: 'all',
    tests: operand.map((value) => {
      if (matches.length > 0) return parseElemMatch((value as Selector).$elemMatch, depth)
      if (isOperators(value)) throw misused('$all', 'takes values or $elemMatch')
      return { op: 'eq', value }
    }),
  }
}

const LOGICAL = new Set(['$and', '$or', '$nor'])

function parseElemMatch(operand: unknown, depth: number): Test {
  if (!isObject(operand)) throw misused('$elemMatch', 'takes an object')
  const [first] = Object.keys(operand)
  if (first?.startsWith('$') && !LOGICAL.has(first))
    return { op: 'elemTest', tests: parseOperators(operand, depth + 1) }
  return { op: 'elemMatch', condition: parseCondition(operand, depth + 1) }
}

function parseMask(operator: string, operand: unknown): string {
  if (Number.isSafeInteger(operand) && (operand as number) >= 0) return String(operand)
  if (Array.isArray(operand) && operand.every((bit) => Number.isInteger(bit) && bit >= 0 && bit < 1024)) {
    return operand.reduce((mask: bigint, bit: number) => mask | (1n << BigInt(bit)), 0n).toString()
  }
  throw misused(operator, 'takes a mask or an array of bit positions')
}

/** An expression may hold what a selector may not: operators that run code, at any depth. */
function refuseCode(expression: unknown, depth = 0): void {
  if (depth > MAX_DEPTH) throw invalid(`$expr is nested deeper than ${MAX_DEPTH} levels`)
  if (typeof expression === 'string' && expression.startsWith('$')) parsePath(expression)
  if (typeof expression !== 'object' || expression === null) return
  for (const [key, value] of Object.entries(expression)) {
    if (key === '$where' || key === '$function' || key === '$accumulator') throw unknown(key, 'operator')
    parsePath(key)
    refuseCode(value, depth + 1)
  }
}

function unknown(operator: string, what: string): HyperError {
  const reason = REFUSED[operator]
  return invalid(reason === undefined ? `unknown ${what}: ${operator}` : `${operator} is refused: ${reason}`)
}

function misused(operator: string, rule: string): HyperError {
  return invalid(`${operator} ${rule}`)
}

function invalid(message: string): HyperError {
  return new HyperError('QUERY_INVALID', message)
}
