/**
 * Names of buckets and objects as S3 keys. Servers differ in what they take and how they order it: MinIO refuses `a//b` and parts
 * of more than 255 bytes, and once there is an `a` it lists no `a/b` any more. So a key is spelled with letters, digits and a few
 * signs that every server takes, in which the order of keys is the order of names, and what begins with a prefix begins with the
 * spelled prefix. A name that is ordinary stays readable: `reports/may.pdf` is `reports/may.pdf!`.
 *
 * - `!` ends a name, so that none is a folder of another; it comes before all that may follow a letter.
 * - Other characters are two hexadecimal digits after a sign that stands where they stand in the order: `a b` is `a!20b!`.
 * - A part that begins with `-` or `.` has these spelled out too, and an empty one is `-`: `a//b` is `a/-/b!`.
 * - A long part is continued in another one: after 200 characters `/` means nothing.
 * - A name too long for a key keeps its beginning, and its hash instead of the rest: only its record knows all of it.
 */
import { createHash } from 'node:crypto'

/** Longer parts do not fit MinIO's files, with the hash behind them. */
const PART_LENGTH = 200

/** Of the 1024 bytes of a key, what is left beside the place before it and the hash behind it. */
const SPELLED_LENGTH = 880

const END = '!'
const EMPTY_PART = '-'

/** Which byte stands for itself inside a part, or else which sign comes before its digits; at its beginning see below. */
const SIGNS: readonly (string | undefined)[] = Array.from({ length: 256 }, (_, byte) => {
  if (/[-./0-9A-Z_a-z]/.test(String.fromCharCode(byte))) return undefined
  if (byte < 0x2d) return '!'
  if (byte < 0x41) return '@'
  if (byte < 0x5f) return '^'
  return byte === 0x60 ? '`' : '~'
})

const SLASH = 0x2f

/** The key of a name, without what comes before all keys of its kind. */
export function keyOf(name: string): string {
  const spelled = spell(name)
  if (spelled.length <= SPELLED_LENGTH) return spelled + END
  return groupOf(name) + createHash('sha256').update(name).digest('hex').slice(0, 32)
}

/** What the keys of all names begin with that begin with `prefix`; those of some others do too when it is very long. */
export function keyPrefixOf(prefix: string): string {
  return spell(prefix).slice(0, SPELLED_LENGTH)
}

/** A key that comes before those of all names after `name`, and after most others. */
export function keyBefore(name: string): string {
  return isLong(keyOf(name)) ? groupOf(name) : keyOf(name)
}

/** Whether only the record knows the name. Such keys come in groups of the same beginning, each of which has no order. */
export function isLong(key: string): boolean {
  return key.length > SPELLED_LENGTH + END.length
}

/** What the keys of a long key's group begin with. */
export function groupOfKey(key: string): string {
  return key.slice(0, SPELLED_LENGTH + END.length)
}

/** The name of a key that is not long. */
export function nameOf(key: string): string {
  const bytes: number[] = []
  let length = 0
  for (let at = 0; at < key.length - END.length; ) {
    const character = key[at] ?? ''
    if (character === '/') {
      if (length < PART_LENGTH) bytes.push(SLASH)
      length = 0
      at += 1
    } else if (character === EMPTY_PART && length === 0) {
      bytes.push(SLASH)
      at += 2
    } else {
      const isSign = /[!@^`~]/.test(character)
      const token = key.slice(at, at + (isSign ? 3 : 1))
      bytes.push(isSign ? Number.parseInt(token.slice(1), 16) : token.charCodeAt(0))
      length += token.length
      at += token.length
    }
  }
  return Buffer.from(bytes).toString()
}

function groupOf(name: string): string {
  return spell(name).slice(0, SPELLED_LENGTH) + END
}

function spell(name: string): string {
  let spelled = ''
  let length = 0
  for (const byte of Buffer.from(name)) {
    if (length >= PART_LENGTH) {
      spelled += '/'
      length = 0
    }
    if (byte === SLASH) {
      spelled += length === 0 ? `${EMPTY_PART}/` : '/'
      length = 0
      continue
    }
    const sign = length === 0 && byte < SLASH ? '!' : SIGNS[byte]
    const token = sign === undefined ? String.fromCharCode(byte) : sign + byte.toString(16).padStart(2, '0')
    spelled += token
    length += token.length
  }
  return spelled
}
