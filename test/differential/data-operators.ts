/** Selectors by operator, as MongoDB 8.0's manual has them: rightly used for the most part, and wrongly. */
import fc from 'fast-check'
import { json, scalars, texts } from './values.ts'

type Selectors = fc.Arbitrary<Record<string, unknown>>

/** Values to compare with, mostly ones that documents hold. */
export function operandsOf(few: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 8, arbitrary: few },
    { weight: 3, arbitrary: scalars },
    { weight: 1, arbitrary: fc.array(few, { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.dictionary(fc.constantFrom('a', 'b'), few, { maxKeys: 2, noNullPrototype: true }) },
    { weight: 1, arbitrary: json },
    { weight: 1, arbitrary: fc.constantFrom('k1', 'k2', 'k3') },
  )
}

const TYPES = [
  'double',
  'string',
  'object',
  'array',
  'bool',
  'null',
  'int',
  'number',
  'long',
  'decimal',
  'date',
  'objectId',
  'undefined',
  'missing',
  'boolean',
  'binData',
  'minKey',
]
const types = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom<unknown>(...TYPES.slice(0, 8)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<unknown>(...TYPES, 1, 2, 3, 4, 8, 9, 10, 16, 18, 19, -1, 127, 0, 5, 20, '1', null, 1.5),
  },
)

const patterns = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      '',
      'a',
      '^a',
      'a$',
      '^a$',
      '^.$',
      '[ab]',
      '[^a]',
      'a|b',
      '.*',
      'A',
      '\\d',
      '\\w+',
      '^$',
      'é',
      '😀',
      '^ ',
      '(a)(b)?',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...[
        '(?i)a',
        '(?i)^A$',
        'a b',
        '#a',
        '^b',
        '\\bab',
        'a{1,2}',
        'a*?',
        '(?=a)',
        '(?!a)',
        '(?<=a)b',
        '(?<x>a)',
        '\\.',
        '\\$',
        '\\n',
        '.',
        '\\s',
        '\\p{L}',
      ],
      ...[
        '\\Aa',
        'a\\z',
        '\\Qa.b\\E',
        '[[:alpha:]]',
        '(?>a)',
        'a++',
        '\\h',
        '(?#c)a',
        '(',
        '[',
        '*a',
        'a)',
        '\\',
        '\\u0061',
        '\\x61',
        '(?x)a b',
      ],
    ),
  },
  { weight: 1, arbitrary: texts },
)
const options = fc.constantFrom<unknown>('i', 'm', 's', 'x', 'im', 'is', 'ims', '', 'u', 'g', 'ii', 5, null)

const bits = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 7 }) as fc.Arbitrary<unknown> },
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom<unknown>(0, 1, 2, 5, 31, 32, 52, 53, 63, 64, 200), { maxLength: 3 }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(-1, 1.5, 2 ** 31, 2 ** 53, 1e300, [-1], [1.5], ['a'], 'a', null, {}),
  },
)

const coordinates = fc.tuple(fc.constantFrom(-2, -1, 0, 1, 2, 10, 170), fc.constantFrom(-2, -1, 0, 1, 2, 10, 80))
const rectangles = fc
  .tuple(coordinates, fc.constantFrom(1, 3, 5), fc.constantFrom(1, 3, 5))
  .map(([[x, y], width, height]) => [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
    [x, y],
  ])
const shapes = fc.oneof(
  {
    weight: 6,
    arbitrary: rectangles.map((ring) => ({
      $geometry: { type: 'Polygon', coordinates: [ring] },
    })) as fc.Arbitrary<unknown>,
  },
  { weight: 2, arbitrary: fc.tuple(coordinates, coordinates).map((corners) => ({ $box: corners })) },
  {
    weight: 2,
    arbitrary: fc.tuple(coordinates, fc.constantFrom(0, 1, 2, 3, -1)).map((circle) => ({ $center: circle })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(coordinates, fc.constantFrom(0, 0.01, 0.03, 0.1, -1))
      .map((circle) => ({ $centerSphere: circle })),
  },
  { weight: 2, arbitrary: rectangles.map((ring) => ({ $polygon: ring.slice(0, 4) })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      {},
      5,
      { $geometry: {} },
      { $geometry: { type: 'Point', coordinates: [0, 0] } },
      { $near: [0, 0] },
    ),
  },
)
const geometries = fc.oneof(
  {
    weight: 4,
    arbitrary: rectangles.map((ring) => ({ type: 'Polygon', coordinates: [ring] })) as fc.Arbitrary<unknown>,
  },
  { weight: 2, arbitrary: coordinates.map((at) => ({ type: 'Point', coordinates: at })) },
  {
    weight: 2,
    arbitrary: fc.tuple(coordinates, coordinates).map((line) => ({ type: 'LineString', coordinates: line })),
  },
)
/** For documents: GeoJSON, pairs, and what is neither. */
export const places = fc.oneof(
  { weight: 4, arbitrary: coordinates as fc.Arbitrary<unknown> },
  { weight: 4, arbitrary: geometries },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      null,
      'a',
      [1],
      [0, 0, 0],
      { x: 1, y: 1 },
      { type: 'Point', coordinates: [200, 0] },
      { type: 'Nope' },
    ),
  },
)

