/** Search calls, on indexes and keys that come back again and again. Hits are sets: what they score is each engine's own. */
import fc from 'fast-check'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { Match, SearchPort } from '../../server/ports/search.ts'
import { callWith, type Differential, type Step, step } from './harness.ts'
import { json, objects, scalars } from './values.ts'

export const FIELDS = ['title', 'text', 'a.b', '_id', 'é', '0']

const indexes = fc.oneof(
  { weight: 30, arbitrary: fc.constant('i') },
  { weight: 3, arbitrary: fc.constantFrom('j', 'I', 'a b', 'a/b', 'é', '😀', '__proto__', '.', '*', 'x'.repeat(300)) },
  { weight: 1, arbitrary: fc.constantFrom('', 'a\0b', '\ud800') },
)
const otherIndexes = fc.oneof(
  { weight: 1, arbitrary: indexes },
  { weight: 15, arbitrary: fc.constantFrom('j', 'I', 'é') },
)
const plainKeys = ['k1', 'k2', 'k3', 'k4', 'k5']
const keys = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom(...plainKeys, 'k6', 'k7', 'k8', 'k9') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...[
        'K1',
        'a b',
        'a/b',
        'a_b',
        'a-b',
        'é',
        'e\u0301',
        '😀',
        '.',
        '*',
        "'",
        '"',
        '%2F',
        '_query',
        '__proto__',
        'k'.repeat(600),
      ],
      ...['7', '07', '-1', ' ', '中文'],
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom('', 'a\0b', '\ud800') },
)

const plainWords = ['cat', 'dog', 'Cat', 'bird', '10', '7', 'a', 'b']
/** Each beside what a search engine may take it for. */
const confusable = [
  ...['é', 'e', 'e\u0301', 'É'],
  ...['CAT', 'cats', 'ca', 'catt', 'cta', 'cat*', '"cat"', '-cat'],
  ...['ß', 'ss', 'SS', 'ſ', 's', 'ﬁ', 'fi', 'İ', 'i', 'I', 'ı', 'ΟΔΟΣ', 'οδος', 'οδοσ', 'µ', 'μ', '３', '3'],
  ...['😀', '中文', '中', '日本語', 'สวัสดี', '\u200b', '\u00ad', 'ca\u00adt', '\ufeff'],
  ...['c++', 'c', '$5', '5', 'a|b', '^a`~<=>', '1.5', '1,000', '1000', 'x:y'],
  ...['the', 'and', 'OR', 'NOT', 'it’s', "it's", 'its', 'snake_case', 'kebab-case', 'camelCase', 'camelcase'],
  ...['w'.repeat(300), 'w'.repeat(1_200)],
]
const words = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...plainWords) },
  { weight: 8, arbitrary: fc.constantFrom(...confusable) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', maxLength: 4 }) },
)
const separators = fc.constantFrom(
  ' ',
  ' ',
  ' ',
  '\n',
  '\t',
  ', ',
  '. ',
  '-',
  '_',
  '/',
  '\u00a0',
  '\u3000',
  ' ¿',
  '—',
  '#',
  '@',
)
const texts = fc
  .array(fc.tuple(separators, words), { maxLength: 12, size: 'large' })
  .map((pairs) => pairs.flat().join('').toWellFormed())
export const queries = fc.oneof(
  { weight: 3, arbitrary: words },
  { weight: 4, arbitrary: texts },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' ',
      '-',
      '...',
      'cat '.repeat(200),
      Array.from({ length: 60 }, (_, n) => `w${n}`).join(' '),
    ),
  },
)

const values = fc.oneof(
  { weight: 8, arbitrary: texts as fc.Arbitrary<unknown> },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(0, 7, -1.5, 1e21, true, false, null, [], {}, { a: 'cat' }, { toString: 1 }),
  },
  {
    weight: 1,
    arbitrary: fc.array(fc.oneof(texts, fc.constantFrom<unknown>(null, 7, { a: 1 }, ['cat', null])), { maxLength: 3 }),
  },
)
export const documents = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record(
      {
        title: values,
        text: values,
        'a.b': values,
        n: fc.constantFrom<unknown>(1, '1', null, true, 'x'),
        é: values,
        '0': values,
      },
      { requiredKeys: [] },
    ) as fc.Arbitrary<Record<string, unknown>>,
  },
  { weight: 1, arbitrary: objects },
)
const withOwnId = fc
  .tuple(documents, fc.constantFrom<unknown>('other', 'k1', 5, null))
  .map(([doc, _id]) => ({ ...doc, _id }))
