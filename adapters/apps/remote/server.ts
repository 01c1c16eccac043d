/** A host of apps for a gateway in another container: requests to its apps, and what the gateway asks of the host itself. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { HyperError } from '../../../server/error.ts'
import type { AppConfig, AppHost, ApplyOptions, AppStatus, Reloaded } from '../../../server/ports/apps.ts'
import { APP_HEADER, dropHeaders, KEY_HEADER, keyCheck } from '../own-headers.ts'
import { type EventStream, jsonOf } from './event-stream.ts'

/** What the gateway lets through, with what it adds. */
const MAX_HEADER_BYTES = 128 * 1024
const KEEP_ALIVE_MS = 75_000

export interface ApplyRequest {
  apps: readonly AppConfig[]
  options: ApplyOptions
}

/** The first line of the answer; the second is what became of the removed ones. */
export type Applied = Omit<Reloaded, 'drained'> & { status: AppStatus[] }

export interface ScheduleRequest {
  app: string
  cron: string
  scheduledTime: number
}

export function createWorkerServer(host: AppHost, stream: EventStream, key: string): Server {
  const hasKey = keyCheck(key)
  const server = createServer(
    // The gateway keeps the time, and has looked at the rest.
    { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0, requireHostHeader: false },
    (request, response) => {
      if (request.url === '/readyz' && request.headers[APP_HEADER] === undefined)
        return void response.writeHead(200).end()
      if (!hasKey(request)) return void response.writeHead(403).end()
      const app = request.headers[APP_HEADER]
      if (typeof app !== 'string') return void control(request, response)
      dropHeaders(request, [KEY_HEADER, APP_HEADER])
      host.handle(app, request, response)
    },
  )
  server.on('upgrade', (request, socket, head) => {
    const app = request.headers[APP_HEADER]
    if (!hasKey(request) || typeof app !== 'string') return void socket.destroy()
    dropHeaders(request, [KEY_HEADER, APP_HEADER])
    host.upgrade(app, request, socket, head)
  })

  /** @returns lines of JSON */
  async function* answerTo(request: IncomingMessage): AsyncGenerator<unknown> {
    if (request.url === '/apply') {
      const { apps, options } = (await json(request)) as ApplyRequest
      const { drained, ...reloaded } = await host.apply(apps, options)
      yield { ...reloaded, status: host.status() } satisfies Applied
      yield await drained
    } else if (request.url === '/schedule') {
      const { app, cron, scheduledTime } = (await json(request)) as ScheduleRequest
      yield await host.schedule(app, cron, scheduledTime)
    } else {
      throw new HyperError('ROUTE_NOT_FOUND', `there is no ${request.url}`)
    }
  }

  async function control(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/events') return stream.send(response, () => host.status())
    try {
      for await (const value of answerTo(request)) response.write(`${jsonOf(value)}\n`)
      response.end()
    } catch (error) {
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end((error as Error).message)
    }
  }
  return server
}
