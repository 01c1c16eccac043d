/** MongoDB's names of types, for `$type` and `$jsonSchema`, and the values they name. */
import { isObject } from './values.ts'

const TYPE_NAMES = ['double', 'string', 'object', 'array', 'bool', 'null', 'int', 'number'] as const
/** Types that MongoDB knows and JSON cannot hold: valid to ask for, never found. */
const ABSENT_NAMES = new Set<unknown>([
  ...['binData', 'undefined', 'objectId', 'date', 'regex', 'dbPointer', 'javascript', 'symbol', 'javascriptWithScope'],
  ...['timestamp', 'long', 'decimal', 'minKey', 'maxKey'],
])
export type TypeName = (typeof TYPE_NAMES)[number] | 'absent'

export function typeNamed(name: unknown): TypeName | undefined {
  return ABSENT_NAMES.has(name) ? 'absent' : TYPE_NAMES.find((known) => known === name)
}

// Integers of 32 bits are stored by MongoDB's driver as int, all other numbers as double.
export function isOfType(value: unknown, type: TypeName): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string'
    case 'bool':
      return typeof value === 'boolean'
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isObject(value)
    case 'number':
      return typeof value === 'number'
    case 'int':
      return isInt32(value)
    case 'double':
      return typeof value === 'number' && !isInt32(value)
    case 'absent':
      return false
  }
}

function isInt32(value: unknown): boolean {
  return typeof value === 'number' && value === (value | 0)
}