const mappings = fc.record(
  {
    fields: fc.oneof(fc.subarray(FIELDS), fc.constantFrom([], ['title', 'title'], ['*'], ['__proto__'], [''])),
    storeFields: fc.oneof(fc.subarray([...FIELDS, 'n', 'id', 'score']), fc.constantFrom<string[]>([], ['terms'])),
  },
  { requiredKeys: ['fields'] },
)
const filters = fc.oneof(
  fc.record({
    n: fc.oneof(fc.constantFrom<unknown>(1, '1', null, true, 'x', { $gt: 0 }), scalars),
  }) as fc.Arbitrary<object>,
  fc.record({ title: fc.oneof(texts, fc.constantFrom<unknown>('cat', 7, [], {}, null)) }),
  fc.record({ n: fc.constantFrom<unknown>(1, '1'), title: texts }),
  fc.constantFrom({}, { text: 'cat' }, { missing: null }, { 'a.b': 'cat' }, { _id: 'k1' }),
  objects,
)
const keyed = fc
  .tuple(documents, keys, fc.constantFrom('_id', '_id', 'id'))
  .map(([doc, key, member]) => ({ ...doc, [member]: key }))

const q = (members: Record<string, fc.Arbitrary<unknown>> = {}) =>
  step('query', { index: indexes, q: fc.record({ query: queries, ...members }) })

const MAPPINGS = { fields: FIELDS, storeFields: ['title', 'n'] }

export const searchDifferential: Differential<Guarded<SearchPort>> = {
  service: 'search',
  setup: fc
    .tuple(
      fc.array(documents, { minLength: 4, maxLength: plainKeys.length }),
      fc.oneof(fc.constant(MAPPINGS), mappings),
    )
    .map(([docs, mappings]): Step[] => [
      { method: 'createIndex', args: { index: 'i', mappings } },
      { method: 'bulk', args: { index: 'i', docs: docs.map((doc, n) => ({ ...doc, _id: plainKeys[n] })) } },
    ]),
  steps: {
    'PUT /search/:index': step('createIndex', { index: otherIndexes, mappings }),
    'DELETE /search/:index': step('deleteIndex', { index: otherIndexes }),
    'list of indexes': step('listIndexes', {}),
    purge: step('emptyIndex', { index: otherIndexes }),
    'POST /search/:index': step('indexDoc', { index: indexes, key: keys, doc: documents }),
    'POST /search/:index, _id of its own': step('indexDoc', { index: indexes, key: keys, doc: withOwnId }),
    'GET /search/:index/:key': step('getDoc', { index: indexes, key: keys }),
    'PUT /search/:index/:key': step('updateDoc', { index: indexes, key: keys, doc: fc.oneof(documents, withOwnId) }),
    'DELETE /search/:index/:key': step('removeDoc', { index: indexes, key: keys }),
    _bulk: step('bulk', {
      index: indexes,
      docs: fc.array(fc.oneof({ weight: 9, arbitrary: keyed }, documents), { maxLength: 4 }),
    }),
    _query: q(),
    '_query fields': q({
      fields: fc.oneof(fc.subarray([...FIELDS, 'other']), fc.constantFrom(['*'], ['title', 'title'], [''])),
    }),
    '_query filter': q({ filter: filters }),
    '_query fields and filter': q({ fields: fc.subarray(FIELDS), filter: filters }),
    'wrong types': fc
      .tuple(
        fc.constantFrom('createIndex', 'indexDoc', 'getDoc', 'updateDoc', 'removeDoc', 'bulk', 'query'),
        fc.constantFrom('index', 'key', 'doc', 'docs', 'q', 'mappings'),
        json,
      )
      .map(([method, name, wrong]) => ({
        method,
        args: {
          index: 'i',
          key: 'k1',
          doc: {},
          docs: [],
          q: { query: 'cat' },
          mappings: { fields: [] },
          [name]: wrong,
        },
      })),
  },
  length: 40,
  isWrite: ({ method }) => /^(create|delete|empty|index|update|remove|bulk)/.test(method),
  observe: [{ method: 'query', args: { index: 'i', q: { query: 'cat dog 7 a b' } } }],

  async reset(search) {
    for (const index of (await search.listIndexes({})).names) await search.deleteIndex({ index })
  },

  async perform(search, { method, args }) {
    const answer = await callWith(search, method, args)
    if (method !== 'query') return answer
    const matches = (await collect(answer as Awaited<ReturnType<SearchPort['query']>>)).map((match) => decode(match))
    return { matches: matches.map(withoutScore).sort(), isDescending: isDescending(matches) }
  },
}

/** In one order, whatever the engine's. */
function withoutScore({ score, terms, queryTerms, match, ...rest }: Match): string {
  return JSON.stringify({
    ...rest,
    score: typeof score === 'number' ? undefined : score,
    terms: sorted(terms),
    queryTerms: sorted(queryTerms),
    match: isPlain(match)
      ? Object.entries(match)
          .map(([word, fields]) => [word, sorted(fields)])
          .sort()
      : match,
  })
}

/** What is no list of ours is a stored field of that name. */
function sorted(list: unknown): unknown {
  return Array.isArray(list) ? [...list].sort() : list
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isDescending(matches: Match[]): boolean {
  return matches.every(({ score }, n) => {
    const before = matches[n - 1]?.score
    return typeof score !== 'number' || typeof before !== 'number' || score <= before
  })
}
