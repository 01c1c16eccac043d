/**
 * Which JSON types each path of a database has ever held: MongoDB's multikey flag, generalised. It lets the compiler
 * write plain SQL where an array, an object or a boolean cannot occur. It only ever grows, until the database is emptied.
 */
import type { Path } from './path.ts'

export const ARRAY = 1
export const OBJECT = 2
export const BOOLEAN = 4
export const STRING = 8
export const NUMBER = 16
/** A number that SQLite may not read as JavaScript does. */
export const INEXACT_NUMBER = 32
export const NULL = 64
export const ANY = 127

/** Past so many paths (documents used as maps) new ones are no longer told apart. */
const MAX_PATHS = 500

/** From here on SQLite reads every fraction as JavaScript does (measured, 400 000 random doubles). */
const READS_FRACTIONS = !isOlder(process.versions.sqlite ?? '0', [3, 53])

interface Node {
  types: number
  children: Map<string, Node>
}

type Saved = [types: number, children: Record<string, Saved>]

export class Shape {
  #root: Node = { types: OBJECT, children: new Map() }
  #paths = 0
  #overflowed = false
  /** No document's text was longer, in UTF-16 units, up to the next power of two. */
  largest = 1
  /** Changes whenever a plan made before may be wrong. */
  version: number

  constructor(version: number, saved?: string) {
    this.version = version
    if (saved === undefined) return
    const { overflowed, largest, root } = JSON.parse(saved) as { overflowed: boolean; largest: number; root: Saved }
    this.largest = largest
    this.#root = this.#load(root)
    this.#overflowed = overflowed
  }

  /** Takes in one document, whose text has `length` UTF-16 units. */
  observe(doc: Record<string, unknown>, length: number): void {
    if (length > this.largest) {
      this.largest = 2 ** Math.ceil(Math.log2(length))
      this.version += 1
    }
    this.#visit(this.#root, doc)
  }

  /** There are no documents any more. */
  clear(): void {
    this.#root = { types: OBJECT, children: new Map() }
    this.#paths = 0
    this.largest = 1
    this.#overflowed = false
    this.version += 1
  }

  /** Nothing is known any more. */
  forget(): void {
    this.clear()
    this.largest = 2 ** 30
    this.#overflowed = true
  }

  /**
   * The types seen at `path` (0: none), or undefined when an array on the way to it makes the path mean several places,
   * or may do so.
   */
  at(path: Path): number | undefined {
    let node: Node = this.#root
    for (const [i, key] of path.entries()) {
      const child = node.children.get(key)
      if (child === undefined) {
        if (!this.#overflowed) return 0
        return i === path.length - 1 ? ANY : undefined
      }
      if (i < path.length - 1 && child.types & ARRAY) return undefined
      node = child
    }
    return node.types
  }

  save(): string {
    return JSON.stringify({ overflowed: this.#overflowed, largest: this.largest, root: dump(this.#root) })
  }

  #visit(node: Node, value: Record<string, unknown>): void {
    for (const key of Object.keys(value)) {
      const member = value[key]
      const type = typeOf(member)
      let child = node.children.get(key)
      if (child === undefined) {
        if (this.#paths >= MAX_PATHS) {
          if (!this.#overflowed) {
            this.#overflowed = true
            this.version += 1
          }
          continue
        }
        child = { types: 0, children: new Map() }
        node.children.set(key, child)
        this.#paths += 1
      }
      if ((child.types & type) === 0) {
        child.types |= type
        this.version += 1
      }
      if (type === OBJECT) this.#visit(child, member as Record<string, unknown>)
    }
  }

  #load([types, children]: Saved): Node {
    const node: Node = { types, children: new Map() }
    for (const [key, child] of Object.entries(children)) {
      this.#paths += 1
      node.children.set(key, this.#load(child))
    }
    return node
  }
}

function dump(node: Node): Saved {
  return [node.types, Object.fromEntries([...node.children].map(([key, child]) => [key, dump(child)]))]
}

function typeOf(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return STRING
    case 'number':
      return isExact(value) ? NUMBER : INEXACT_NUMBER
    case 'boolean':
      return BOOLEAN
    default:
      if (value === null || value === undefined) return NULL
      return Array.isArray(value) ? ARRAY : OBJECT
  }
}

// An integer past 2^53 is stored as the digits JavaScript prints, which SQLite takes at their word.
function isExact(number: number): boolean {
  if (Number.isSafeInteger(number)) return true
  if (Number.isInteger(number)) return false
  return READS_FRACTIONS || (String(number).length <= 16 && !String(number).includes('e'))
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number)
  return a < major || (a === major && b < minor)
}
