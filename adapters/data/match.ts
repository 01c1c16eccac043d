/**
 * Decides in JavaScript whether a document meets a condition. mingo evaluates `$expr`. Its query operators are not used:
 * they differ from MongoDB's where arrays, missing members and types meet (`$all` on a scalar, `$gt` through nested
 * arrays, `$type` of elements, order of members, strings by bytes), so those rules are written here, once.
 */
import type { Condition, Test } from './condition.ts'
import type { Path } from './path.ts'
import { asQueryError, type Predicate } from './predicate.ts'
import { isOfType } from './type-names.ts'
import { compare, isEqual, typeRank, valuesAt } from './values.ts'

/** Loads what a condition needs; ajv, mingo and turf only when it has a schema, an expression or a shape. @throws QUERY_INVALID */
export async function matcher(condition: Condition): Promise<Predicate> {
  switch (condition.kind) {
    case 'expression':
      return (await import('./expression.ts')).expressionPredicate(condition.expression)
    case 'schema':
      return (await import('./schema.ts')).schemaPredicate(condition.schema)
    case 'field':
      return fieldMatcher(condition.path, condition.test)
    default: {
      const parts = await Promise.all(condition.of.map(matcher))
      if (condition.kind === 'and') return (doc) => parts.every((part) => part(doc))
      if (condition.kind === 'or') return (doc) => parts.some((part) => part(doc))
      return (doc) => !parts.some((part) => part(doc))
    }
  }
}

async function fieldMatcher(path: Path, test: Test): Promise<Predicate> {
  switch (test.op) {
    case 'not': {
      const parts = await Promise.all(test.tests.map((part) => fieldMatcher(path, part)))
      return (doc) => !parts.every((part) => part(doc))
    }
    case 'all': {
      const parts = await Promise.all(test.tests.map((part) => fieldMatcher(path, part)))
      return (doc) => parts.every((part) => part(doc))
    }
    case 'size':
    case 'elemMatch':
    case 'elemTest': {
      const single = await valueTest(test)
      return (doc) => valuesAt(doc, path, true).some(single)
    }
    default: {
      const single = await valueTest(test)
      return (doc) => valuesAt(doc, path).some(single)
    }
  }
}

/** The test on one value, as inside `$elemMatch`, where an array's elements are not looked into again. */
async function valueTest(test: Test): Promise<Predicate> {
  switch (test.op) {
    case 'eq':
      return equals(test.value)
    case 'in': {
      const { values } = test
      if (!values.every((value) => typeof value === 'string')) {
        const parts = values.map(equals)
        return (value) => parts.some((part) => part(value))
      }
      const wanted = new Set<unknown>(values)
      return (value) => wanted.has(value)
    }
    case 'gt':
      return bounded(test.value, (order) => order > 0)
    case 'gte':
      return test.value === null ? equals(null) : bounded(test.value, (order) => order >= 0)
    case 'lt':
      return bounded(test.value, (order) => order < 0)
    case 'lte':
      return test.value === null ? equals(null) : bounded(test.value, (order) => order <= 0)
    case 'exists':
      return (value) => value !== undefined
    case 'type':
      return (value) => test.types.some((type) => isOfType(value, type))
    case 'mod':
      // Numbers of more than 64 bits have no remainder in MongoDB.
      return (value) =>
        typeof value === 'number' && Math.abs(value) < 2 ** 63 && Math.trunc(value) % test.divisor === test.remainder
    case 'regex': {
      const pattern = new RegExp(test.source, test.flags)
      return (value) => typeof value === 'string' && found(pattern, value)
    }
    case 'size':
      return (value) => Array.isArray(value) && value.length === test.size
    case 'elemMatch': {
      const part = await matcher(test.condition)
      return (value) =>
        Array.isArray(value) &&
        value.some((element) => typeof element === 'object' && element !== null && part(element))
    }
    case 'elemTest': {
      const parts = await Promise.all(test.tests.map(valueTest))
      return (value) => Array.isArray(value) && value.some((element) => parts.every((part) => part(element)))
    }
    case 'bits': {
      const mask = BigInt(test.mask)
      return (value) => hasBits(value, mask, test)
    }
    case 'geoWithin':
      return (await import('./geo.ts')).withinPredicate(test.region)
    case 'geoIntersects':
      return (await import('./geo.ts')).intersectsPredicate(test.parts)
    case 'all': {
      const parts = await Promise.all(test.tests.map(valueTest))
      return (value) => parts.every((part) => part(value))
    }
    case 'not': {
      const parts = await Promise.all(test.tests.map(valueTest))
      return (value) => !parts.every((part) => part(value))
    }
  }
}

/** Null equals a missing member too. */
function equals(wanted: unknown): Predicate {
  if (wanted === null) return (value) => value === null || value === undefined
  if (typeof wanted !== 'object') return (value) => value === wanted
  return (value) => isEqual(value, wanted)
}

/** A bound never matches a value of another type. */
function bounded(bound: unknown, accepts: (order: number) => boolean): Predicate {
  const rank = typeRank(bound)
  return (value) => typeRank(value) === rank && accepts(compare(value, bound))
}

// Some patterns turn out too large only when they are used.
function found(pattern: RegExp, text: string): boolean {
  try {
    return pattern.test(text)
  } catch (error) {
    throw asQueryError(error, '$regex')
  }
}

// Bits beyond the 64th repeat the sign, as in MongoDB.
function hasBits(value: unknown, mask: bigint, { set, all }: { set: boolean; all: boolean }): boolean {
  if (typeof value !== 'number' || !Number.isInteger(value) || Math.abs(value) >= 2 ** 63) return false
  const found = BigInt(value) & mask
  if (set) return all ? found === mask : found !== 0n
  return all ? found === 0n : found !== mask
}