const schemas = fc.oneof(
  fc.constantFrom<unknown>(
    ...[
      {},
      { required: ['a'] },
      { required: ['a', 'b'] },
      { properties: { a: { bsonType: 'string' } } },
      { properties: { a: { type: 'number' } } },
    ],
    ...[
      { properties: { a: { bsonType: 'int' } } },
      { properties: { a: { bsonType: ['string', 'null'] } } },
      { properties: { a: { enum: [1, 'a', null] } } },
    ],
    ...[
      { properties: { a: { minimum: 1 } } },
      { properties: { a: { maximum: 1, exclusiveMaximum: true } } },
      { properties: { a: { multipleOf: 2 } } },
    ],
    ...[
      { properties: { a: { minLength: 1 } } },
      { properties: { a: { maxLength: 1 } } },
      { properties: { a: { pattern: '^a' } } },
    ],
    ...[
      { properties: { a: { minItems: 1 } } },
      { properties: { a: { maxItems: 1 } } },
      { properties: { a: { uniqueItems: true } } },
    ],
    ...[
      { properties: { a: { items: { bsonType: 'number' } } } },
      { minProperties: 3 },
      { maxProperties: 2 },
      { patternProperties: { '^a': { bsonType: 'string' } } },
    ],
    ...[
      { not: { required: ['b'] } },
      { anyOf: [{ required: ['a'] }, { required: ['b'] }] },
      { allOf: [{ required: ['a'] }, { required: ['b'] }] },
    ],
    ...[
      { oneOf: [{ required: ['a'] }, { required: ['b'] }] },
      { dependencies: { a: ['b'] } },
      { title: 't', description: 'd' },
      { bsonType: 'object' },
    ],
    ...[
      { additionalProperties: false, properties: { _id: {}, a: {} } },
      { properties: { a: { bsonType: 'bool' } } },
      { properties: { a: { type: 'boolean' } } },
    ],
    ...[{ properties: { a: { properties: { b: { bsonType: 'number' } }, required: ['b'] } } }],
  ),
  fc.constantFrom<unknown>(
    ...[
      { type: 'integer' },
      { properties: { a: { type: 'integer' } } },
      { $ref: '#' },
      { definitions: {} },
      { format: 'email' },
      { default: 1 },
      { unknown: 1 },
    ],
    ...[
      { required: [] },
      { required: 'a' },
      { properties: 5 },
      { bsonType: 'nope' },
      { enum: [] },
      { minimum: 'a' },
      { exclusiveMaximum: true },
      [],
      5,
    ],
  ),
)

