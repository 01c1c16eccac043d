/** Empties services: what existed exists again, empty, with its settings; what did not exist stays absent (design §6). */
import { HyperError } from './error.ts'
import { SERVICE_NAMES, type ServiceName, type Services } from './services.ts'

export interface PurgeRequest {
  /** Which kinds; absent: all that run. */
  kinds?: readonly ServiceName[] | undefined
  /** One domain; absent: every one. */
  domain?: string | undefined
}

export interface Emptied {
  service: ServiceName
  domain: string
  /** Documents, keys, objects or jobs removed. */
  count: number
}

/** What emptying needs of a service, the same for each kind. */
interface Emptiable {
  names(): Promise<string[]>
  empty(domain: string): Promise<{ count: number }>
}

export async function purge(services: Services, { kinds, domain }: PurgeRequest): Promise<Emptied[]> {
  const emptied: Emptied[] = []
  for (const service of SERVICE_NAMES) {
    if (kinds && !kinds.includes(service)) continue
    const target = emptiable(services, service)
    if (!target) {
      if (kinds)
        throw new HyperError('SERVICE_NOT_STARTED', `the ${service} service is not started, so it cannot be emptied`)
      continue
    }
    const existing = await target.names()
    const names = domain === undefined ? existing : existing.filter((name) => name === nameOf(service, domain))
    for (const name of names) {
      emptied.push({ service, domain: name, ...(await target.empty(name)) })
    }
  }
  return emptied
}

/** Cache and queue fold the names of what they create (hyper-api §2.4). */
function nameOf(service: ServiceName, domain: string): string {
  return service === 'cache' || service === 'queue' ? domain.toLowerCase() : domain
}

function emptiable({ data, cache, storage, search, queue }: Services, service: ServiceName): Emptiable | undefined {
  if (service === 'data' && data) {
    return {
      names: async () => (await data.listDatabases({})).names,
      empty: (db) => data.emptyDatabase({ db }),
    }
  }
  if (service === 'cache' && cache) {
    return {
      names: async () => (await cache.listStores({})).names,
      empty: (store) => cache.emptyStore({ store }),
    }
  }
  if (service === 'storage' && storage) {
    return {
      names: async () => (await storage.listBuckets({})).names,
      empty: (bucket) => storage.emptyBucket({ bucket }),
    }
  }
  if (service === 'search' && search) {
    return {
      names: async () => (await search.listIndexes({})).names,
      empty: (index) => search.emptyIndex({ index }),
    }
  }
  if (service === 'queue' && queue) {
    return {
      names: async () => (await queue.list({})).names,
      empty: (name) => queue.empty({ name }),
    }
  }
  return undefined
}
