/** What a query asks for: its words, and the fields they are looked for in. */
import { wordsOf } from './words.ts'

/** One word of the query. */
export interface Term {
  word: string
  /** How often the query says it. */
  times: number
}

export interface Search {
  terms: Term[]
  /** The number and name of each field to look in. */
  fields: [field: number, name: string][]
}

/** @param indexed the index's own fields */
export function parseSearch(query: string, indexed: readonly string[], names: readonly string[] = indexed): Search {
  const times = new Map<string, number>()
  for (const word of wordsOf(query)) times.set(word, (times.get(word) ?? 0) + 1)
  const fields = [...new Set(names)].map((name): [number, string] => [indexed.indexOf(name), name])
  return {
    terms: Array.from(times, ([word, times]) => ({ word, times })),
    fields: fields.filter(([field]) => field !== -1),
  }
}
