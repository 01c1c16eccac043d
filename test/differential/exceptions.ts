/**
 * Where the engines may differ: each for a reason that a user is told (docs/engines.md has a line for every name), recognised as
 * narrowly as it can be, and met by its own example.
 */
import type { Difference, Step } from './harness.ts'

export interface Exception {
  /** As in docs/engines.md. */
  name: string
  /** Of the differential whose differences it may explain. */
  service: string
  why: string
  recognise(difference: Difference): boolean
  /** Calls of which the last is answered differently, and so explained. */
  example: Step[]
}

export const EXCEPTIONS: Exception[] = []
