import type { RestartReason } from '../../server/ports/apps.ts'

/** A request that a process of an app works on. */
export interface Exchange {
  startedAt: number
  /** Its response has begun. */
  isAnswered: boolean
  /** It was over its time when its process was found busy. */
  isLate?: boolean
  /** The process it was sent to was ended. */
  onKilled(reason: RestartReason): void
}
