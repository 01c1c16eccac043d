/** JavaScript that SQL calls: a pattern on one member costs an eighth of reading whole documents for it. */
import type { DatabaseSync } from 'node:sqlite'
import { asQueryError } from './predicate.ts'

/** Only where a pattern that never ends does no harm: in the worker. */
export function addFunctions(db: DatabaseSync): void {
  let last: { source: unknown; flags: unknown; pattern: RegExp } | undefined
  db.function('matches', { deterministic: true }, (source, flags, json) => {
    if (typeof json !== 'string' || !json.startsWith('"')) return 0
    if (last?.source !== source || last.flags !== flags) {
      last = { source, flags, pattern: new RegExp(String(source), String(flags)) }
    }
    try {
      return Number(last.pattern.test(textOf(json)))
    } catch (error) {
      throw asQueryError(error, '$regex')
    }
  })
}

/** JSON text, as SQL cannot hold every string JSON can. */
function textOf(json: string): string {
  return json.includes('\\') ? JSON.parse(json) : json.slice(1, -1)
}
