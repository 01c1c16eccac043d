/** Serves the hyper API: each operation at `/:service/:domain…` and `/:app/:service/:name…`, and what is not started. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cloudDomain } from '../domain.ts'
import { HyperError } from '../error.ts'
import { readJsonBody } from '../json-body.ts'
import { discardRest } from '../request-body.ts'
import { JSON_TYPE, sendJson, sendRaw } from '../response.ts'
import { SERVICE_NAMES, type ServiceName, type Services } from '../services.ts'
import type { Signer } from '../signed-url.ts'
import { cacheRoutes } from './cache.ts'
import { dataRoutes } from './data.ts'
import type { Answer, Operation } from './operation.ts'
import { queueRoutes } from './queue.ts'
import { searchRoutes } from './search.ts'
import { storageRoutes } from './storage.ts'

interface Params {
  app?: string
  name: string
  id?: string
  '*'?: string
}

export const hyperRoutes = [dataRoutes, cacheRoutes, storageRoutes, searchRoutes, queueRoutes] as const

/** Read by the metrics. */
declare module 'fastify' {
  interface FastifyContextConfig {
    service?: ServiceName
  }
}

export function registerHyperRoutes(app: FastifyInstance, services: Services, signer: Signer): void {
  app.get('/', async (request, reply) => {
    const running = SERVICE_NAMES.filter((name) => name in services)
    return sendJson(request, reply, 200, JSON.stringify({ name: 'hyper', version: '1.0-beta', services: running }))
  })
  for (const name of SERVICE_NAMES) {
    if (name === 'data' && services.data) serve(app, name, services.data, dataRoutes, signer)
    else if (name === 'cache' && services.cache) serve(app, name, services.cache, cacheRoutes, signer)
    else if (name === 'storage' && services.storage) serve(app, name, services.storage, storageRoutes, signer)
    else if (name === 'search' && services.search) serve(app, name, services.search, searchRoutes, signer)
    else if (name === 'queue' && services.queue) serve(app, name, services.queue, queueRoutes, signer)
    else refuse(app, name)
  }
}

function serve<Service>(
  app: FastifyInstance,
  name: ServiceName,
  service: Service,
  routes: { banner(service: Service): Promise<unknown>; operations: readonly Operation<Service>[] },
  signer: Signer,
): void {
  app.get(`/${name}`, { config: { service: name } }, async (request, reply) =>
    sendJson(request, reply, 200, JSON.stringify(await routes.banner(service))),
  )
  for (const operation of routes.operations) {
    const handler = handlerOf(operation, service, signer)
    const config = { service: name }
    for (const url of [`/${name}/:name${operation.path}`, `/:app/${name}/:name${operation.path}`]) {
      app.route({ method: operation.method, url, config, handler })
    }
  }
}

function handlerOf<Service>(operation: Operation<Service>, service: Service, signer: Signer) {
  const { run, success, bodyLimit, uploads } = operation
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { app, name, id, '*': rest } = request.params as Params
    const { raw, method, headers } = request
    const trailingSlash = endsWithSlash(request.url)
    // An empty segment is no parameter (hyper-api §1.5); the router lets one through.
    if (name === '' || id === '') throw notFound()
    try {
      const answer = await run(service, {
        domain: app === undefined ? name : cloudDomain(app, name),
        // The router takes one slash off the end, which belongs to an object's name.
        id: rest === undefined ? (id ?? '') : trailingSlash ? `${rest}/` : rest,
        method,
        trailingSlash,
        query: request.query as Record<string, unknown>,
        headers,
        body: bodyLimit === undefined ? {} : await readJsonBody(raw, bodyLimit),
        incoming: raw,
        origin: () => originOf(request),
        signer,
      })
      return send(request, reply, success, answer)
    } finally {
      if (uploads) discardRest(raw)
    }
  }
}

function send(request: FastifyRequest, reply: FastifyReply, status: number, answer: Answer): FastifyReply {
  if (typeof answer === 'string') return sendJson(request, reply, status, answer)
  if ('status' in answer) return sendRaw(reply, answer)
  return reply.code(status).header('content-type', JSON_TYPE).send(Readable.from(answer))
}

function endsWithSlash(url: string): boolean {
  const end = url.search(/[?#]/)
  return url.charCodeAt((end === -1 ? url.length : end) - 1) === 47 // '/'
}

/** Scheme and host as the client used them; a client of HTTP/1.0 may not have named a host. */
function originOf({ protocol, headers: { host }, socket }: FastifyRequest): string {
  return `${protocol}://${host ?? `127.0.0.1:${socket.localPort}`}`
}

/** A service that was not started says which flag starts it (design §8.5). */
function refuse(app: FastifyInstance, name: ServiceName): void {
  const message = `the ${name} service is not started; start it with: hyper-sandbox up --${name}`
  const handler = async () => {
    throw new HyperError('SERVICE_NOT_STARTED', message)
  }
  const config = { service: name }
  for (const url of [`/${name}`, `/${name}/*`, `/:app/${name}/:name`, `/:app/${name}/:name/*`]) {
    app.all(url, { config }, handler)
  }
}

export function notFound(): HyperError {
  return new HyperError('ROUTE_NOT_FOUND', 'not found!')
}
