/** `$expr`, evaluated by mingo without the operators that run code. */
import { Context, evalExpr } from 'mingo/core'
import * as operators from 'mingo/operators/expression'
import { HyperError } from '../../server/error.ts'
import { asQueryError, type Predicate } from './match.ts'

const { $function: _, ...safe } = operators
const options = { context: Context.init({ expression: safe }), scriptEnabled: false }

/** @throws QUERY_INVALID for an operator that does not exist, and later for one that cannot digest a document */
export function expressionPredicate(expression: unknown): Predicate {
  checkOperators(expression)
  return (doc) => {
    let value: unknown
    try {
      value = evalExpr(doc as never, expression as never, options as never)
    } catch (error) {
      throw asQueryError(error, '$expr')
    }
    return value !== false && value !== 0 && value !== null && value !== undefined
  }
}

function checkOperators(expression: unknown): void {
  if (typeof expression !== 'object' || expression === null) return
  for (const [key, value] of Object.entries(expression)) {
    if (key.startsWith('$') && !Object.hasOwn(safe, key)) {
      throw new HyperError('QUERY_INVALID', `unknown expression operator: ${key}`)
    }
    if (key !== '$literal') checkOperators(value)
  }
}
