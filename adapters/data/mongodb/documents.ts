/**
 * Documents as MongoDB keeps them: as they are, so that anyone can query them by hand, wherever BSON can hold them exactly. The few it
 * cannot, or that a server may refuse, are kept as compressed JSON text, marked by a value that no JSON has; the gateway decides
 * about those itself (`find.ts`). They are: texts with lone surrogates, members whose name begins with `$` or that look like a
 * type of BSON's, more than 100 levels, more than 16 MB.
 */
import { promisify } from 'node:util'
import { deflateRaw, inflateRaw } from 'node:zlib'
import { Binary, BSON } from 'mongodb'
import { HyperError } from '../../../server/error.ts'
import type { Document } from '../../../server/ports/data.ts'

/** As read from a collection. */
export type Kept = Record<string, unknown>

/** What finds documents that are kept as text: no JSON has a date. */
export const IS_TEXT = { _deflated: new Date(0) }

const MAX_DEPTH = 100
/** Where the embedded engine's documents end. */
const MAX_TEXT_DEPTH = 1_000
const MAX_BYTES = 16 * 1024 * 1024

const deflated = promisify(deflateRaw)
const inflated = promisify(inflateRaw)

/** The document to store under `id`. @throws INVALID_ARGUMENTS for what no engine stores */
export async function keep(id: string, doc: Document): Promise<Kept> {
  const { _id, ...given } = doc
  const inspection = inspect(given)
  if (inspection.problem !== undefined) throw new HyperError('INVALID_ARGUMENTS', inspection.problem)
  if (inspection.isJson) return inspection.isFaithful ? { _id: id, ...given } : await keepAsText(id, given)
  // What JSON has no word for goes or changes as it does in a request's body.
  const rest = JSON.parse(JSON.stringify(given)) as Document
  return inspect(rest).isFaithful ? { _id: id, ...rest } : await keepAsText(id, rest)
}

/** Also for what the server refuses to hold as a document, as when an index of its own cannot take it. */
export async function keepAsText(id: string, doc: Document): Promise<Kept> {
  const { _id, ...rest } = doc
  const bytes = await deflated(JSON.stringify(rest))
  if (bytes.length > MAX_BYTES - 4_096) {
    throw new HyperError('PAYLOAD_TOO_LARGE', `the document with _id ${id} is too large for MongoDB`)
  }
  return { _id: id, ...IS_TEXT, _json: new Binary(bytes) }
}

export function isText(kept: Kept): boolean {
  return kept._deflated instanceof Date && kept._json instanceof Binary
}

/** The document's JSON text, `_id` first. */
export async function textOf(kept: Kept): Promise<string> {
  if (!isText(kept)) return joined(kept)
  const rest = (await inflated((kept._json as Binary).value())).toString()
  return `{"_id":${JSON.stringify(kept._id)}${rest === '{}' ? '' : ','}${rest.slice(1)}`
}

function joined(kept: Kept): string {
  // Members named as numbers come first in any JavaScript object.
  for (const first in kept) {
    if (first === '_id') return JSON.stringify(kept)
    break
  }
  const { _id, ...rest } = kept
  return `{"_id":${JSON.stringify(_id)},${JSON.stringify(rest).slice(1)}`
}

/** Whether BSON holds the value exactly, be it in a document or to compare with. */
export function isFaithful(value: unknown): boolean {
  const inspection = inspect(value)
  return inspection.isJson && inspection.isFaithful && inspection.problem === undefined
}

interface Inspection {
  /** Nothing in it that JSON has no word for. */
  isJson: boolean
  isFaithful: boolean
  /** Why no engine stores it. */
  problem?: string | undefined
}

function inspect(root: unknown): Inspection {
  let isJson = true
  let isFaithful = true
  let problem: string | undefined
  /** At most. */
  let bytes = 0

  function visitText(text: string): void {
    bytes += 8 + 3 * text.length
    if (!text.isWellFormed()) isFaithful = false
  }

  function visitObject(value: object, depth: number): void {
    if (depth > MAX_DEPTH) isFaithful = false
    if (depth > MAX_TEXT_DEPTH) {
      problem ??= `the document is nested deeper than ${MAX_TEXT_DEPTH} levels`
      return
    }
    if (Array.isArray(value)) {
      bytes += 12 * value.length
      for (let i = 0; i < value.length; i++) visit(value[i], depth)
      return
    }
    const prototype = Object.getPrototypeOf(value)
    if ((prototype !== Object.prototype && prototype !== null) || typeof (value as Kept).toJSON === 'function')
      isJson = false
    for (const name of Object.keys(value)) {
      if (name.includes('\0')) problem ??= 'a member name of the document holds a NUL'
      // The driver gives back as raw bytes what an array holds under the names that every object inherits.
      if (name.startsWith('$') || name === '_bsontype' || name in {}) isFaithful = false
      visitText(name)
      visit((value as Kept)[name], depth)
    }
  }

  function visit(value: unknown, depth: number): void {
    switch (typeof value) {
      case 'string':
        visitText(value)
        return
      case 'number':
        bytes += 9
        if (!Number.isFinite(value) || Object.is(value, -0)) isJson = false
        return
      case 'boolean':
        bytes += 2
        return
      case 'object':
        if (value !== null) visitObject(value, depth + 1)
        return
      default:
        isJson = false
    }
  }

  visit(root, 0)
  if (isFaithful && isJson && problem === undefined && bytes > MAX_BYTES - 4_096) {
    isFaithful = BSON.calculateObjectSize({ root }) <= MAX_BYTES - 4_096
  }
  return { isJson, isFaithful, problem }
}
