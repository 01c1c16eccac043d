import { HyperError } from '../server/error.ts'
import type { ServiceName, Services } from '../server/services.ts'
import { AVAILABLE } from './wire.ts'

/** Creates every running service in the domain; one that exists is fine. */
export async function createServices(
  services: Services,
  domain: string,
  kinds: readonly ServiceName[] = AVAILABLE,
): Promise<void> {
  const ignoreExisting = (error: unknown) => {
    if (!(error instanceof HyperError && error.status === 409)) throw error
  }
  if (services.data && kinds.includes('data')) await services.data.createDatabase({ db: domain }).catch(ignoreExisting)
  if (services.cache && kinds.includes('cache'))
    await services.cache.createStore({ store: domain }).catch(ignoreExisting)
  if (services.storage && kinds.includes('storage'))
    await services.storage.makeBucket({ bucket: domain }).catch(ignoreExisting)
}
