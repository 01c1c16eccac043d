/** Aggregation expressions by operator, mostly over fields that exist, as a condition. */
import fc from 'fast-check'

const fields = fc.constantFrom('$a', '$b', '$c', '$a.b', '$_id', '$missing', '$a.0', '$b.a')
const constants = fc.constantFrom<unknown>(
  0,
  1,
  2,
  -1,
  1.5,
  'a',
  'b',
  'A',
  '',
  null,
  true,
  false,
  [],
  [1, 'a'],
  { $literal: { a: 1 } },
  { $literal: '$a' },
  '$$ROOT.a',
  '2024-02-29',
)
const any = fc.oneof({ weight: 3, arbitrary: fields as fc.Arbitrary<unknown> }, { weight: 2, arbitrary: constants })

/** Guarded, so that most documents can be digested: an operand of another type is an error of the whole query. */
const number = fc.oneof(
  fc.constantFrom<unknown>(0, 1, 2, -1, 1.5, -2.5, 3, 10),
  fields.map((field) => ({ $cond: [{ $isNumber: field }, field, 1] })),
)
const text = fc.oneof(
  fc.constantFrom<unknown>('', 'a', 'A', 'ab', 'a b', 'é', '😀', 'ß'),
  fields.map((field) => ({ $cond: [{ $eq: [{ $type: field }, 'string'] }, field, 'x'] })),
)
const array = fc.oneof(
  fc.constantFrom<unknown>([], [1, 2, 3], ['a', 'b'], [1, 1, 'a', null], [[1], 2]),
  fields.map((field) => ({ $cond: [{ $isArray: field }, field, [1, 'a']] })),
)
const small = fc.constantFrom<unknown>(0, 1, 2, -1, -2, 3)

type Expressions = fc.Arbitrary<unknown>

/** The result compared with something it may be. */
const compared = (expression: Expressions, results: Expressions): Expressions =>
  fc.tuple(fc.constantFrom('$eq', '$gt', '$lte', '$ne'), expression, results).map(([how, a, b]) => ({ [how]: [a, b] }))
const unary = (operator: string, operand: Expressions): Expressions => operand.map((value) => ({ [operator]: value }))
const nary = (operator: string, operand: Expressions, min = 2, max = 2): Expressions =>
  fc.array(operand, { minLength: min, maxLength: max }).map((values) => ({ [operator]: values }))
const tuple = (operator: string, ...operands: Expressions[]): Expressions =>
  fc.tuple(...operands).map((values) => ({ [operator]: values }))
const named = (operator: string, members: Record<string, Expressions>): Expressions =>
  fc.record(members).map((value) => ({ [operator]: value }))

const ofNumbers = (operators: string[], make: (operator: string) => Expressions) =>
  Object.fromEntries(operators.map((operator) => [operator, compared(make(operator), number)]))
const ofTexts = (operators: string[], make: (operator: string) => Expressions, results: Expressions = text) =>
  Object.fromEntries(operators.map((operator) => [operator, compared(make(operator), results)]))
/** Any operand: the rule for wrong types counts too. */
const loosely = (operand: Expressions): Expressions =>
  fc.oneof({ weight: 12, arbitrary: operand }, { weight: 1, arbitrary: any })

