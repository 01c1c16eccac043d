import { HyperError } from '../server/error.ts'
import { SERVICE_NAMES, type ServiceName, type Services } from '../server/services.ts'
import { creationOf, type ServiceConfigs } from './service-config.ts'

/**
 * Creates the running services of these kinds in the domain, as far as `configs` says what that takes; one that exists is
 * fine.
 */
export async function createServices(
  services: Services,
  domain: string,
  configs: ServiceConfigs,
  kinds: readonly ServiceName[] = SERVICE_NAMES,
): Promise<void> {
  const { data, cache, storage, search, queue } = services
  const creations: Record<ServiceName, ((settings: object) => Promise<void> | undefined) | undefined> = {
    cache: () => cache?.createStore({ store: domain }),
    data: () => data?.createDatabase({ db: domain }),
    storage: () => storage?.makeBucket({ bucket: domain }),
    search: (mappings) => search?.createIndex({ index: domain, mappings }),
    queue: (settings) => queue?.create({ name: domain, target: undefined, secret: undefined, ...settings }),
  }
  for (const kind of kinds) {
    const settings = creationOf(kind, configs)
    if (settings) await creations[kind]?.(settings)?.catch(ignoreExisting)
  }
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof HyperError && error.status === 409)) throw error
}
