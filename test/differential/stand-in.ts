/**
 * What MongoDB's stand-in (mongo-java-server) lacks or gets wrong, decided by the manual of MongoDB 8.0. Such differences are
 * counted apart: they say nothing about either engine, and are no agreement.
 */
import type { Difference } from './harness.ts'

interface Lack {
  /** What the manual says, in few words. */
  name: string
  recognise(difference: Difference): boolean
}

/** What it says of an operator that it does not know; the adapter sends none that MongoDB 8.0 does not. */
const UNKNOWN = /unknown operator: (\$\w+)/

const LACKS: Lack[] = []

/** The name of the lack that explains a difference. */
export function judgeStandIn(difference: Difference): string | undefined {
  const { remote } = difference
  const [, operator] = UNKNOWN.exec(('cause' in remote && remote.cause) || '') ?? []
  if (operator) return `the stand-in has no ${operator}`
  return LACKS.find(({ recognise }) => recognise(difference))?.name
}
