/** A host of apps for a gateway in another container: requests to its apps, and what the gateway asks of the host itself. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { HyperError } from '../../../server/error.ts'
import type { AppConfig, AppHost } from '../../../server/ports/apps.ts'
import { APP_HEADER, dropHeaders, hasKey, KEY_HEADER } from '../own-headers.ts'
import { type EventStream, jsonOf } from './event-stream.ts'

/** What the gateway lets through, with what it adds. */
const MAX_HEADER_BYTES = 128 * 1024
const KEEP_ALIVE_MS = 75_000

export interface ApplyRequest {
  apps: readonly AppConfig[]
  fresh: boolean
}

export interface ScheduleRequest {
  app: string
  cron: string
  scheduledTime: number
}

export function createWorkerServer(host: AppHost, stream: EventStream, key: string): Server {
  const server = createServer(
    // The gateway keeps the time, and has looked at the rest.
    { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0, requireHostHeader: false },
    (request, response) => {
      if (request.url === '/readyz' && request.headers[APP_HEADER] === undefined)
        return void response.writeHead(200).end()
      if (!hasKey(request, key)) return void response.writeHead(403).end()
      const app = request.headers[APP_HEADER]
      if (typeof app !== 'string') return void control(request, response)
      dropHeaders(request, [KEY_HEADER, APP_HEADER])
      host.handle(app, request, response)
    },
  )
  server.on('upgrade', (request, socket, head) => {
    const app = request.headers[APP_HEADER]
    if (!hasKey(request, key) || typeof app !== 'string') return void socket.destroy()
    dropHeaders(request, [KEY_HEADER, APP_HEADER])
    host.upgrade(app, request, socket, head)
  })

  async function control(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === '/events') return stream.send(response, () => host.status())
    try {
      const answer = jsonOf(await answerTo(request))
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
    } catch (error) {
      const body = { error: (error as Error).message, ...(error instanceof HyperError ? { code: error.code } : {}) }
      response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
  }

  async function answerTo(request: IncomingMessage): Promise<unknown> {
    if (request.url === '/apply') {
      const { apps, fresh } = (await json(request)) as ApplyRequest
      return { ...(await host.apply(apps, { fresh })), status: host.status() }
    }
    if (request.url === '/schedule') {
      const { app, cron, scheduledTime } = (await json(request)) as ScheduleRequest
      return await host.schedule(app, cron, scheduledTime)
    }
    throw new HyperError('ROUTE_NOT_FOUND', `there is no ${request.url}`)
  }
  return server
}
