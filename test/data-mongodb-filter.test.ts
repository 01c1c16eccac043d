/** What MongoDB is asked, read by MongoDB's rules as the embedded engine has them, finds what the query finds: exactly, or at least that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { matcher } from '../adapters/data/match.ts'
import { isFaithful } from '../adapters/data/mongodb/documents.ts'
import { compileFilter } from '../adapters/data/mongodb/filter.ts'
import { parseSelector } from '../adapters/data/selector.ts'
import { paths } from './differential/data.ts'
import { conditions, operandsOf } from './differential/data-operators.ts'
import { json, objectsOf } from './differential/values.ts'

const SCALE = Number(process.env.HYPER_TEST_SCALE ?? 1)

const few = fc.constantFrom<unknown>(0, 1, 2, -1, 1.5, 'a', 'b', 'A', '', null, true, false)
const values = fc.oneof(
  { weight: 3, arbitrary: few },
  { weight: 1, arbitrary: fc.array(fc.oneof(few, fc.array(few, { maxLength: 2 })), { maxLength: 3 }) },
  { weight: 1, arbitrary: objectsOf(fc.constantFrom('a', 'b', '0'), few, 2) },
  { weight: 1, arbitrary: fc.array(objectsOf(fc.constantFrom('a', 'b'), few, 2), { maxLength: 2 }) },
  { weight: 1, arbitrary: json },
)
const documents = fc.array(objectsOf(fc.constantFrom('a', 'b', 'c', '0'), values), { minLength: 5, maxLength: 5 })
const { byOperator, any } = conditions(paths, operandsOf(few))

for (const [operator, selectors] of Object.entries({ ...byOperator, 'operators combined': any })) {
  test(`what the server is asked: ${operator}`, async () => {
    let exactOnes = 0
    await fc.assert(
      fc.asyncProperty(selectors, documents, async (selector, docs) => {
        const condition = (() => {
          try {
            return parseSelector(selector as Record<string, unknown>)
          } catch {
            return undefined // refused before the server hears of it
          }
        })()
        if (condition === undefined) return
        const wanted = await matcher(condition).catch(() => undefined)
        if (wanted === undefined) return
        const { filter, exact } = compileFilter(condition)
        if (exact) exactOnes += 1
        const asked = await matcher(parseSelector(inJavaScript(filter)))
        for (const [n, doc] of docs.filter(isFaithful).entries()) {
          const kept = { _id: `k${n}`, ...doc }
          const decision = decide(wanted, kept)
          if (decision === undefined) continue
          if (exact) assert.equal(asked(kept), decision, JSON.stringify({ selector, filter, kept }))
          else if (decision) assert.ok(asked(kept), JSON.stringify({ selector, filter, kept }))
        }
      }),
      { numRuns: Math.ceil(100 * SCALE) },
    )
    const isForGateway = /^\$(expr|jsonSchema|geo)/.test(operator)
    if (!isForGateway) assert.ok(exactOnes > 0, 'nothing was left to the server')
  })
}

/** Undefined where the condition cannot digest the document. */
function decide(accepts: (doc: unknown) => boolean, doc: unknown): boolean | undefined {
  try {
    return accepts(doc)
  } catch {
    return undefined
  }
}

/** A filter with patterns that are PCRE's, as JavaScript would have them written. */
function inJavaScript(filter: unknown): Record<string, unknown> {
  const text = JSON.stringify(filter, (key, value: unknown) =>
    key === '$regex' && typeof value === 'string'
      ? value.replaceAll('\\z', '(?![^])').replace(/\\x\{([\da-f]+)\}/g, '\\u{$1}')
      : value,
  )
  return JSON.parse(text) as Record<string, unknown>
}
