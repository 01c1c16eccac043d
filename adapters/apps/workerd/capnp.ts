/** Text of Cap'n Proto, workerd's configuration language, and what of it we use (worker-runtime §12.1). */

/** A struct, a list or a scalar; text of the language itself is wrapped in `raw`. */
export type Value = string | number | boolean | Raw | readonly Value[] | { readonly [name: string]: Value | undefined }

interface Raw {
  readonly raw: string
}

/** A reference such as `.app`, `void`, or `embed "file"`. */
export function raw(text: string): Raw {
  return Object.assign(Object.create(null), { raw: text })
}

/** Anything that is not printable ASCII is escaped bytewise: JSON's escapes are not all known to the language. */
export function quote(text: string): string {
  let quoted = '"'
  for (const byte of Buffer.from(text)) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c
    quoted += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return `${quoted}"`
}

export function write(value: Value): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value)) return `[${value.map(write).join(', ')}]`
  if (isRaw(value)) return value.raw
  const fields = Object.entries(value as Record<string, Value | undefined>).filter(([, field]) => field !== undefined)
  // A space after the sign: `=.` would be one operator.
  return `(${fields.map(([name, field]) => `${name} = ${write(field as Value)}`).join(', ')})`
}

function isRaw(value: Value): value is Raw {
  return Object.getPrototypeOf(value) === null
}
