/** A selector once read: what the SQL compiler and the matcher work on. Plain data, so it can go to a worker thread. */
import type { Region } from './geo-operand.ts'
import type { Part } from './geometry.ts'
import type { Path } from './path.ts'
import type { TypeName } from './type-names.ts'

export type Condition =
  | { kind: 'and' | 'or' | 'nor'; of: Condition[] }
  | { kind: 'field'; path: Path; test: Test }
  /** `$expr`: an aggregation expression. */
  | { kind: 'expression'; expression: unknown }
  /** `$jsonSchema` */
  | { kind: 'schema'; schema: Record<string, unknown> }

export type Test =
  | { op: 'eq' | 'gt' | 'gte' | 'lt' | 'lte'; value: unknown }
  | { op: 'in'; values: unknown[] }
  | { op: 'exists' }
  | { op: 'type'; types: TypeName[] }
  | { op: 'mod'; divisor: number; remainder: number }
  | { op: 'regex'; source: string; flags: string }
  | { op: 'size'; size: number }
  /** An array with one element, itself an object or array, that meets the condition. */
  | { op: 'elemMatch'; condition: Condition }
  /** An array with one element that passes all tests. */
  | { op: 'elemTest'; tests: Test[] }
  /** The mask in decimal, as it may need more bits than a number has. */
  | { op: 'bits'; mask: string; set: boolean; all: boolean }
  | { op: 'geoWithin'; region: Region }
  /** `$geoIntersects`: any of the parts. */
  | { op: 'geoIntersects'; parts: Part[] }
  /** All of them, each by whichever value. */
  | { op: 'all'; tests: Test[] }
  | { op: 'not'; tests: Test[] }

/** Whether evaluating it may take long on even one document: a hostile pattern, expression, schema or shape. */
export function isUnbounded(condition: Condition): boolean {
  switch (condition.kind) {
    case 'expression':
    case 'schema':
      return true
    case 'field':
      return isUnboundedTest(condition.test)
    default:
      return condition.of.some(isUnbounded)
  }
}

function isUnboundedTest(test: Test): boolean {
  switch (test.op) {
    case 'regex':
    case 'geoWithin':
    case 'geoIntersects':
      return true
    case 'elemMatch':
      return isUnbounded(test.condition)
    case 'elemTest':
    case 'all':
    case 'not':
      return test.tests.some(isUnboundedTest)
    default:
      return false
  }
}
