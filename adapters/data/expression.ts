/**
 * `$expr`, evaluated by mingo without the operators that run code, and within a budget: an expression of a few words can
 * ask for more memory than there is, and a thread that runs out of it takes the process along.
 */
import { Context, evalExpr } from 'mingo/core'
import * as operators from 'mingo/operators/expression'
import { HyperError } from '../../server/error.ts'
import { asQueryError, type Predicate } from './predicate.ts'
import { compare, isObject } from './values.ts'

type Operator = (doc: unknown, operand: unknown, options: unknown) => unknown

/** Per document, in array elements; eight characters of text count as one. */
const BUDGET = 4_000_000
const MAX_NODES = 1_000

// The last two may make a hundredfold of what they are given, in one go.
const { $function: _, $zip: __, $regexFindAll: ___, ...safe } = operators as unknown as Record<string, Operator>

/** One expression's evaluation. */
class Evaluation {
  readonly options: unknown
  #left = BUDGET

  constructor() {
    const wrapped = Object.entries({ ...safe, ...this.#comparisons() }).map(
      ([name, operator]) => [name, this.#limited(name, operator)] as const,
    )
    const expression = Object.fromEntries(wrapped) as never
    this.options = { context: Context.init({ expression }), scriptEnabled: false }
  }

  evaluate(doc: unknown, expression: unknown): unknown {
    this.#left = BUDGET
    return this.#value(doc, expression, this.options)
  }

  #value(doc: unknown, expression: unknown, options: unknown): unknown {
    return evalExpr(doc as never, expression as never, options as never)
  }

  #spend(amount: number): void {
    this.#left -= amount
    if (this.#left < 0) throw new Error('it needs too much memory')
  }

  #limited(name: string, operator: Operator): Operator {
    return (doc, operand, options) => {
      const result = operator(doc, this.#foreseen(name, doc, operand, options), options)
      if (Array.isArray(result)) this.#spend(result.length)
      else if (typeof result === 'string') this.#spend(result.length / 8)
      return result
    }
  }

  /** Pays in advance for operators that make much at once. What was evaluated for that is handed on as it is. */
  #foreseen(name: string, doc: unknown, operand: unknown, options: unknown): unknown {
    if (name === '$range' && Array.isArray(operand)) {
      const numbers = operand.map((part) => this.#value(doc, part, options))
      const [start, end, step = 1] = numbers as [number, number, number?]
      this.#spend(Math.max(0, (end - start) / step) || 0)
      return numbers.map(literal)
    }
    if (name === '$concatArrays' && Array.isArray(operand)) {
      const arrays = operand.map((part) => this.#value(doc, part, options))
      for (const array of arrays) if (Array.isArray(array)) this.#spend(array.length)
      return arrays.map(literal)
    }
    if ((name === '$map' || name === '$filter' || name === '$reduce') && isObject(operand)) {
      const input = this.#value(doc, operand.input, options)
      if (Array.isArray(input)) this.#spend(input.length * countNodes(operand.in ?? operand.cond))
      return { ...operand, input: literal(input) }
    }
    return operand
  }

  /** mingo's comparisons take missing and null for one, strings by UTF-16 and members in any order; MongoDB does not. */
  #comparisons(): Record<string, Operator> {
    const comparison =
      (name: string, result: (order: number) => unknown): Operator =>
      (doc, operands, options) => {
        const original = safe[name] as Operator
        if (!Array.isArray(operands) || operands.length !== 2) return original(doc, operands, options)
        const [a, b] = operands.map((part) => this.#value(doc, part, options))
        if (a instanceof Date || b instanceof Date) return original(doc, [literal(a), literal(b)], options)
        return result(compare(a, b))
      }
    return {
      $cmp: comparison('$cmp', Math.sign),
      $eq: comparison('$eq', (order) => order === 0),
      $ne: comparison('$ne', (order) => order !== 0),
      $gt: comparison('$gt', (order) => order > 0),
      $gte: comparison('$gte', (order) => order >= 0),
      $lt: comparison('$lt', (order) => order < 0),
      $lte: comparison('$lte', (order) => order <= 0),
    }
  }
}

function literal(value: unknown): unknown {
  return { $literal: value }
}

/** @throws QUERY_INVALID for an operator that does not exist, and later for one that cannot digest a document */
export function expressionPredicate(expression: unknown): Predicate {
  checkOperators(expression)
  if (countNodes(expression) > MAX_NODES)
    throw new HyperError('QUERY_INVALID', `$expr has more than ${MAX_NODES} parts`)
  const evaluation = new Evaluation()
  return (doc) => {
    let value: unknown
    try {
      value = evaluation.evaluate(doc, expression)
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

function countNodes(expression: unknown): number {
  if (typeof expression !== 'object' || expression === null) return 1
  return Object.values(expression).reduce((sum: number, part) => sum + countNodes(part), 1)
}
