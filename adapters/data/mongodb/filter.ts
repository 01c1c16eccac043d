/**
 * The part of a condition that MongoDB decides as the embedded engine does. Each filter accepts at least what the condition accepts,
 * of the documents that are kept as such (`documents.ts`); an exact one accepts nothing else. The gateway decides what is left:
 * `$expr`, `$jsonSchema` and shapes, which are judged by other rules there, patterns that PCRE reads otherwise, and whatever BSON
 * cannot carry.
 */
import { BSON, type Document as BsonDocument } from 'mongodb'
import type { Condition, Test } from '../condition.ts'
import type { Path } from '../path.ts'
import { isFaithful } from './documents.ts'
import { toPcre } from './regex.ts'

export interface Filter {
  filter: BsonDocument
  exact: boolean
}

/** Leaves all to the gateway. */
export const EVERYTHING: Filter = { filter: {}, exact: false }
const ALL: Filter = { filter: {}, exact: true }
const NONE: Filter = { filter: { _id: { $in: [] } }, exact: true }

/** A command may not be larger than a document. */
const MAX_BYTES = 15_000_000

export function compileFilter(condition: Condition): Filter {
  const compiled = compile(condition)
  return BSON.calculateObjectSize(compiled.filter) > MAX_BYTES ? EVERYTHING : compiled
}

function compile(condition: Condition): Filter {
  switch (condition.kind) {
    case 'and':
      return every(condition.of.map(compile))
    case 'or':
      return some(condition.of.map(compile))
    case 'nor':
      return not(some(condition.of.map(compile)))
    case 'field':
      return compileField(condition.path, condition.test)
    default:
      return EVERYTHING
  }
}

function isAnything({ filter }: Filter): boolean {
  return Object.keys(filter).length === 0
}

function every(parts: Filter[]): Filter {
  const exact = parts.every((part) => part.exact)
  const filters = parts.filter((part) => !isAnything(part)).map(({ filter }) => filter)
  if (filters.length === 0) return exact ? ALL : EVERYTHING
  return { filter: filters.length === 1 && filters[0] ? filters[0] : { $and: filters }, exact }
}

function some(parts: Filter[]): Filter {
  const exact = parts.every((part) => part.exact)
  if (parts.some(isAnything)) return exact ? ALL : EVERYTHING
  const filters = parts.map(({ filter }) => filter)
  return { filter: filters.length === 1 && filters[0] ? filters[0] : { $or: filters }, exact }
}

function not(part: Filter): Filter {
  if (!part.exact) return EVERYTHING
  return isAnything(part) ? NONE : { filter: { $nor: [part.filter] }, exact: true }
}

function compileField(path: Path, test: Test): Filter {
  // No document has members like these that a query could find, and not every server takes their names.
  if (!path.every((key) => key !== '' && !key.startsWith('$') && key.isWellFormed())) return EVERYTHING
  if (test.op === 'all') return every(test.tests.map((part) => compileField(path, part)))
  const operator = negation(test) ?? compileTest(test)
  if (operator !== undefined) return { filter: { [path.join('.')]: operator.filter }, exact: operator.exact }
  if (test.op === 'not') return not(every(test.tests.map((part) => compileField(path, part))))
  return EVERYTHING
}

/** The operators that say it shortest, where there are any. */
function negation(test: Test): Filter | undefined {
  const [only, ...more] = test.op === 'not' ? test.tests : []
  if (only === undefined || more.length > 0) return undefined
  if (only.op === 'eq' && isFaithful(only.value)) return exactly({ $ne: only.value })
  if (only.op === 'in' && isFaithful(only.values)) return exactly({ $nin: only.values })
  return only.op === 'exists' ? exactly({ $exists: false }) : undefined
}

function exactly(filter: BsonDocument): Filter {
  return { filter, exact: true }
}

/** Operators for one value; undefined where MongoDB is not to be asked. */
function compileTest(test: Test): Filter | undefined {
  switch (test.op) {
    case 'eq':
      return isFaithful(test.value) ? exactly({ $eq: test.value }) : undefined
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      // Not every server knows that null is as large as itself.
      if (test.value === null) return exactly(test.op.endsWith('e') ? { $eq: null } : { $in: [] })
      return isFaithful(test.value) ? exactly({ [`$${test.op}`]: test.value }) : undefined
    case 'in':
      return isFaithful(test.values) ? exactly({ $in: test.values }) : undefined
    case 'exists':
      return exactly({ $exists: true })
    case 'type': {
      const types = test.types.filter((type) => type !== 'absent')
      return exactly(types.length === 0 ? { $in: [] } : { $type: types })
    }
    case 'mod':
      return isFaithful([test.divisor, test.remainder]) ? exactly({ $mod: [test.divisor, test.remainder] }) : undefined
    case 'regex': {
      const pattern = toPcre(test)
      return pattern ? exactly({ ...pattern }) : { filter: { $type: 'string' }, exact: false }
    }
    case 'size':
      return exactly({ $size: test.size })
    case 'elemMatch': {
      const { filter, exact } = compile(test.condition)
      return { filter: { $elemMatch: filter }, exact }
    }
    case 'elemTest':
      return compileElementTests(test.tests)
    case 'bits':
      return exactly({
        [`$bits${test.all ? 'All' : 'Any'}${test.set ? 'Set' : 'Clear'}`]: positions(BigInt(test.mask)),
      })
    case 'geoWithin':
    case 'geoIntersects':
      return { filter: { $type: ['object', 'array'] }, exact: false }
    default:
      return undefined
  }
}

/** What one element of an array must pass, as operators of one object. */
function compileElementTests(tests: Test[]): Filter {
  const merged: BsonDocument = {}
  let exact = true
  for (const test of tests) {
    const part = negation(test) ?? compileInElement(test)
    if (part === undefined || Object.keys(part.filter).some((operator) => operator in merged)) exact = false
    else {
      Object.assign(merged, part.filter)
      exact &&= part.exact
    }
  }
  if (Object.keys(merged).length === 0) return { filter: { $type: 'array' }, exact: false }
  return { filter: { $elemMatch: merged }, exact }
}

function compileInElement(test: Test): Filter | undefined {
  if (test.op === 'not') {
    const inner = compileElementTests(test.tests)
    return inner.exact ? exactly({ $not: inner.filter.$elemMatch }) : undefined
  }
  if (test.op !== 'all') return compileTest(test)
  const values = test.tests.flatMap((part) => (part.op === 'eq' ? [part.value] : []))
  return values.length === test.tests.length && isFaithful(values) ? exactly({ $all: values }) : undefined
}

function positions(mask: bigint): number[] {
  const bits = mask.toString(2)
  return [...bits].flatMap((bit, i) => (bit === '1' ? [bits.length - 1 - i] : []))
}
