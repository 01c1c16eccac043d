/** What deciding a condition in JavaScript comes to. */
import { HyperError } from '../../server/error.ts'

export type Predicate = (doc: unknown) => boolean

/** What a condition may fail with once it meets documents. */
export function asQueryError(error: unknown, operator: string): HyperError {
  const reason = error instanceof Error ? error.message : String(error)
  return new HyperError('QUERY_INVALID', `${operator} failed: ${reason}`, { cause: error })
}
