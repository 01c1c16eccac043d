/** The other end of `remote.ts`: a host of apps that a gateway in another container tells what to run. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { AppHost } from '../../../server/ports/apps.ts'
import { forward } from '../forward.ts'
import { createWorkerdApps, type WorkerdAppsOptions } from '../workerd.ts'
import { createEventStream } from './event-stream.ts'
import { createPassage } from './passage.ts'
import { createWorkerServer } from './server.ts'

export interface WorkerHostOptions extends Omit<WorkerdAppsOptions, 'events' | 'serve' | 'isBehindGateway'> {
  /** On all addresses; 0 takes a free one. */
  tcpPort: number
  /** Known to the gateway and us alone. */
  key: string
  /** Where the gateway answers what apps ask of the services, such as `http://gateway:6365`. */
  gatewayUrl: string
  /** What else is done with the host, such as watching files. */
  extend(host: AppHost): void
}

export interface WorkerHost {
  tcpPort: number
  /** Safe to repeat. */
  close(): Promise<void>
}

export async function openWorkerHost(options: WorkerHostOptions): Promise<WorkerHost> {
  const { tcpPort, key, gatewayUrl, extend, ...rest } = options
  const stream = createEventStream()
  const gateway = createPassage(gatewayUrl, key)
  const upstream = gateway.upstream()
  const services = {
    pick: () => upstream,
    config: { maxBodyMb: Number.POSITIVE_INFINITY, maxConcurrent: Number.POSITIVE_INFINITY },
    isDraining: false,
    isPassedOn: true,
  }
  const host = await createWorkerdApps({
    ...rest,
    isBehindGateway: true,
    events: stream.events,
    serve: (request, response) => forward(services, request, response, () => {}),
  })
  extend(host)
  const server = createWorkerServer(host, stream, key)
  server.listen(tcpPort)
  await once(server, 'listening')
  return {
    tcpPort: (server.address() as AddressInfo).port,
    async close() {
      server.close()
      await host.close()
      server.closeAllConnections()
      await gateway.close()
    },
  }
}
