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
import type { Difference, Judge, Step, Verdict } from './harness.ts'

interface Fault {
  /** What the manual says and the stand-in does not do. */
  name: string
  recognise(query: Query, documents: readonly Document[], answers: { embedded: string[]; remote: string[] }): boolean
}

interface Query {
  selector: Record<string, unknown>
  sort: unknown[]
}

/** Operators that it refuses: then the gateway decides alone, which says nothing about the server. */
const MISSING = ['$bitsAllSet', '$bitsAnySet', '$bitsAllClear', '$bitsAnyClear']

const FAULTS: Fault[] = [
  {
    name: 'strings are ordered by their bytes',
    recognise: ({ selector }, documents) => {
      // A half of a character is sent as U+FFFD.
      const texts = JSON.stringify([selector, documents]).replaceAll(/\\ud[89a-f][\da-f]{2}/g, '\ufffd')
      return /[\ue000-\uffff]/.test(texts) && /[\u{10000}-\u{10ffff}]/u.test(texts)
    },
  },
  {
    name: '$gte and $lte of null also find documents without the field',
    recognise: ({ selector }) => has(selector, /"\$[gl]te":null/),
  },
  {
    name: 'arrays are compared as a whole, too: an empty one is neither less nor greater than an empty one',
    recognise: ({ selector }) => has(selector, /"\$[gl]te?":\[/),
  },
  {
    name: 'an array equals an array that is an element, too',
    recognise: ({ selector }, documents) => has(selector, /\[/) && /\[\[|,\[/.test(JSON.stringify(documents)),
  },
  {
    name: '$in and $nin compare an array in their list with whole arrays, too',
    recognise: ({ selector }, documents) => {
      const listed = listsOf(selector).flat().filter(Array.isArray)
      const kept = new Set(valuesIn(documents).map((value) => JSON.stringify(value)))
      return listed.some((array) => kept.has(JSON.stringify(array)))
    },
  },
  {
    name: '$mod takes whole numbers of up to 64 bits, however they are stored',
    recognise: ({ selector }, documents) => has(selector, /"\$mod":/) && /\d{10}|e\+/.test(JSON.stringify(documents)),
  },
  {
    name: '$elemMatch with a condition looks at documents in the array only, whatever the condition',
    recognise: ({ selector }) => has(selector, /"\$elemMatch":/),
  },
  {
    name: '$mod finds no numbers of more than 64 bits',
    recognise: ({ selector }) => has(selector, /"\$mod":/),
  },
  {
    name: '$regex finds strings only',
    recognise: ({ selector }) => has(selector, /"\$regex":/),
  },
  {
    name: 'a path through an array of other things than documents leads nowhere, not to null',
    recognise: ({ selector }) => has(selector, /"[^"]+\.[^"]+":/),
  },
  {
    name: 'arrays are sorted by their least or greatest element, and arrays after documents',
    recognise: ({ sort }, documents, { embedded, remote }) =>
      sort.length > 1 &&
      isSameSet(embedded, remote) &&
      documents.some((document) => JSON.stringify(document).includes('[')),
  },
]

export const standInJudge: Judge<unknown> = {
  missing: new Set(MISSING),

  discount(step) {
    const text = JSON.stringify(step.args)
    const operator = MISSING.find((operator) => text.includes(`"${operator}":`))
    return operator === undefined ? undefined : lacks(`it has no ${operator}: the gateway decided alone`)
  },

  async explain({ step, embedded, remote }, sides) {
    if (step.method !== 'queryDocuments' && step.method !== 'listDocuments') return undefined
    const query = queryOf(step)
    const documents = await documentsOf(sides.embedded as Guarded<DataPort>)
    const answers = { embedded: listOf(embedded), remote: listOf(remote) }
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
  return { selector, sort }
}

function has(selector: object, pattern: RegExp): boolean {
  return pattern.test(JSON.stringify(selector))
}

/** Every value in `value`, itself included. */
function valuesIn(value: unknown): unknown[] {
  return typeof value === 'object' && value !== null ? [value, ...Object.values(value).flatMap(valuesIn)] : [value]
}

/** What `$in` and `$nin` of a selector are given. */
function listsOf(selector: object): unknown[] {
  return valuesIn(selector).flatMap((part) => {
    const { $in, $nin } = (part ?? {}) as { $in?: unknown; $nin?: unknown }
    return [$in, $nin].filter(Array.isArray)
  })
}

function listOf(answer: Difference['embedded']): string[] {
  return 'value' in answer ? JSON.parse(answer.value) : []
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
