/** Failures in R2's own numbers, by which workerd knows what to make of them: nothing found is no error, for example. */
import { type ErrorCode, HyperError } from '../error.ts'

const INTERNAL = 10001
const NUMBERS: Partial<Record<ErrorCode, number>> = {
  OBJECT_NOT_FOUND: 10007,
  PATH_INVALID: 10020,
  BAD_REQUEST: 10029,
  PRECONDITION_FAILED: 10031,
}

export const INVALID_NAME = 10020
export const INVALID_ARGUMENT = 10029
export const BAD_DIGEST = 10037
export const INVALID_RANGE = 10039

/** @param number of R2's */
export function r2Error(number: number, message: string): HyperError {
  return new HyperError('BAD_REQUEST', message, { meta: { number } })
}

export function preconditionFailed(): HyperError {
  return new HyperError('PRECONDITION_FAILED', 'At least one of the pre-conditions you specified did not hold.')
}

/** One line of ASCII, as headers are. */
export function r2ErrorHeader({ code, message, meta }: HyperError): string {
  const v4code = meta?.number ?? NUMBERS[code] ?? INTERNAL
  return JSON.stringify({ version: 1, v4code, message: message.replaceAll(/[^\x20-\x7e]/g, '?') })
}
