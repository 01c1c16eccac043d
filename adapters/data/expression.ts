/** `$expr`, evaluated by mingo without the operators that run code. */
import { Context, evalExpr } from 'mingo/core'
import * as operators from 'mingo/operators/expression'
import { HyperError } from '../../server/error.ts'
import { asQueryError, type Predicate } from './match.ts'
import { compare } from './values.ts'

const { $function: _, ...safe } = operators

type Operator = (doc: unknown, operands: unknown, options: unknown) => unknown

/** mingo's comparisons take missing and null for one, strings by UTF-16 and members in any order; MongoDB does not. */
function comparison(name: keyof typeof safe, result: (order: number) => unknown): Operator {
  const original = safe[name] as Operator
  return (doc, operands, options) => {
    if (!Array.isArray(operands) || operands.length !== 2) return original(doc, operands, options)
    const [a, b] = evalExpr(doc as never, operands as never, options as never) as unknown as [unknown, unknown]
    if (a instanceof Date || b instanceof Date) return original(doc, operands, options)
    return result(compare(a, b))
  }
}

const expression = {
  ...safe,
  $cmp: comparison('$cmp', Math.sign),
  $eq: comparison('$eq', (order) => order === 0),
  $ne: comparison('$ne', (order) => order !== 0),
  $gt: comparison('$gt', (order) => order > 0),
  $gte: comparison('$gte', (order) => order >= 0),
  $lt: comparison('$lt', (order) => order < 0),
  $lte: comparison('$lte', (order) => order <= 0),
}
const options = { context: Context.init({ expression: expression as never }), scriptEnabled: false }

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
