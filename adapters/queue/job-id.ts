/** Ids of jobs, as they arrive: the text of a path segment. */
import { HyperError } from '../../server/error.ts'

/** @throws JOB_NOT_FOUND for what is no id */
export function idOf(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw noJob()
  return Number(text)
}

export function noJob(): HyperError {
  return new HyperError('JOB_NOT_FOUND', 'job not found')
}
