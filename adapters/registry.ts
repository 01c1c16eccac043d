/** Which adapter serves which service on which engine. Adapters are loaded when a sandbox that runs them starts. */
import type { CachePort } from '../server/ports/cache.ts'
import type { DataPort } from '../server/ports/data.ts'
import type { QueuePort } from '../server/ports/queue.ts'
import type { SearchPort } from '../server/ports/search.ts'
import type { StoragePort } from '../server/ports/storage.ts'
import type { SqliteQueueOptions } from './queue/sqlite.ts'

export interface AdapterOptions {
  /** Where the adapter may keep its files. */
  directory: string
}

/** What else an adapter may be told; each has its defaults. */
export interface Settings {
  queue: Pick<SqliteQueueOptions, 'concurrency' | 'attempts' | 'timeoutMs'>
}

export interface Ports {
  data: DataPort
  cache: CachePort
  storage: StoragePort
  search: SearchPort
  queue: QueuePort
}

type Engine = 'embedded'

export const registry = {
  embedded: {
    data: async (options) => (await import('./data/sqlite.ts')).createSqliteData(options),
    cache: async (options) => (await import('./cache/sqlite.ts')).createSqliteCache(options),
    storage: async (options) => (await import('./storage/sqlite.ts')).createSqliteStorage(options),
    search: async (options) => (await import('./search/sqlite.ts')).createSqliteSearch(options),
    queue: async (options) => (await import('./queue/sqlite.ts')).createSqliteQueue(options),
  },
} as const satisfies {
  [E in Engine]: {
    [S in keyof Ports]: (
      options: AdapterOptions & (S extends keyof Settings ? Settings[S] : unknown),
    ) => Promise<Ports[S]>
  }
}
