/** What workerd says of an app that does not start, in NANO's names and at the place its author knows (worker-runtime §§4.1, 12.5). */
import { SourceMap } from 'node:module'
import type { LoadError, LoadErrorName } from '../../../server/ports/apps.ts'
import { type Bundle, ENTRY } from './bundle.ts'
import { consoleLine } from './console-line.ts'
import { AppLoadError } from './load-error.ts'

/** The shim's own words begin with the name. */
const NAMED = /\b(InvalidExports|MissingFetch|FetchNotFunction): (.*)$/
const POSITION = new RegExp(`\\b${ENTRY.replace('.', '\\.')}:(\\d+):(\\d+)`)

export function explainStart(lines: readonly string[], bundle: Bundle): AppLoadError {
  const said = lines.map((line) => consoleLine(line)?.message ?? '').join('\n')
  const named = said
    .split('\n')
    .map((line) => NAMED.exec(line))
    .find((match) => match !== null)
  if (named) return new AppLoadError(named[1] as LoadErrorName, named[2] ?? '')
  const reason =
    /Uncaught (.*)/.exec(said)?.[1] ??
    /(?:error: |\*\*\* |kj\/[^:]+:\d+: )(.*)/.exec(said)?.[1] ??
    (said.trim() || 'workerd ended without a word')
  const name = /SyntaxError|No such module|does not provide an export/.test(reason)
    ? 'CompilationFailed'
    : 'ExecutionFailed'
  const hint = /within global scope/i.test(said) ? " (NANO allows this; so does compat: ['stateful'])" : ''
  return new AppLoadError(name, `${reason}${hint}`, positionIn(said, bundle))
}

function positionIn(text: string, { map }: Bundle): Pick<LoadError, 'location' | 'frame'> {
  const [, line, column] = POSITION.exec(text) ?? []
  const origin = line === undefined ? undefined : originOf(map, Number(line), Number(column))
  if (!origin) return {}
  const { file, line: row, column: place, text: source } = origin
  const frame =
    source === undefined
      ? undefined
      : `${row} | ${source}\n${' '.repeat(String(row).length)} | ${' '.repeat(place - 1)}^`
  return { location: `${file}:${row}:${place}`, ...(frame === undefined ? {} : { frame }) }
}

interface Origin {
  file: string
  line: number
  column: number
  /** The source's line. */
  text: string | undefined
}

/** @param line from 1, `column` from 1 */
export function originOf(map: string, line: number, column: number): Origin | undefined {
  if (map === '') return undefined
  const payload = JSON.parse(map)
  const parsed = new SourceMap(payload)
  const found = parsed.findOrigin(line, column)
  if (!('fileName' in found)) return undefined
  const index = payload.sources.indexOf(found.fileName)
  const text = payload.sourcesContent?.[index]?.split('\n')[found.lineNumber - 1]
  return { file: found.fileName, line: found.lineNumber, column: found.columnNumber, text }
}
