/** SQLite's own word on how it would run a plan. */
import type { Plan } from './plan.ts'
import type { Statements } from './statements.ts'

/** The steps of EXPLAIN QUERY PLAN. */
export function explain(statements: Statements, plan: Plan): string[] {
  const text = `EXPLAIN QUERY PLAN SELECT seq FROM d${plan.database} WHERE ${plan.where} ORDER BY ${plan.orderBy} LIMIT 1`
  return statements
    .get(text)
    .all(...plan.params)
    .map((row) => row.detail as string)
}

/** Whether indexes alone lead to the answer: every condition is part of the search and nothing is left to sort. */
export function isIndexed(statements: Statements, plan: Plan): boolean {
  const steps = explain(statements, plan)
  if (steps.some((step) => step.includes('TEMP B-TREE'))) return false
  const searched = steps[0]?.match(/[=<>]\?/g)?.length ?? 0
  return searched >= plan.conjuncts
}
