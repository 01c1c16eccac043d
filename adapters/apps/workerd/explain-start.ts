/** What workerd says of an app that does not start, in NANO's names and at the place its author knows (worker-runtime §§4.1, 12.5). */
import type { LoadError, LoadErrorName } from '../../../server/ports/apps.ts'
import type { Bundle } from './bundle.ts'
import { consoleLine } from './console-line.ts'
import { AppLoadError, codeFrame } from './load-error.ts'
import { originIn } from './source-positions.ts'

/** The shim's own words begin with the name. */
const NAMED = /\b(InvalidExports|MissingFetch|FetchNotFunction): (.*)$/

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

function positionIn(text: string, bundle: Bundle): Pick<LoadError, 'location' | 'frame'> {
  const origin = originIn(text, bundle)
  if (!origin) return {}
  const { file, line, column, text: source } = origin
  const location = `${file}:${line}:${column}`
  return source === undefined ? { location } : { location, frame: codeFrame(line, source, column) }
}