export function conditions(paths: fc.Arbitrary<string>, operands: fc.Arbitrary<unknown>) {
  const at = (operators: fc.Arbitrary<unknown>): Selectors =>
    fc.tuple(paths, operators).map(([path, value]) => ({ [path]: value }))
  const one = (operator: string, values: fc.Arbitrary<unknown>) => values.map((value) => ({ [operator]: value }))
  const lists = fc.oneof(
    { weight: 9, arbitrary: fc.array(operands, { maxLength: 4 }) as fc.Arbitrary<unknown> },
    { weight: 1, arbitrary: fc.constantFrom<unknown>('a', null, {}, [{ $gt: 1 }], [[1, 2]]) },
  )

  const comparisons = Object.fromEntries(
    ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'].map((operator) => [operator, one(operator, operands)]),
  )
  const tests: Record<string, fc.Arbitrary<Record<string, unknown>>> = {
    ...comparisons,
    $in: one('$in', lists),
    $nin: one('$nin', lists),
    $exists: one('$exists', fc.constantFrom<unknown>(true, false, true, false, 1, 0, null, 'x', '')),
    $type: one('$type', fc.oneof({ weight: 3, arbitrary: types }, fc.array(types, { maxLength: 3 }))),
    $regex: one('$regex', fc.oneof({ weight: 12, arbitrary: patterns }, fc.constantFrom<unknown>(5, null, {}))),
    $options: fc.tuple(patterns, options).map(([$regex, $options]) => ({ $regex, $options })),
    $mod: one(
      '$mod',
      fc.oneof(
        {
          weight: 8,
          arbitrary: fc.tuple(
            fc.constantFrom(1, 2, 3, -2, 4, 2.9),
            fc.constantFrom(0, 1, -1, 2, 1.9, -0),
          ) as fc.Arbitrary<unknown>,
        },
        {
          weight: 1,
          arbitrary: fc.constantFrom<unknown>(
            [0, 1],
            [2],
            [2, 0, 1],
            [],
            2,
            ['2', 0],
            [2, null],
            [0.5, 0],
            [2 ** 53, 0],
            [1e300, 0],
          ),
        },
      ),
    ),
    $size: one('$size', fc.constantFrom<unknown>(0, 1, 2, 3, 1, 2, -1, 1.5, '1', null, 2 ** 31)),
    $all: one('$all', lists),
    $bitsAllSet: one('$bitsAllSet', bits),
    $bitsAnySet: one('$bitsAnySet', bits),
    $bitsAllClear: one('$bitsAllClear', bits),
    $bitsAnyClear: one('$bitsAnyClear', bits),
  }
  const simple = fc.oneof(...Object.values(tests))
  const several = fc.tuple(operands, operands, simple).map(([low, high, more]) => ({ $gte: low, $lt: high, ...more }))

  const { selector } = fc.letrec<{ selector: Record<string, unknown>; operators: Record<string, unknown> }>((tie) => ({
    operators: fc.oneof(
      { maxDepth: 2 },
      { weight: 6, arbitrary: simple },
      { weight: 1, arbitrary: several },
      { weight: 1, arbitrary: one('$not', tie('operators')) },
      { weight: 1, arbitrary: one('$elemMatch', tie('operators')) },
      { weight: 1, arbitrary: one('$elemMatch', tie('selector')) },
    ),
    selector: fc.oneof(
      { maxDepth: 3 },
      { weight: 3, arbitrary: at(operands) },
      { weight: 6, arbitrary: at(tie('operators')) },
      { weight: 1, arbitrary: fc.tuple(at(tie('operators')), at(operands)).map(([a, b]) => ({ ...a, ...b })) },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom('$and', '$or', '$nor'), fc.array(tie('selector'), { minLength: 1, maxLength: 3 }))
          .map(([operator, parts]) => ({ [operator]: parts })),
      },
    ),
  }))
  const parts = fc.oneof(
    { weight: 12, arbitrary: fc.array(selector, { minLength: 1, maxLength: 3 }) as fc.Arbitrary<unknown> },
    { weight: 1, arbitrary: fc.constantFrom<unknown>([], {}, [1], null, [{}], [[]]) },
  )
  const inner = fc.oneof(simple, several)
  const odd = fc.constantFrom<unknown>(5, null, 'a', [], {}, [{ a: 1 }])
  const byOperator: Record<string, Selectors> = {
    'implicit equality': at(operands),
    ...Object.fromEntries(Object.entries(tests).map(([operator, test]) => [operator, at(test)])),
    $not: at(one('$not', fc.oneof({ weight: 9, arbitrary: inner as fc.Arbitrary<unknown> }, odd))),
    '$elemMatch with operators': at(
      one('$elemMatch', fc.oneof({ weight: 9, arbitrary: inner as fc.Arbitrary<unknown> }, odd)),
    ),
    '$elemMatch with a condition': at(one('$elemMatch', selector)),
    '$all with $elemMatch': at(
      one('$all', fc.array(one('$elemMatch', fc.oneof(inner, selector)), { minLength: 1, maxLength: 2 })),
    ),
    $and: one('$and', parts),
    $or: one('$or', parts),
    $nor: one('$nor', parts),
    'several operators on one field': at(several),
    $comment: fc
      .tuple(selector, fc.constantFrom<unknown>('why', 5, null))
      .map(([condition, $comment]) => ({ ...condition, $comment })),
    $jsonSchema: one('$jsonSchema', schemas),
  }
  const geo: Record<string, Selectors> = {
    $geoWithin: at(one('$geoWithin', shapes)),
    $geoIntersects: at(
      one(
        '$geoIntersects',
        fc.oneof(
          geometries.map(($geometry) => ({ $geometry })),
          shapes,
        ),
      ),
    ),
  }
  const refused: Selectors = fc.oneof(
    fc.constantFrom<Record<string, unknown>>(
      ...[
        { $where: 'true' },
        { $text: { $search: 'a' } },
        { a: { $near: [0, 0] } },
        { a: { $nearSphere: [0, 0] } },
        { $not: { a: 1 } },
        { $nope: 1 },
      ],
      ...[
        { a: { $nope: 1 } },
        { a: { $allMatch: { $eq: 1 } } },
        { a: { $beginsWith: 'a' } },
        { $expr: { $function: { body: 'x', args: [], lang: 'js' } } },
      ],
      ...[
        { $expr: { $nope: 1 } },
        { a: { $options: 'i' } },
        { a: { $eq: 1, b: 1 } },
        { a: { b: 1, $eq: 1 } },
        { a: { $and: [] } },
        { $eq: 1 },
      ],
      ...[
        { $alwaysTrue: 1 },
        { $alwaysFalse: 1 },
        { $sampleRate: 0.5 },
        { $expr: { $accumulator: {} } },
        { a: { $keyMapMatch: { $eq: 'a' } } },
      ],
      ...[
        { a: { $gt: 1, $nope: 2 } },
        { $and: [{ a: { $where: 'x' } }] },
        { a: { $ref: 'x', $id: 1 } },
        { a: { $ref: 'x' } },
        { $jsonSchema: 5 },
      ],
    ),
    at(
      fc
        .tuple(fc.constantFrom('$where', '$near', '$text', '$Eq', '$', '$eq '), operands)
        .map(([operator, value]) => ({ [operator]: value })),
    ),
  )
  return { byOperator, geo, any: selector, refused }
}
