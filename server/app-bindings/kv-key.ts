/**
 * A KV key as a key of the cache service, whose alphabet is smaller: what is in it stays readable, every other byte becomes `$` and
 * two hexadecimal digits. What begins a key begins its encoding.
 */

/** Keeps the values of bindings apart from what else is in the store. */
const PREFIX = 'kv/'

const LITERAL = /[a-z0-9\-~_/]/

export function encodeKey(key: string): string {
  let encoded = PREFIX
  for (const byte of Buffer.from(key)) {
    const character = String.fromCharCode(byte)
    encoded += LITERAL.test(character) ? character : `$${byte.toString(16).padStart(2, '0')}`
  }
  return encoded
}

/** @param encoded begins with `PREFIX` */
export function decodeKey(encoded: string): string {
  const bytes = encoded
    .slice(PREFIX.length)
    .replace(/\$(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}
