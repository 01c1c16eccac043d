/** Work on the services of a sandbox that does not run. */
import { HyperError } from '../server/error.ts'
import type { Services } from '../server/services.ts'
import { KINDS, type Resolved } from './config.ts'
import { acquireLock } from './lock.ts'
import { stateFiles } from './state.ts'

/** Opens all services on the project's files, holding its lock for as long as `work` takes. @throws NOT_READY while another has it */
export async function withStoppedServices<T>(
  { config }: Resolved,
  work: (services: Services, dataDirectory: string) => Promise<T>,
): Promise<T> {
  const files = stateFiles(config.stateDirectory)
  using lock = acquireLock(files.lock)
  if (!lock) throw busy()
  const { closeServices, openServices } = await import('./wire.ts')
  const all = Object.fromEntries(KINDS.map((kind) => [kind, {}]))
  const services = await openServices({
    ...config,
    services: { ...all, ...config.services },
    dataDirectory: files.data,
  })
  try {
    return await work(services, files.data)
  } finally {
    await closeServices(services)
  }
}

export function busy(): HyperError {
  return new HyperError('NOT_READY', 'the sandbox is just starting or stopping', {
    hint: 'Try again in a moment, or after: hyper-sandbox wait',
  })
}
