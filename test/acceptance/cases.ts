/** All acceptance cases, and how a runner takes them in. */
import { bodyCases } from './body.ts'
import { bulkCases } from './bulk.ts'
import { cacheCases } from './cache.ts'
import type { AcceptanceCase } from './case.ts'
import { dataCases } from './data.ts'
import { gatewayCases } from './gateway.ts'
import { listCases } from './list.ts'
import { queryCases } from './query.ts'
import { sandboxCases } from './sandbox.ts'

export const cases: readonly AcceptanceCase[] = [
  ...dataCases,
  ...listCases,
  ...bulkCases,
  ...queryCases,
  ...cacheCases,
  ...bodyCases,
  ...gatewayCases,
  ...sandboxCases,
]

export interface RegisterOptions {
  test: (name: string, run: () => Promise<void>) => unknown
  origin: () => string
  /** Only cases whose name contains this. */
  grep?: string
}

export function registerCases({ test, origin, grep = '' }: RegisterOptions): void {
  for (const { name, structure, run } of cases) {
    const title = structure ? `${name} [${structure}]` : name
    if (title.includes(grep)) test(title, () => run(origin()))
  }
}
