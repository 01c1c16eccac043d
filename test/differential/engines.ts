/** What is compared with what: the embedded engine's adapter of a service with the one on a server, both behind their guard. */
import { randomUUID } from 'node:crypto'
import { type Ports, type RemoteOptions, registry } from '../../adapters/registry.ts'
import { type Guarded, guard } from '../../server/port.ts'
import { cachePort } from '../../server/ports/cache.ts'
import type { PortLifecycle, PortSchemas } from '../../server/ports/common.ts'
import { dataPort } from '../../server/ports/data.ts'
import { queuePort } from '../../server/ports/queue.ts'
import { searchPort } from '../../server/ports/search.ts'
import { storagePort } from '../../server/ports/storage.ts'
import type { ServerKind } from '../parts/server-kinds.ts'
import type { RealServer } from '../parts/servers.ts'
import { cacheDifferential } from './cache.ts'
import {
  dataDifferential,
  expressionDifferential,
  geoDifferential,
  pagingDifferential,
  queryDifferential,
} from './data.ts'
import type { Differential } from './harness.ts'
import { deliveryDifferential, queueDifferential, silenceDifferential } from './queue.ts'
import { searchDifferential } from './search.ts'
import { storageDifferential } from './storage.ts'

/** A differential and how an engine for it is made. */
export interface Comparison<S = unknown, P = unknown> {
  differential: Differential<S>
  server: ServerKind
  embedded(directory: string): Promise<P>
  remote: ((server: RealServer) => Promise<P>) | undefined
  /** Opens what was made, or a wrong version of it. */
  side(port: P): Promise<{ side: S; close(): Promise<void> }>
}

function comparison<S, P extends PortLifecycle>(
  given: Omit<Comparison<S, P>, 'side'> & { schemas: PortSchemas<P>; side(port: Guarded<P>): S | Promise<S> },
): Comparison {
  const { schemas, side, ...rest } = given
  const made: Comparison<S, P> = {
    ...rest,
    async side(port) {
      const guarded = guard(schemas, port)
      await guarded.open()
      return { side: await side(guarded), close: () => guarded.close() }
    },
  }
  return made as Comparison
}

const { embedded } = registry
const remote: Partial<Record<keyof Ports, (options: RemoteOptions) => Promise<PortLifecycle>>> = registry.remote
const ATTEMPTS = { attempts: 2 }
const IMPATIENCE = { ...ATTEMPTS, timeoutMs: 2_000 }

/** Under a namespace of its own: others may use the server too. */
function onServer<N extends keyof Ports>(service: N, settings: object = {}) {
  const create = remote[service]
  return (
    create &&
    (async ({ url, key }: RealServer) => {
      const namespace = `diff-${randomUUID().slice(0, 8)}`
      return (await create({ url, key, namespace, ...settings })) as Ports[N]
    })
  )
}

const data = [dataDifferential, queryDifferential, pagingDifferential, geoDifferential, expressionDifferential]

export const COMPARISONS: Comparison[] = [
  ...data.map((differential) =>
    comparison({
      differential,
      server: 'mongo',
      schemas: dataPort,
      embedded: (directory) => embedded.data({ directory }),
      remote: onServer('data'),
      side: (guarded) => guarded,
    }),
  ),
  comparison({
    differential: cacheDifferential,
    server: 'redis',
    schemas: cachePort,
    embedded: (directory) => embedded.cache({ directory }),
    remote: onServer('cache'),
    side: (guarded) => guarded,
  }),
  comparison({
    differential: storageDifferential,
    server: 'minio',
    schemas: storagePort,
    embedded: (directory) => embedded.storage({ directory }),
    remote: onServer('storage'),
    side: (storage) => ({ storage, put: new Map() }),
  }),
  comparison({
    differential: searchDifferential,
    server: 'meilisearch',
    schemas: searchPort,
    embedded: (directory) => embedded.search({ directory }),
    remote: onServer('search'),
    side: (guarded) => guarded,
  }),
  comparison({
    differential: queueDifferential,
    server: 'redis',
    schemas: queuePort,
    embedded: (directory) => embedded.queue({ directory }),
    remote: onServer('queue'),
    side: (queue) => ({ queue, ids: [] }),
  }),
  ...(
    [
      [deliveryDifferential, ATTEMPTS],
      [silenceDifferential, IMPATIENCE],
    ] as const
  ).map(([differential, settings]) =>
    comparison({
      differential,
      server: 'redis',
      schemas: queuePort,
      embedded: (directory) => embedded.queue({ directory, ...settings }),
      remote: onServer('queue', settings),
      async side(queue) {
        await queue.start({})
        return { queue, ids: [] }
      },
    }),
  ),
]
