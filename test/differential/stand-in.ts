/**
 * What MongoDB's stand-in (mongo-java-server) lacks or gets wrong, decided by the manual of MongoDB 8.0. Such differences are
 * counted apart: they say nothing about either engine, and are no agreement. A wrong answer is put down to the stand-in only
 * when what it was asked is right: the filter that was sent, judged by MongoDB's documented rules, finds what it should.
 */

import { matcher } from '../../adapters/data/match.ts'
import { compileFilter } from '../../adapters/data/mongodb/filter.ts'
import { parseSelector } from '../../adapters/data/selector.ts'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { DataPort, Document } from '../../server/ports/data.ts'
import type { Judge, Step, Verdict } from './harness.ts'

interface Fault {
  /** What the manual says and the stand-in does not do. */
  name: string
  recognise(query: Query, documents: readonly Document[], answers: { embedded: string[]; remote: string[] }): boolean
  /** A query that meets it. */
  example: { documents: object[]; selector: object; sort?: unknown[] }
}

interface Query {
  selector: Record<string, unknown>
  /** The filter that the server is sent for it, as JSON text. */
  sent: string
  sort: unknown[]
}

/** Operators that it refuses: then the gateway decides alone, which says nothing about the server. */
const MISSING = ['$bitsAllSet', '$bitsAnySet', '$bitsAllClear', '$bitsAnyClear']

