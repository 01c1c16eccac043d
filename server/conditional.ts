/** Conditional requests (RFC 9110 §13) on things with a strong entity tag and a date. */
import type { IncomingHttpHeaders } from 'node:http'
import { HyperError } from './error.ts'

export interface Version {
  /** Strong and quoted. */
  etag: string
  /** Unix time in milliseconds. */
  modified: number
}

const ENTITY_TAG = /(W\/)?("[^"]*")/g

/**
 * Whether a request on `current` (absent: there is nothing) should be carried out.
 * @returns false when a reader has this version already: 304
 * @throws PRECONDITION_FAILED
 */
export function meetsConditions(headers: IncomingHttpHeaders, current: Version | undefined, isRead: boolean): boolean {
  const { 'if-match': ifMatch, 'if-unmodified-since': unmodifiedSince } = headers
  const { 'if-none-match': ifNoneMatch, 'if-modified-since': modifiedSince } = headers
  if (ifMatch !== undefined) {
    if (!names(ifMatch, current, { strongly: true })) throw failed('If-Match')
  } else if (unmodifiedSince !== undefined && current && seconds(current.modified) > httpDate(unmodifiedSince)) {
    throw failed('If-Unmodified-Since')
  }
  if (ifNoneMatch !== undefined) {
    if (!names(ifNoneMatch, current, { strongly: false })) return true
    if (isRead) return false
    throw failed('If-None-Match')
  }
  return !(isRead && modifiedSince !== undefined && current && seconds(current.modified) <= httpDate(modifiedSince))
}

/** Whether a `Range` counts, given `If-Range` (RFC 9110 §13.1.5): only a strong tag or the very date will do. */
export function meetsIfRange(headers: IncomingHttpHeaders, { etag, modified }: Version): boolean {
  const condition = headers['if-range']
  if (condition === undefined) return true
  return String(condition) === etag || seconds(modified) === httpDate(String(condition))
}

function names(list: string, current: Version | undefined, { strongly }: { strongly: boolean }): boolean {
  if (!current) return false
  if (list.trim() === '*') return true
  for (const [, weak, tag] of list.matchAll(ENTITY_TAG)) {
    if (tag === current.etag && !(strongly && weak)) return true
  }
  return false
}

function seconds(unixMs: number): number {
  return Math.floor(unixMs / 1000)
}

/** In seconds; NaN, which compares as false, for what is no date: such a condition is ignored. */
function httpDate(text: string): number {
  return seconds(Date.parse(text))
}

function failed(header: string): HyperError {
  return new HyperError('PRECONDITION_FAILED', `the condition of ${header} does not hold`)
}
