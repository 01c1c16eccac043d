/** Pages of matches, as the JSON text of each (hyper-api §7). */
import { setImmediate } from 'node:timers/promises'
import type TinyQueue from 'tinyqueue'
import { JsonText } from '../../server/json-text.ts'
import type { Page } from '../../server/ports/common.ts'
import type { Match } from '../../server/ports/search.ts'
import type { Found } from './ranking.ts'

/** A millisecond or two of work. */
const PAGE_DOCUMENTS = 200
const PAGE_LENGTH = 1_000_000

const GENERATED = ['id', 'score', 'terms', 'queryTerms', 'match']

export interface MatchSource {
  found: TinyQueue<Found>
  /** A document's key and stored fields; undefined when it is gone. */
  read(document: number): [key: string, stored: string] | undefined
  storeFields: readonly string[]
  filter: Record<string, unknown> | undefined
}

export function matchPage(source: MatchSource): Page<Match> {
  const { found, read, storeFields } = source
  const accepts = filterOf(source.filter)
  const write = writerFor(storeFields)
  const items: JsonText[] = []
  let length = 0
  for (let taken = 0; taken < PAGE_DOCUMENTS && length < PAGE_LENGTH; taken += 1) {
    const best = found.pop()
    if (best === undefined) return { items }
    const row = read(best.document)
    if (row === undefined) continue
    const [key, stored] = row
    length += stored.length
    if (accepts(stored)) items.push(new JsonText(write(best, key, stored)))
  }
  let following: Promise<Page<Match>> | undefined
  return {
    items,
    next: () => {
      following ??= setImmediate().then(() => matchPage(source))
      return following
    },
  }
}

/** Makes the text of a match of an index that stores these fields. */
export function writerFor(storeFields: readonly string[]): (found: Found, key: string, stored: string) => string {
  return storeFields.some((name) => GENERATED.includes(name)) ? mixedText : matchText
}

function matchText({ score, what }: Found, key: string, stored: string): string {
  const fields = stored === '{}' ? '}' : `,${stored.slice(1)}`
  return `{"id":${JSON.stringify(key)},"score":${score},${what.text}${fields}`
}

/** A stored field takes the place of a generated member of its name. */
function mixedText(found: Found, key: string, stored: string): string {
  return JSON.stringify({ ...JSON.parse(matchText(found, key, '{}')), ...JSON.parse(stored) })
}

/** Whether the text of a document's stored fields is of one that `filter` lets through. */
export function filterOf(filter: Record<string, unknown> = {}): (stored: string) => boolean {
  const wanted = Object.entries(filter)
  if (wanted.length === 0) return () => true
  return (stored) => {
    const fields = JSON.parse(stored) as Record<string, unknown>
    return wanted.every(([name, value]) => Object.hasOwn(fields, name) && fields[name] === value)
  }
}
