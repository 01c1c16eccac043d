/**
 * Turns zod's findings into hyper's messages: `Invalid Arguments '<member>': <reason>.`, joined with ` | `, where the
 * member is the top-level one and the reasons are the texts of zod 3.20, which hyper's clients have seen (hyper-api §2.2).
 */
import type * as z from 'zod'
import { type ErrorCode, HyperError } from './error.ts'

type Issue = z.core.$ZodIssue

/** The error for arguments that broke their schema. A broken rule of our own (`params.code`) outranks wrong types. */
export function invalidArguments(error: z.core.$ZodError, args: unknown): HyperError {
  const messages: string[] = []
  let code: ErrorCode = 'INVALID_UNION'
  for (const issue of error.issues) {
    if (issue.code === 'custom' && typeof issue.params?.code === 'string') {
      return new HyperError(issue.params.code as ErrorCode, issue.message)
    }
    const member = String(issue.path[0] ?? 'args')
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      for (const alternative of issue.errors.flat()) {
        messages.push(
          `Invalid Union '${member}': ${reason(alternative, at(args, [...issue.path, ...alternative.path]))}.`,
        )
      }
    } else {
      code = 'INVALID_ARGUMENTS'
      messages.push(`Invalid Arguments '${member}': ${reason(issue, at(args, issue.path))}.`)
    }
  }
  return new HyperError(code, messages.join(' | '))
}

/** The error for an adapter whose result broke its port. */
export function invalidReturn(error: z.core.$ZodError, result: unknown): HyperError {
  const messages = error.issues.map(
    (issue) => `Invalid Return '${String(issue.path[0] ?? 'result')}': ${reason(issue, at(result, issue.path))}.`,
  )
  return new HyperError('INVALID_RETURN', messages.join(' | '))
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value)
}

function reason(issue: Issue, input: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return expected(issue.expected === 'record' ? 'object' : issue.expected, input)
    case 'custom':
      return typeof issue.params?.expected === 'string' ? expected(issue.params.expected, input) : issue.message
    case 'invalid_value': {
      const values = issue.values.map((value) => `'${String(value)}'`).join(' | ')
      return typeof input === 'string'
        ? `Invalid enum value. Expected ${values}, received '${input}'`
        : expected(values, input)
    }
    case 'too_small':
      return issue.origin === 'string'
        ? `String must contain at least ${issue.minimum} character(s)`
        : `Number must be greater than or equal to ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string'
        ? `String must contain at most ${issue.maximum} character(s)`
        : `Number must be less than or equal to ${issue.maximum}`
    case 'invalid_format':
      return `Invalid ${issue.format}`
    default:
      return issue.message
  }
}

function expected(type: string, input: unknown): string {
  return input === undefined ? 'Required' : `Expected ${type}, received ${typeName(input)}`
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (Number.isNaN(value)) return 'nan'
  return typeof value
}
