/**
 * A suite is worth what it catches: given adapters broken in one way each, it must turn red for every one of them, and stay
 * green for those that only one rule catches when that rule's cases are left out, so that the rule is held by them alone.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HyperError } from '../../server/error.ts'

export interface Mutant {
  /** What it does wrong. */
  name: string
  /** What the names begin with of the cases that catch it; '' where no rule is named. */
  rule: string | readonly string[]
  /** Cases of other rules catch it too. */
  others?: true
}

export interface Case {
  name: string
  run: () => Promise<void>
}

/** Running a whole suite for each mutant takes minutes; every day a few do. */
const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)
const DAILY_SURVIVORS = 4

/**
 * @param casesOn the suite's cases on an adapter broken as the mutant says, or on the unbroken one
 * @param parallel how many cases run at a time
 */
export function proveSuite<M extends Mutant>(
  mutants: readonly M[],
  casesOn: (mutant: M | undefined, expected: 'green' | 'red') => Case[],
  parallel = 8,
): void {
  const startsWith = ({ name }: Case, rule: Mutant['rule']) => [rule].flat().some((start) => name.startsWith(start))

  /** The names of the cases that fail; none after the first that do. */
  async function failures(cases: Case[]): Promise<string[]> {
    const failed: string[] = []
    for (let next = 0; next < cases.length && failed.length === 0; next += parallel) {
      const some = cases.slice(next, next + parallel)
      await Promise.all(some.map(({ name, run }) => run().catch(() => failed.push(name))))
    }
    return failed
  }

  describe('the suite', { concurrency: 2 }, () => {
    test('the unbroken adapter passes', async () => {
      assert.deepEqual(await failures(casesOn(undefined, 'green')), [])
    })

    for (const mutant of mutants) {
      test(`caught: ${mutant.name}`, async () => {
        const cases = casesOn(mutant, 'red').filter((one) => startsWith(one, mutant.rule))
        assert.notDeepEqual(await failures(cases), [], 'the mutant survived')
      })
    }

    const held = mutants.filter(({ rule, others }) => rule !== '' && !others)
    const step = SCALE >= 10 ? 1 : Math.ceil(held.length / DAILY_SURVIVORS)
    for (const mutant of held.filter((_, index) => index % step === 0)) {
      test(`survives without the cases of its rule: ${mutant.name}`, async () => {
        const cases = casesOn(mutant, 'green').filter((one) => !startsWith(one, mutant.rule))
        assert.deepEqual(await failures(cases), [])
      })
    }
  })
}

/** For a catch: goes on as if an error of this code had not been. */
export function ignore(code: string): (error: unknown) => undefined {
  return (error) => {
    if (!(error instanceof HyperError) || error.code !== code) throw error
  }
}

/** Loses a member named `__proto__`, as a careless copy does. */
export function assigned(value: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = {}
  for (const [key, member] of Object.entries(value)) copy[key] = member
  return copy
}
