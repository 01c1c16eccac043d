/** What workerd says of an app that does not start, in NANO's names and at the place its author knows (worker-runtime §§4.1, 12.5). */
import type { LoadError, LoadErrorName } from '../../../server/ports/apps.ts'
import type { Bundle } from './bundle.ts'
import { consoleLine } from './console-line.ts'
import { AppLoadError, codeFrame } from './load-error.ts'
import { originIn } from './source-positions.ts'

/** Where NANO has no such rule. */
const GLOBAL_SCOPE =
  'I/O, timers and random values are not allowed while a module is loaded: use them in a handler, or set compat: [stateful] to have them as in NANO'
/** The shim's own words begin with the name. */
const NAMED = /\b(InvalidExports|MissingFetch|FetchNotFunction): (.*)$/

const MAX_REASON = 2_000
export const OUT_OF_HEAP = /heap limit|out of memory/i

export function explainStart(lines: readonly string[], bundle: Bundle): AppLoadError {
  const said = lines.map((line) => consoleLine(line)?.message ?? '').join('\n')
  const named = said
    .split('\n')
    .map((line) => NAMED.exec(line))
    .find((match) => match !== null)
  if (named) return new AppLoadError(named[1] as LoadErrorName, named[2] ?? '')
  if (OUT_OF_HEAP.test(said)) return new AppLoadError('OutOfMemory', 'its heap was full while it was loaded')
  const reason =
    /Uncaught (.*)/.exec(said)?.[1] ??
    /^service \S+: (.*)/m.exec(said)?.[1] ??
    /(?:error: |\*\*\* |kj\/[^:\s]{1,200}:\d+: )(.*)/.exec(said)?.[1] ??
    (said.trim() || 'workerd ended without a word')
  if (/within global scope/i.test(reason)) {
    return new AppLoadError('ExecutionFailed', GLOBAL_SCOPE, positionIn(said, bundle))
  }
  const name = /SyntaxError|No such module|does not provide an export/.test(reason)
    ? 'CompilationFailed'
    : 'ExecutionFailed'
  return new AppLoadError(name, reason.slice(0, MAX_REASON), positionIn(said, bundle))
}

function positionIn(text: string, bundle: Bundle): Pick<LoadError, 'location' | 'frame'> {
  const origin = originIn(text, bundle)
  if (!origin) return {}
  const { file, line, column, text: source } = origin
  const location = `${file}:${line}:${column}`
  return source === undefined ? { location } : { location, frame: codeFrame(line, source, column) }
}
