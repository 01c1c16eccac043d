/** What can be said of a service beforehand, in the project file or in code. */
import type { ServiceName } from '../server/services.ts'

export interface ServiceConfig {
  /** A third-party adapter: a path, or a package's name, whose default export makes one. */
  adapter?: string | undefined
  /** A server that exists already, such as `redis://cache.internal:6379`. @default the sandbox keeps the data itself */
  url?: string | undefined
}

export interface StorageConfig extends ServiceConfig {
  /** Access key of the server at `url`, where it is no part of that. */
  key?: string | undefined
  secretKey?: string | undefined
}

/** What addresses of a service's servers begin with. */
export const SCHEMES = {
  data: ['mongodb:', 'mongodb+srv:'],
  cache: ['redis:', 'rediss:'],
  storage: ['http:', 'https:'],
  search: ['http:', 'https:'],
  queue: ['redis:', 'rediss:'],
} as const satisfies Record<ServiceName, readonly string[]>

export interface SearchConfig extends ServiceConfig {
  /** Key of the server at `url`. */
  key?: string | undefined
  /** Members that are searched. With them the domain's index is created, without them it is not. */
  fields?: string[] | undefined
  /** Members that come back with a match. @default none */
  storeFields?: string[] | undefined
}

export interface QueueConfig extends ServiceConfig {
  /** Where jobs are sent. With it the domain's queue is created, without it it is not. */
  target?: string | undefined
  /** What jobs are signed with. @default they are not */
  secret?: string | undefined
  /** How many jobs of one queue are sent at the same time. */
  concurrency?: number | undefined
  /** How often a job is sent before it counts as failed. */
  attempts?: number | undefined
  /** How long the target may take to answer. */
  timeoutMs?: number | undefined
}

/** The services that run, each with what is said of it. */
export type ServiceConfigs = Partial<Record<'data' | 'cache', ServiceConfig>> & {
  storage?: StorageConfig
  search?: SearchConfig
  queue?: QueueConfig
}

/** What creating a service takes besides its name; nothing when the configuration does not say it. */
export function creationOf(kind: ServiceName, { search, queue }: ServiceConfigs): object | undefined {
  if (kind === 'search') return search?.fields && { fields: search.fields, storeFields: search.storeFields }
  if (kind === 'queue') return queue?.target === undefined ? undefined : { target: queue.target, secret: queue.secret }
  return {}
}
