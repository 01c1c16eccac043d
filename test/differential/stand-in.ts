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

const LACKS: Lack[] = []

/** The name of the lack that explains a difference. */
export function judgeStandIn(difference: Difference): string | undefined {
  return LACKS.find(({ recognise }) => recognise(difference))?.name
}
