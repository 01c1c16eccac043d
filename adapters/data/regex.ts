/** MongoDB's `$regex` (PCRE with the options i, m, s, x) as a JavaScript pattern. */
import { HyperError } from '../../server/error.ts'
import type { Test } from './condition.ts'

/** What PCRE knows and JavaScript would silently read as a plain letter. */
const FOREIGN = /(?:^|[^\\])(?:\\\\)*\\([AZzGKQERhHX])/

/** PCRE's own limit. */
const MAX_LENGTH = 32_764

/** @throws QUERY_INVALID */
export function parseRegex(pattern: unknown, options: unknown = ''): Test {
  if (typeof pattern !== 'string') throw invalid('takes a string')
  if (pattern.length > MAX_LENGTH) throw invalid(`takes at most ${MAX_LENGTH} characters`)
  if (typeof options !== 'string') throw invalid('takes its $options as a string')
  const unknown = /[^imsxu]/.exec(options)
  if (unknown) throw invalid(`does not know the option '${unknown[0]}'`)
  // Options may also lead the pattern itself: `(?i)abc`.
  const [, inline = '', body = ''] = /^(?:\(\?([imsx]+)\))?(.*)$/s.exec(pattern) ?? []
  const flags = new Set([...options, ...inline])
  const source = flags.has('x') ? withoutSpace(body) : body
  const kept = ['i', 'm', 's'].filter((flag) => flags.has(flag)).join('')
  const foreign = FOREIGN.exec(source)
  if (foreign) throw invalid(`cannot use \\${foreign[1]}`)
  // With `u` characters are whole; without it JavaScript forgives needless backslashes, as PCRE does.
  for (const strict of [`${kept}u`, kept]) {
    try {
      new RegExp(source, strict)
      return { op: 'regex', source, flags: strict }
    } catch {}
  }
  throw invalid('cannot read its pattern')
}

/** The option `x`: white space and comments outside of character classes do not count. */
function withoutSpace(pattern: string): string {
  return pattern.replace(/\\.|\[(?:\\.|[^\]\\])*(?:\]|$)|\s+|#[^\n]*/gs, (token) => (/^[\s#]/.test(token) ? '' : token))
}

function invalid(rule: string): HyperError {
  return new HyperError('QUERY_INVALID', `$regex ${rule}`)
}
