/** What a word is, and how the words of a document are written down for FTS5 to keep. */
import { hash } from 'node:crypto'
import type { SearchDocument } from '../../server/ports/search.ts'

/** MiniSearch's rule, which hyper's clients know; control characters (a tab) separate too. Symbols are part of words. */
const SEPARATORS = /[\p{P}\p{Z}\p{Cc}]+/u

/** FTS5 cuts off a token at 32 KB; longer words are kept by their hash. */
const MAX_WORD_LENGTH = 1_000

/**
 * Splits at spaces and keeps all else of what `token` writes as it is: it knows no letters but ASCII ones, and there is no
 * capital among those.
 */
export const TOKENIZER = `ascii tokenchars '$+<=>^\`|~:-'`

export interface IndexedText {
  /** Tokens of all fields. */
  tokens: string
  /** The length of each field in different words; undefined where the document has no such field. */
  lengths: (number | undefined)[]
}

/** The words of a text, in its order, repeated as they are. */
export function wordsOf(text: string): string[] {
  return text
    .split(SEPARATORS)
    .map((word) => word.toLowerCase())
    .filter((word) => word !== '')
}

export function indexedText(doc: SearchDocument, fields: readonly string[]): IndexedText {
  const tokens: string[] = []
  const lengths = fields.map((name, field) => {
    const value = Object.hasOwn(doc, name) ? doc[name] : undefined
    if (value === undefined || value === null) return undefined
    const pieces = textOf(value).split(SEPARATORS)
    for (const piece of pieces) if (piece !== '') tokens.push(token(field, piece.toLowerCase()))
    // As MiniSearch counts it, so that scores agree: capitals apart, and the empty piece beside an outer separator.
    return new Set(pieces).size
  })
  return { tokens: tokens.join(' '), lengths }
}

/** How a field's word is written; `:` and `-` separate words, so they are in none. */
export function token(field: number, word: string): string {
  return `${field}:${word.length > MAX_WORD_LENGTH ? `-${hash('sha256', word)}` : word}`
}

/** What `String(value)` says of a JSON value, which fails where a document has a member called `toString`. */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map((item) => (item === null ? '' : textOf(item))).join(',')
  return typeof value === 'object' ? '[object Object]' : String(value)
}
