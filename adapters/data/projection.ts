/** `fields`: which members of a document a query answers with (hyper-api §4.4). */
import { HyperError } from '../../server/error.ts'
import { JsonText, type Stored } from '../../server/json-text.ts'
import type { Document } from '../../server/ports/data.ts'
import { parseFieldName } from './path.ts'
import { isObject } from './values.ts'

/** Members to keep: wholly (`true`), or what is named inside them. */
type Tree = Map<string, Tree | true>

/** From a stored document's text to what the query gives back. */
export type Projection = (text: string) => Stored<Document>

/** @throws QUERY_INVALID for a field inside another listed one */
export function parseProjection(fields: readonly string[] | undefined): Projection {
  if (fields === undefined) return (text) => new JsonText(text)
  if (fields.length === 0) return withoutId
  const tree: Tree = new Map()
  for (const field of new Set(fields)) add(tree, field)
  return (text) => keep(JSON.parse(text), tree) as Document
}

function withoutId(text: string): Document {
  const { _id, ...rest } = JSON.parse(text)
  return rest
}

function add(tree: Tree, field: string): void {
  const path = parseFieldName(field)
  const last = path.length - 1
  let branch = tree
  for (const [i, key] of path.entries()) {
    const known = branch.get(key)
    if (known === true || (known !== undefined && i === last)) {
      throw new HyperError('QUERY_INVALID', `fields: '${field}' collides with another listed field`)
    }
    if (i === last) {
      branch.set(key, true)
      return
    }
    const inner: Tree = known ?? new Map()
    branch.set(key, inner)
    branch = inner
  }
}

/** Scalars where members were asked for vanish, as in MongoDB; arrays are looked through. */
function keep(value: unknown, tree: Tree): unknown {
  if (Array.isArray(value)) {
    return value
      .filter((element) => typeof element === 'object' && element !== null)
      .map((element) => keep(element, tree))
  }
  if (!isObject(value)) return undefined
  const kept: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) {
    const branch = tree.get(key)
    if (branch === undefined) continue
    const part = branch === true ? member : keep(member, branch)
    if (part !== undefined) define(kept, key, part)
  }
  return kept
}

// A document may have a member named __proto__; assigning it would set the prototype.
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}
