/** Answers a query: on the main thread what it can afford, in the worker the rest. */
import { setImmediate } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import type { Page } from '../../server/ports/common.ts'
import type { Document } from '../../server/ports/data.ts'
import type { Database } from './catalogue.ts'
import { execute, executeInJs, type Found, pageOf } from './execute.ts'
import { matcher } from './match.ts'
import { isSqlOnly, makePlan, type ParsedQuery, type Plan } from './plan.ts'
import type { Predicate } from './predicate.ts'
import type { Projection } from './projection.ts'
import { isIndexed } from './query-plan.ts'
import type { QueryWorker } from './query-worker.ts'
import type { Statements } from './statements.ts'
import type { TableSizes } from './table-sizes.ts'

/** Tables up to so many documents are scanned on the main thread: half a millisecond or so. */
const SMALL_TABLE = 2_000
/** And no more than so many characters. */
const SMALL_SIZE = 8_000_000
/** As the first, where JavaScript decides document by document. */
const SMALL_TABLE_IN_JS = 200

export interface QueryMeans {
  statements: Statements
  sizes: TableSizes
  worker: QueryWorker
  /** The database as it is now. @throws DATABASE_NOT_FOUND */
  find(): Database
}

/** @throws DATABASE_NOT_FOUND, QUERY_INVALID, QUERY_TIMEOUT */
export async function runQuery(means: QueryMeans, query: ParsedQuery, projection: Projection): Promise<Page<Document>> {
  const { statements, sizes, worker, find } = means
  let accepts: Predicate | undefined
  for (;;) {
    const database = find()
    const answer = (found: Found) => page(statements, found, database, projection)
    const plan = makePlan(query, database)
    if (!isQuick(statements, sizes, plan)) {
      const told = await worker.run({ kind: 'query', plan })
      if (told.kind === 'found') return answer(told.found)
    } else if (isSqlOnly(plan)) {
      return answer(execute(statements, plan))
    } else if (accepts !== undefined) {
      return answer(executeInJs(statements, plan, accepts))
    } else {
      // Writes may come in meanwhile: the plan is made anew.
      accepts = await matcher(query.condition)
    }
  }
}

/** Whether work on all of its documents is short enough for the main thread. */
export function isSmall(sizes: TableSizes, { number, shape }: Database): boolean {
  const atMost = sizes.now(number)
  return atMost <= SMALL_TABLE && atMost * shape.largest <= SMALL_SIZE
}

/** Whether the main thread can afford the plan: a small table, or an index that leads to little more than the answer. */
function isQuick(statements: Statements, sizes: TableSizes, plan: Plan): boolean {
  if (plan.isHostile) return false
  const atMost = sizes.of(plan.database)
  const affordable = isSqlOnly(plan) ? SMALL_TABLE : SMALL_TABLE_IN_JS
  if (atMost <= affordable && atMost * plan.largest <= SMALL_SIZE) return true
  return isSqlOnly(plan) && plan.skip + plan.limit <= SMALL_TABLE && isIndexed(statements, plan)
}

function page(
  statements: Statements,
  { texts, rest }: Found,
  database: Database,
  projection: Projection,
): Page<Document> {
  const items = texts.map(projection)
  if (rest.length === 0) return { items }
  return {
    items,
    async next() {
      await setImmediate() // pages are work for the main thread: let others have their turn
      if (database.removed) throw new HyperError('DATABASE_NOT_FOUND', 'database does not exist')
      return page(statements, pageOf(statements, database.number, rest), database, projection)
    },
  }
}
