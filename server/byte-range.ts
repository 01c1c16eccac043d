/** `Range: bytes=…` (RFC 9110 §14.2). One range is served; several, and what is no range of bytes, are ignored. */
import type { ByteRange } from './ports/storage.ts'

// The libraries for this read numbers as parseInt does: `bytes=1x-0y` would be a range.
const SINGLE_RANGE = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i

/** @param size of the object, in bytes */
export function parseRange(header: string, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = SINGLE_RANGE.exec(header) ?? []
  if (first === '') {
    if (last === '') return undefined
    const length = Number(last)
    if (length === 0) return 'unsatisfiable'
    return size === 0 ? undefined : { start: Math.max(0, size - length), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last)
  if (end < start) return undefined
  return start < size ? { start, end: Math.min(end, size - 1) } : 'unsatisfiable'
}
