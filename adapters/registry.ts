/** Which adapter serves which service: from files of its own, or on a server. Adapters are loaded when a sandbox that runs them starts. */
import type { CachePort } from '../server/ports/cache.ts'
import type { DataPort } from '../server/ports/data.ts'
import type { QueuePort } from '../server/ports/queue.ts'
import type { SearchPort } from '../server/ports/search.ts'
import type { StoragePort } from '../server/ports/storage.ts'
import type { WorkerHostOptions } from './apps/remote/host.ts'
import type { RemoteAppsOptions } from './apps/remote.ts'
import type { ScriptOptions } from './apps/workerd/script.ts'
import type { WorkerdAppsOptions } from './apps/workerd.ts'
import type { SqliteQueueOptions } from './queue/sqlite.ts'

export interface AdapterOptions {
  /** Where the adapter may keep its files. */
  directory: string
}

/** Where an adapter finds the server it works on, and what that server asks for. */
export interface RemoteOptions {
  /** Such as `mongodb://user:password@mongo:27017`; user and password may be part of it everywhere. */
  url: string
  /** What the server knows us by, where that is not part of `url`. */
  key?: string | undefined
  secretKey?: string | undefined
  /** What everything of ours on that server begins with, so that it can be shared. @default 'hyper' */
  namespace?: string | undefined
}

/** What else an adapter may be told; each has its defaults. */
export interface Settings {
  queue: Pick<SqliteQueueOptions, 'concurrency' | 'attempts' | 'timeoutMs' | 'locate'>
}

export interface Ports {
  data: DataPort
  cache: CachePort
  storage: StoragePort
  search: SearchPort
  queue: QueuePort
}

type Factories<O> = {
  [S in keyof Ports]: (options: O & (S extends keyof Settings ? Settings[S] : unknown)) => Promise<Ports[S]>
}

export const registry = {
  embedded: {
    data: async (options) => (await import('./data/sqlite.ts')).createSqliteData(options),
    cache: async (options) => (await import('./cache/sqlite.ts')).createSqliteCache(options),
    storage: async (options) => (await import('./storage/sqlite.ts')).createSqliteStorage(options),
    search: async (options) => (await import('./search/sqlite.ts')).createSqliteSearch(options),
    queue: async (options) => (await import('./queue/sqlite.ts')).createSqliteQueue(options),
  },
  remote: {
    data: async (options) => (await import('./data/mongodb.ts')).createMongodbData(options),
    cache: async (options) => (await import('./cache/redis.ts')).createRedisCache(options),
    storage: async (options) => (await import('./storage/s3.ts')).createS3Storage(options),
    search: async (options) => (await import('./search/meilisearch.ts')).createMeilisearchSearch(options),
    queue: async (options) => (await import('./queue/bullmq.ts')).createBullmqQueue(options),
  },
} satisfies { embedded: Factories<AdapterOptions>; remote: Factories<RemoteOptions> }

/** What runs code that is no app. */
export const scripts = {
  run: async (path: string, options: ScriptOptions) =>
    (await import('./apps/workerd/script.ts')).runScript(path, options),
  evaluator: async (options: ScriptOptions) => (await import('./apps/workerd/script.ts')).startEvaluator(options),
}

/** What hosts apps: here, or in another container, where `openWorkerHost` is. */
export const appHosts = {
  workerd: async (options: WorkerdAppsOptions) => (await import('./apps/workerd.ts')).createWorkerdApps(options),
  remote: async (options: RemoteAppsOptions) => (await import('./apps/remote.ts')).createRemoteApps(options),
}

export async function openWorkerHost(options: WorkerHostOptions) {
  return (await import('./apps/remote/host.ts')).openWorkerHost(options)
}