export const EXPRESSIONS: Record<string, Expressions> = {
  'a field or constant': any,
  ...Object.fromEntries(
    ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'].map((operator) => [operator, nary(operator, any)]),
  ),
  $cmp: compared(nary('$cmp', any), fc.constantFrom(0, 1, -1)),
  $and: nary('$and', any, 0, 3),
  $or: nary('$or', any, 0, 3),
  $not: nary('$not', any, 1, 1),
  ...ofNumbers(['$add', '$multiply'], (operator) => nary(operator, loosely(number), 1, 3)),
  ...ofNumbers(['$subtract', '$divide', '$mod', '$pow'], (operator) => nary(operator, loosely(number))),
  ...ofNumbers(['$abs', '$ceil', '$floor', '$sqrt', '$exp', '$ln', '$log10'], (operator) =>
    unary(operator, loosely(number)),
  ),
  ...ofNumbers(['$round', '$trunc'], (operator) => tuple(operator, loosely(number), small)),
  $log: compared(tuple('$log', number, fc.constantFrom(2, 10)), number),
  ...ofTexts(['$toLower', '$toUpper'], (operator) => unary(operator, loosely(text))),
  $concat: compared(nary('$concat', loosely(text), 1, 3), text),
  ...ofTexts(['$strLenCP', '$strLenBytes'], (operator) => unary(operator, loosely(text)), small),
  ...ofTexts(['$substrCP', '$substrBytes'], (operator) =>
    tuple(operator, text, fc.constantFrom(0, 1, 2), fc.constantFrom(0, 1, 2, 3)),
  ),
  $indexOfBytes: compared(tuple('$indexOfBytes', text, text), small),
  $indexOfCP: compared(tuple('$indexOfCP', text, text), small),
  $strcasecmp: compared(nary('$strcasecmp', text), small),
  $split: compared(tuple('$split', loosely(text), fc.constantFrom('a', ' ', 'b')), array),
  ...Object.fromEntries(
    ['$trim', '$ltrim', '$rtrim'].map((operator) => [
      operator,
      compared(named(operator, { input: loosely(text) }), text),
    ]),
  ),
  ...Object.fromEntries(
    ['$replaceOne', '$replaceAll'].map((operator) => [
      operator,
      compared(named(operator, { input: text, find: fc.constantFrom('a', 'b', ''), replacement: text }), text),
    ]),
  ),
  $regexMatch: named('$regexMatch', {
    input: loosely(text),
    regex: fc.constantFrom('a', '^A$', '.', 'é'),
    options: fc.constantFrom('', 'i'),
  }),
  $size: compared(unary('$size', loosely(array)), small),
  $in: tuple('$in', any, loosely(array)),
  $isArray: fields.map((field) => ({ $isArray: field })),
  $isNumber: unary('$isNumber', any),
  $arrayElemAt: compared(tuple('$arrayElemAt', loosely(array), small), any),
  ...Object.fromEntries(
    ['$first', '$last'].map((operator) => [operator, compared(unary(operator, loosely(array)), any)]),
  ),
  $concatArrays: compared(nary('$concatArrays', loosely(array), 1, 3), array),
  $reverseArray: compared(unary('$reverseArray', loosely(array)), array),
  $slice: compared(tuple('$slice', array, fc.constantFrom(1, 2, -1, -2)), array),
  $indexOfArray: compared(tuple('$indexOfArray', loosely(array), any), small),
  $range: compared(tuple('$range', small, small, fc.constantFrom(1, 2, -1)), array),
  ...Object.fromEntries(
    ['$setUnion', '$setIntersection', '$setDifference'].map((operator) => [
      operator,
      compared(unary('$size', nary(operator, array)), small),
    ]),
  ),
  ...Object.fromEntries(['$setEquals', '$setIsSubset'].map((operator) => [operator, nary(operator, array)])),
  ...Object.fromEntries(
    ['$allElementsTrue', '$anyElementTrue'].map((operator) => [operator, nary(operator, array, 1, 1)]),
  ),
  $filter: compared(
    unary(
      '$size',
      named('$filter', {
        input: array,
        as: fc.constant('x'),
        cond: fc.constantFrom({ $gt: ['$$x', 1] }, { $eq: ['$$x', 'a'] }),
      }),
    ),
    small,
  ),
  $map: compared(
    named('$map', { input: array, as: fc.constant('x'), in: fc.constantFrom<unknown>('$$x', 1, { $eq: ['$$x', 1] }) }),
    array,
  ),
  $reduce: compared(
    named('$reduce', {
      input: array,
      initialValue: fc.constantFrom(0, 1),
      in: fc.constantFrom<unknown>({ $add: ['$$value', 1] }, '$$this'),
    }),
    any,
  ),
  $sortArray: compared(named('$sortArray', { input: array, sortBy: fc.constantFrom(1, -1) }), array),
  $cond: fc.oneof(
    tuple('$cond', any, any, any),
    fc.tuple(any, any, any).map(([test, yes, no]) => ({
      $cond: Object.fromEntries([
        ['if', test],
        ['then', yes],
        ['else', no],
      ]),
    })),
  ),
  $ifNull: nary('$ifNull', any, 2, 3),
  $switch: named('$switch', {
    branches: fc.array(
      fc.tuple(any, any).map(([test, yes]) =>
        Object.fromEntries([
          ['case', test],
          ['then', yes],
        ]),
      ),
      { minLength: 1, maxLength: 2 },
    ),
    default: any,
  }),
  $let: named('$let', { vars: fc.record({ x: any }), in: fc.constantFrom<unknown>('$$x', { $eq: ['$$x', 1] }) }),
  $literal: unary('$literal', any),
  $type: compared(
    unary('$type', any),
    fc.constantFrom('string', 'missing', 'null', 'bool', 'array', 'object', 'int', 'double'),
  ),
  $toString: compared(unary('$toString', loosely(fc.oneof(text, number))), text),
  ...ofNumbers(['$toInt', '$toDouble'], (operator) => unary(operator, loosely(number))),
  $toBool: unary('$toBool', any),
  $convert: compared(
    named('$convert', {
      input: any,
      to: fc.constantFrom('string', 'bool', 'double'),
      onError: fc.constant('x'),
      onNull: fc.constant('y'),
    }),
    any,
  ),
  $mergeObjects: compared(
    nary('$mergeObjects', fc.constantFrom({ a: 1 }, { b: '$a' }, null, { a: '$b' })),
    fc.constantFrom({ a: 1 }, { b: 1 }, { a: 1, b: 1 }),
  ),
  $objectToArray: compared(unary('$size', unary('$objectToArray', fc.constantFrom('$$ROOT', { a: 1 }))), small),
  $getField: compared(
    named('$getField', { field: fc.constantFrom('a', 'b', 'x y', '0'), input: fc.constant('$$ROOT') }),
    any,
  ),
  ...Object.fromEntries(
    ['$bitAnd', '$bitOr', '$bitXor'].map((operator) => [
      operator,
      compared(nary(operator, fc.constantFrom(0, 1, 3, 7)), small),
    ]),
  ),
  ...Object.fromEntries(
    ['$max', '$min', '$sum', '$avg'].map((operator) => [operator, compared(unary(operator, array), any)]),
  ),
}