export const FAULTS: Fault[] = [
  {
    name: 'strings are ordered by their bytes',
    recognise: ({ selector }, documents) => {
      // A half of a character is sent as U+FFFD.
      const texts = JSON.stringify([selector, documents]).replaceAll(/\\ud[89a-f][\da-f]{2}/g, '\ufffd')
      return /[\ue000-\uffff]/.test(texts) && /[\u{10000}-\u{10ffff}]/u.test(texts)
    },
    example: { documents: [{ a: '\uffff' }, { a: '😀' }], selector: { a: { $gt: '\uffff' } } },
  },
  {
    name: 'arrays are compared as a whole, too: an empty one is neither less nor greater than an empty one',
    recognise: ({ sent }) => /"\$[gl]te?":\[/.test(sent),
    example: { documents: [{ a: [] }], selector: { a: { $lt: [] } } },
  },
  {
    name: '$ne looks at elements, too, when it names an array',
    recognise: ({ sent }, documents) => /"\$ne":\[/.test(sent) && /\[\[|,\[/.test(JSON.stringify(documents)),
    example: { documents: [{ a: [[1]] }], selector: { a: { $ne: [1] } } },
  },
  {
    name: '$in and $nin compare an array in their list with whole arrays, too',
    recognise: ({ sent }, documents) =>
      haveInCommon(listsOf(JSON.parse(sent)).flat().filter(Array.isArray), valuesIn(documents)),
    example: { documents: [{ a: [1] }], selector: { a: { $in: [0, [1]] } } },
  },
  {
    name: '$in and $nin look at the elements of an array, not at those of arrays in it',
    recognise: ({ sent }, documents) => {
      const arrays = valuesIn(documents).filter(Array.isArray).flat().filter(Array.isArray)
      return haveInCommon(listsOf(JSON.parse(sent)).flat(), arrays.flat())
    },
    example: { documents: [{ a: [[1]] }], selector: { a: { $in: [1] } } },
  },
  {
    name: '$mod takes whole numbers of up to 64 bits, however they are stored, and no others',
    recognise: ({ sent }, documents) => sent.includes('"$mod":') && /\d{10}|e\+/.test(JSON.stringify(documents)),
    example: { documents: [{ a: 2 ** 53 }, { a: -1e300 }], selector: { a: { $mod: [2, 0] } } },
  },
  {
    name: '$elemMatch with a condition looks at documents in the array only, whatever the condition',
    recognise: ({ sent }) => sent.includes('"$elemMatch":'),
    example: { documents: [{ a: [1] }], selector: { a: { $elemMatch: { b: null } } } },
  },
  {
    name: '$regex finds strings only',
    recognise: ({ sent }) => sent.includes('"$regex":'),
    example: { documents: [{ a: 1 }], selector: { a: { $regex: '1' } } },
  },
  {
    name: 'a path through an array of other things than documents leads nowhere, not to null',
    recognise: ({ sent }) => /"[^"]+\.[^"]+":/.test(sent),
    example: { documents: [{ a: [1] }], selector: { 'a.b': null } },
  },
  {
    name: 'a number in the path of a sort is the place of an element',
    recognise: ({ sort }, documents, answers) =>
      /\.\d/.test(JSON.stringify(sort)) && isSortedOtherwise(documents, answers),
    example: { documents: [{ a: [1] }, { a: [0] }], selector: {}, sort: ['a.0', '_id'] },
  },
  {
    name: 'arrays are sorted by their least or greatest element, and arrays after documents',
    recognise: ({ sort }, documents, answers) => sort.length > 1 && isSortedOtherwise(documents, answers),
    example: { documents: [{ a: [[1]] }, { a: 'x' }], selector: {}, sort: ['a', '_id'] },
  },
]

function isSortedOtherwise(
  documents: readonly Document[],
  { embedded, remote }: Record<'embedded' | 'remote', string[]>,
) {
  return isSameSet(embedded, remote) && JSON.stringify(documents).includes('[')
}

export const standInJudge: Judge<unknown> = {
  missing: new Set(MISSING),

  discount(step) {
    const text = JSON.stringify(step.args)
    const operator = MISSING.find((operator) => text.includes(`"${operator}":`))
    return operator === undefined ? undefined : lacks(`it has no ${operator}: the gateway decided alone`)
  },

  async explain({ step, embedded, remote }, sides) {
    if (step.method !== 'queryDocuments' && step.method !== 'listDocuments') return undefined
    if (!('value' in embedded && 'value' in remote)) return undefined
    const query = queryOf(step)
    const documents = await documentsOf(sides.embedded as Guarded<DataPort>)
    const answers = { embedded: JSON.parse(embedded.value), remote: JSON.parse(remote.value) }
    const fault = FAULTS.find(({ recognise }) => recognise(query, documents, answers))
    return fault && (await isAskedRightly(query.selector, documents)) ? lacks(fault.name) : undefined
  },
}

function lacks(name: string): Verdict {
  return { kind: 'lacks', name }
}

function queryOf({ args }: Step): Query {
  // What a list is asked for are ids.
  const { selector = { _id: args }, sort = [] } = (args.query ?? {}) as Partial<Query>
  return { selector, sent: JSON.stringify(compileFilter(parseSelector(selector)).filter), sort }
}

function haveInCommon(some: unknown[], others: unknown[]): boolean {
  const texts = new Set(others.map((value) => JSON.stringify(value)))
  return some.some((value) => texts.has(JSON.stringify(value)))
}

/** Every value in `value`, itself included. */
function valuesIn(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? [value, ...Object.values(value).flatMap(valuesIn)] : [value]
}

/** What `$in` and `$nin` of a filter are given. */
function listsOf(filter: object): unknown[] {
  return valuesIn(filter).flatMap((part) => {
    const { $in, $nin } = (part ?? {}) as { $in?: unknown; $nin?: unknown }
    return [$in, $nin].filter(Array.isArray)
  })
}

function isSameSet(a: string[], b: string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort())
}

async function documentsOf(data: Guarded<DataPort>): Promise<Document[]> {
  return (await collect(await data.listDocuments({ db: 'd' } as never))).map((document) => decode(document))
}

/** Whether the filter the server is sent accepts what the selector does, and nothing else where it is said to be exact. */
async function isAskedRightly(selector: Record<string, unknown>, documents: readonly Document[]): Promise<boolean> {
  const condition = parseSelector(selector)
  const { filter, exact } = compileFilter(condition)
  const isWanted = await matcher(condition)
  const isSent = await matcher(parseSelector(inJavaScript(filter)))
  return documents.every((document) =>
    exact ? isSent(document) === isWanted(document) : !isWanted(document) || isSent(document),
  )
}

/** PCRE's spellings that the adapter writes, in JavaScript's. */
function inJavaScript(filter: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(filter), (_, value) =>
    typeof value === 'string' ? value.replaceAll(/\\x\{([\da-f]+)\}/g, '\\u{$1}').replaceAll('\\z', '$') : value,
  )
}
