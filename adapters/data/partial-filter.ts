/** `partialFilter`: what MongoDB allows in a partialFilterExpression (hyper-api §4.5). */
import { HyperError } from '../../server/error.ts'
import type { Condition } from './condition.ts'
import { compileForIndex } from './filter.ts'
import { MAX_SQL_LENGTH, type PartialFilter, topLevel } from './plan.ts'
import { parseSelector } from './selector.ts'

const ALLOWED = new Set(['eq', 'gt', 'gte', 'lt', 'lte', 'exists', 'type', 'in'])

/** @throws QUERY_INVALID */
export function checkPartialFilter(filter: Record<string, unknown> | undefined): PartialFilter | undefined {
  if (filter === undefined) return undefined
  const condition = parseSelector(filter)
  check(condition)
  const { literal } = compileForIndex(condition)
  if (literal.length > MAX_SQL_LENGTH) throw new HyperError('QUERY_INVALID', 'the partialFilter is too long')
  return { conditions: topLevel(condition).map((part) => JSON.stringify(part)), literal: literal || 'TRUE' }
}

function check(condition: Condition): void {
  if (condition.kind === 'and' || condition.kind === 'or') {
    condition.of.forEach(check)
    return
  }
  if (condition.kind === 'field' && ALLOWED.has(condition.test.op)) return
  const what = condition.kind === 'field' ? condition.test.op : condition.kind
  throw new HyperError('QUERY_INVALID', `an index's partialFilter cannot hold ${what}`, {
    hint: 'Use equality, $exists: true, $gt, $gte, $lt, $lte, $type, $in, $and or $or.',
  })
}
