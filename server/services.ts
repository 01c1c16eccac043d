/** The five hyper services and what the gateway is handed of them. */
import type { Guarded } from './port.ts'
import type { CachePort } from './ports/cache.ts'
import type { DataPort } from './ports/data.ts'
import type { QueuePort } from './ports/queue.ts'
import type { SearchPort } from './ports/search.ts'
import type { StoragePort } from './ports/storage.ts'

/** In the order `GET /` lists them (hyper-api §1.8). */
export const SERVICE_NAMES = ['cache', 'data', 'storage', 'search', 'queue'] as const

export type ServiceName = (typeof SERVICE_NAMES)[number]

/** The services that run, each behind its guard. */
export interface Services {
  data?: Guarded<DataPort>
  cache?: Guarded<CachePort>
  storage?: Guarded<StoragePort>
  search?: Guarded<SearchPort>
  queue?: Guarded<QueuePort>
}

export function isServiceName(name: string): name is ServiceName {
  return (SERVICE_NAMES as readonly string[]).includes(name)
}
