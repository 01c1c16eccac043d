/** SQLite's own word on how it would run a plan. */
import { type Plan, source } from './plan.ts'
import type { Statements } from './statements.ts'

/** The steps of EXPLAIN QUERY PLAN. */
export function explain(statements: Statements, plan: Plan): string[] {
  const { params } = plan
  return statements
    .get(`EXPLAIN QUERY PLAN SELECT text ${source(plan)} LIMIT 1`)
    .all(...params)
    .map(([, , , detail]) => detail as string)
}

/** Whether indexes alone lead to the answer: every condition is part of the search and nothing is left to sort. */
export function isIndexed(statements: Statements, plan: Plan): boolean {
  const steps = explain(statements, plan)
  if (steps.some((step) => step.includes('TEMP B-TREE'))) return false
  const searched = steps[0]?.match(/[=<>]\?/g)?.length ?? 0
  return searched >= plan.conjuncts
}
