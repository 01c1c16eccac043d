/** What a dotted path means in a document, and how values compare: MongoDB's rules, over JSON values. */
import type { Path } from './path.ts'

/**
 * The values a condition on `path` looks at; any of them may satisfy it. A missing member is `undefined`; arrays on the way
 * are searched element by element, by position too where the path has a number; a final array gives its elements and
 * then itself, or only itself when `whole`.
 */
export function valuesAt(doc: unknown, path: Path, whole = false): unknown[] {
  const found: unknown[] = []
  visit(doc, path, 0, whole, found)
  return found
}

function visit(start: unknown, path: Path, from: number, whole: boolean, found: unknown[]): void {
  let value = start
  for (let i = from; i < path.length; i++) {
    value = member(value, path[i] as string)
    if (Array.isArray(value) && i < path.length - 1) {
      visitElements(value, path, i + 1, whole, found)
      return
    }
  }
  if (Array.isArray(value) && !whole) for (const element of value) found.push(element)
  found.push(value)
}

function visitElements(array: readonly unknown[], path: Path, at: number, whole: boolean, found: unknown[]): void {
  for (const element of array) if (isObject(element)) visit(element, path, at, whole, found)
  const position = path[at] as string
  if (!/^(0|[1-9]\d*)$/.test(position)) return
  const element = array[Number(position)]
  if (element === undefined) return
  if (at === path.length - 1) found.push(element)
  else if (Array.isArray(element)) visitElements(element, path, at + 1, whole, found)
  else if (isObject(element)) visit(element, path, at + 1, whole, found)
}

/** An own member. Arrays count as objects whose members are their positions. */
export function member(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  if (Array.isArray(value) && key === 'length') return undefined
  return (value as Record<string, unknown>)[key]
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** MongoDB's order of types; missing sorts as null. */
export function typeRank(value: unknown): number {
  switch (typeof value) {
    case 'undefined':
      return 0
    case 'number':
      return 2
    case 'string':
      return 3
    case 'boolean':
      return 6
    default:
      if (value === null) return 1
      return Array.isArray(value) ? 5 : 4
  }
}

/** Below 0, 0 or above: any two values, types ranked first. Members of objects compare in their order, as MongoDB's. */
export function compare(a: unknown, b: unknown): number {
  if (a === b) return 0
  const rank = typeRank(a) - typeRank(b)
  if (rank !== 0) return rank
  if (typeof a === 'string') return compareText(a, b as string)
  if (typeof a !== 'object') return (a as number) < (b as number) ? -1 : 1
  if (Array.isArray(a)) return compareArrays(a, b as unknown[])
  return compareObjects(a as Record<string, unknown>, b as Record<string, unknown>)
}

/** By code point, which is the order of UTF-8 bytes. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const unit = a.charCodeAt(i)
    if (unit === b.charCodeAt(i)) continue
    const start = i > 0 && isHighSurrogate(a.charCodeAt(i - 1)) ? i - 1 : i
    return codePoint(a, start) - codePoint(b, start) || unit - b.charCodeAt(i)
  }
  return a.length - b.length
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00
}

function codePoint(text: string, at: number): number {
  return text.codePointAt(at) as number
}

function compareArrays(a: readonly unknown[], b: readonly unknown[]): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const order = compare(a[i], b[i])
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareObjects(a: Record<string, unknown>, b: Record<string, unknown>): number {
  const keysA = Object.keys(a)
  const keysB = Object.keys(b)
  const length = Math.min(keysA.length, keysB.length)
  for (let i = 0; i < length; i++) {
    const keyA = keysA[i] as string
    const keyB = keysB[i] as string
    const order = typeRank(a[keyA]) - typeRank(b[keyB]) || compareText(keyA, keyB) || compare(a[keyA], b[keyB])
    if (order !== 0) return order
  }
  return keysA.length - keysB.length
}

export function isEqual(a: unknown, b: unknown): boolean {
  return compare(a, b) === 0
}
