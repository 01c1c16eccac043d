/** Places in what workerd runs, told as places in the files of an app's author. */
import { SourceMap } from 'node:module'
import { type Bundle, ENTRY } from './bundle.ts'

export interface Origin {
  /** Relative to the directory of the app's entry. */
  file: string
  /** From 1, as is `column`. */
  line: number
  column: number
  /** The source's line. */
  text: string | undefined
}

const POSITION = new RegExp(`(?<=^|[\\s(])${ENTRY.replace('.', '\\.')}:(\\d+):(\\d+)`, 'm')
const POSITIONS = new RegExp(POSITION, 'gm')
/** Of the runtime's own modules, in which no author has anything to mend. */
const OWN_FRAME = /\n {4}at [^\n]*\b(?:shim|prelude|sync-body)\.js:\d+:\d+\)?(?=\n|$)/g

/** The first place that a text speaks of. */
export function originIn(text: string, bundle: Bundle): Origin | undefined {
  const [, line, column] = POSITION.exec(text) ?? []
  return line === undefined ? undefined : originOf(bundle, Number(line), Number(column))
}

/** The text with the author's places in it. */
export function withOrigins(text: string, bundle: Bundle): string {
  if (!text.includes('.js:')) return text
  return text.replace(OWN_FRAME, '').replace(POSITIONS, (place, line, column) => {
    const origin = originOf(bundle, Number(line), Number(column))
    return origin ? `${origin.file}:${origin.line}:${origin.column}` : place
  })
}

interface Parsed {
  map: SourceMap
  sources: readonly string[]
  contents: readonly (string | null)[]
}

/** Parsed when first needed, and once: it may have megabytes. */
const parsed = new WeakMap<Bundle, Parsed>()

function mapOf(bundle: Bundle): Parsed {
  const known = parsed.get(bundle)
  if (known) return known
  const payload = JSON.parse(bundle.map)
  const made = { map: new SourceMap(payload), sources: payload.sources, contents: payload.sourcesContent ?? [] }
  parsed.set(bundle, made)
  return made
}

function originOf(bundle: Bundle, line: number, column: number): Origin | undefined {
  if (bundle.map === '') return undefined
  const { map, sources, contents } = mapOf(bundle)
  const found = map.findEntry(line - 1, column - 1)
  if (!('originalSource' in found)) return undefined
  const { originalSource: file, originalLine, originalColumn } = found
  const text = contents[sources.indexOf(file)]?.split('\n')[originalLine]
  return { file, line: originalLine + 1, column: originalColumn + 1, text }
}
