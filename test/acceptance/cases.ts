/** All acceptance cases, and how a runner takes them in. */
import { bodyCases } from './body.ts'
import { bulkCases } from './bulk.ts'
import { cacheCases } from './cache.ts'
import type { AcceptanceCase } from './case.ts'
import { dataCases } from './data.ts'
import { gatewayCases } from './gateway.ts'
import { listCases } from './list.ts'
import { queryCases } from './query.ts'
import { queueCases } from './queue.ts'
import { queueDeliveryCases } from './queue-delivery.ts'
import { sandboxCases } from './sandbox.ts'
import { searchCases } from './search.ts'
import { searchQueryCases } from './search-query.ts'
import { storageCases } from './storage.ts'
import { storageDownloadCases } from './storage-download.ts'
import { storageSignedCases } from './storage-signed.ts'
import { storageUploadCases } from './storage-upload.ts'

export const cases: readonly AcceptanceCase[] = [
  ...dataCases,
  ...listCases,
  ...bulkCases,
  ...queryCases,
  ...cacheCases,
  ...storageCases,
  ...storageUploadCases,
  ...storageDownloadCases,
  ...storageSignedCases,
  ...searchCases,
  ...searchQueryCases,
  ...queueCases,
  ...queueDeliveryCases,
  ...bodyCases,
  ...gatewayCases,
  ...sandboxCases,
]

export interface RegisterOptions {
  test: (name: string, options: { skip?: string }, run: () => Promise<void>) => unknown
  origin: () => string
  /** Only cases whose name contains this. */
  grep?: string
  /** Cases, by name, of what the servers behind the address cannot do, and why. */
  lacks?: Readonly<Record<string, string>>
}

export function registerCases({ test, origin, grep = '', lacks = {} }: RegisterOptions): void {
  for (const name of Object.keys(lacks)) {
    if (!cases.some((known) => known.name === name)) throw new Error(`there is no case '${name}'`)
  }
  for (const { name, structure, run } of cases) {
    const title = structure ? `${name} [${structure}]` : name
    const skip = lacks[name]
    if (title.includes(grep)) test(title, skip === undefined ? {} : { skip }, () => run(origin()))
  }
}
