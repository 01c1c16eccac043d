/** JSON that engines stumble over. */
import fc from 'fast-check'

export const numbers = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(0, 1, -1, 2, 3, 7, 1.5, -2.5) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...[-0, 0.1, 0.1 + 0.2, 1e308, 5e-324, -1e-7, 1e21, 123456789, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1],
      ...[2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, -(2 ** 53), 2 ** 60, 2 ** 63, -(2 ** 63), 2 ** 64],
    ),
  },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
)

export const texts = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('', 'a', 'b', 'A', 'ab', 'abc', 'a b') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      ...[
        'é',
        'e\u0301',
        '😀',
        '\uffff',
        '\ufeffa',
        '中文',
        'ΟΔΟΣ',
        'İ',
        '\u2028',
        'a\nb',
        'a\0b',
        "'",
        '"',
        '\\',
        '%',
        '_',
      ],
      ...['1', 'true', 'null', '[1]', '{"a":1}', '$a', '$$ROOT', 'a.b', '2024-02-29T12:00:00.000Z', '2024-02-29'],
      ...['507f1f77bcf86cd799439011', ' ', ' a', 'a '],
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 4 }) },
)

export const scalars = fc.oneof(
  { weight: 5, arbitrary: numbers as fc.Arbitrary<unknown> },
  { weight: 5, arbitrary: texts },
  { weight: 2, arbitrary: fc.constantFrom(null, true, false) },
)

export const keys = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'b', 'c') },
  { weight: 2, arbitrary: fc.constantFrom('0', '1', '10', '-1', '01', 'é', 'x y', '😀', 'e\u0301') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['', '.', 'a.b', 'a.', '.a', '$a', '$', '$set', '$eq', '_id', 'id', 'ok', 'length', 'toString', '__proto__'],
      ...['constructor', 'toJSON', 'toBSON', '_bsontype', '$oid', '$numberLong', '$date', '$ref'],
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 3 }) },
)

/** An object of its own members only, whatever they are called. */
export function objectsOf(
  names: fc.Arbitrary<string>,
  members: fc.Arbitrary<unknown>,
  maxKeys = 4,
): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .uniqueArray(fc.tuple(names, members), { selector: ([name]) => name, maxLength: maxKeys })
    .map((entries) => Object.fromEntries(entries))
}

export const { json, objects } = fc.letrec<{ json: unknown; objects: Record<string, unknown> }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    { weight: 6, arbitrary: scalars },
    { weight: 2, arbitrary: fc.array(tie('json'), { maxLength: 3 }) },
    { weight: 2, arbitrary: tie('objects') },
  ),
  objects: objectsOf(keys, tie('json')),
}))
