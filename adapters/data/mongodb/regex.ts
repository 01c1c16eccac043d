/**
 * A JavaScript pattern in the words of PCRE, which MongoDB uses, where both can be made to mean the same. They differ silently: on
 * line ends (`.`, `$`), white space (`\s`), whole characters and case folding without `u`, empty classes, backreferences, properties.
 */

const SPACE = '\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}'
const LINE_END = '\\n\\r\\x{2028}\\x{2029}'

const ESCAPED: Record<string, string> = { n: '\\n', r: '\\r', t: '\\t', f: '\\f', v: '\\x{b}' }
/** PCRE counts no further. */
const MAX_COUNT = 65_535

export interface Pcre {
  $regex: string
  $options: string
}

/** Undefined where the two would differ, or may. */
export function toPcre({ source, flags }: { source: string; flags: string }): Pcre | undefined {
  const isUnicode = flags.includes('u')
  const ignoresCase = flags.includes('i')
  const isMultiline = flags.includes('m')
  const dotsAll = flags.includes('s')
  // Without `u` JavaScript sees halves of characters, and folds case by other rules.
  if (!isUnicode && (ignoresCase || /[^\0-\uffff]/u.test(source))) return undefined
  let rest = source
  let pattern = ''

  /** What `expression` finds at the start of the rest, which is then behind us. */
  function take(expression: RegExp): RegExpExecArray | null {
    const found = expression.exec(rest)
    if (found) rest = rest.slice(found[0].length)
    return found
  }

  /** One character, as a class or a pattern can name it. */
  function takeCharacter(): string | undefined {
    const control = take(/^\\([nrtfv])/)
    if (control) return ESCAPED[control[1] as string]
    const code =
      take(/^\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4}))/) ?? (isUnicode ? take(/^\\u\{([\da-fA-F]{1,6})\}/) : null)
    const character = code
      ? String.fromCodePoint(Number.parseInt((code[1] ?? code[2]) as string, 16))
      : (take(/^\\([^A-Za-z0-9])/u) ?? take(/^([^\\])/u))?.[1]
    if (character === undefined || character === '\0' || !character.isWellFormed()) return undefined
    // Whose case is whose has changed with Unicode.
    if (ignoresCase && character > '\x7f') return undefined
    return /[A-Za-z0-9]/.test(character) ? character : `\\x{${character.codePointAt(0)?.toString(16)}}`
  }

  /** A class after its bracket. */
  function takeClass(): string | undefined {
    const isNegated = take(/^\^/) !== null
    if ((isNegated && !isUnicode) || rest.startsWith(']')) return undefined
    let members = ''
    while (!take(/^\]/)) {
      if (take(/^\\d/)) members += '\\d'
      else if (take(/^\\s/)) members += SPACE
      else if (!ignoresCase && take(/^\\w/)) members += '\\w'
      else if (take(/^-(?=\])/)) members += '\\x{2d}'
      else if (take(/^\\b/)) members += '\\x{8}'
      else {
        const first = takeCharacter()
        if (first === undefined) return undefined
        members += first
        if (!take(/^-(?!\])/)) continue
        const last = takeCharacter()
        if (last === undefined) return undefined
        members += `-${last}`
      }
    }
    return `[${isNegated ? '^' : ''}${members}]`
  }

  function takePart(): string | undefined {
    if (take(/^\[/)) return takeClass()
    if (take(/^\^/)) return isMultiline ? `(?<![^${LINE_END}])` : '^'
    if (take(/^\$/)) return isMultiline ? `(?![^${LINE_END}])` : '\\z'
    const plain = take(isUnicode ? /^(?:\((?:\?[:=!])?(?!\?)|[)|]|[*+?]\??)/ : /^(?:\((?:\?:)?(?!\?)|[)|]|[*+?]\??)/)
    if (plain) return plain[0]
    const count = take(/^\{(\d+)(?:,(\d*))?\}\??/)
    if (count) return Number(count[1]) > MAX_COUNT || Number(count[2] ?? 0) > MAX_COUNT ? undefined : count[0]
    if (take(/^\\d/)) return '\\d'
    if (take(/^\\s/)) return `[${SPACE}]`
    if (!ignoresCase && take(/^\\w/)) return '\\w'
    if (!ignoresCase && rest.startsWith('\\b')) return take(/^\\b/)?.[0]
    if (isUnicode) {
      if (take(/^\./)) return dotsAll ? '.' : `[^${LINE_END}]`
      if (take(/^\\D/)) return '\\D'
      if (take(/^\\S/)) return `[^${SPACE}]`
      if (!ignoresCase && take(/^\\W/)) return '\\W'
      if (!ignoresCase && rest.startsWith('\\B')) return take(/^\\B/)?.[0]
    }
    return /^[.()]/.test(rest) ? undefined : takeCharacter()
  }

  while (rest !== '') {
    const part = takePart()
    if (part === undefined) return undefined
    pattern += part
  }
  return { $regex: pattern, $options: `${ignoresCase ? 'i' : ''}${dotsAll ? 's' : ''}` }
}
