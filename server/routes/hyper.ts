/** Serves the hyper API: each operation at `/:service/:domain…` and `/:app/:service/:name…`, and what is not started. */
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { cloudDomain } from '../domain.ts'
import { HyperError } from '../error.ts'
import { readJsonBody } from '../json-body.ts'
import { JSON_TYPE, sendJson } from '../response.ts'
import { SERVICE_NAMES, type ServiceName, type Services } from '../services.ts'
import { cacheRoutes } from './cache.ts'
import { dataRoutes } from './data.ts'
import type { Answer, Operation } from './operation.ts'
import { queueRoutes } from './queue.ts'
import { searchRoutes } from './search.ts'

interface Params {
  app?: string
  name: string
  id?: string
}

export const hyperRoutes = [dataRoutes, cacheRoutes, searchRoutes, queueRoutes] as const

/** Read by the metrics. */
declare module 'fastify' {
  interface FastifyContextConfig {
    service?: ServiceName
  }
}

export function registerHyperRoutes(app: FastifyInstance, services: Services): void {
  app.get('/', async (request, reply) => {
    const running = SERVICE_NAMES.filter((name) => name in services)
    return sendJson(request, reply, 200, JSON.stringify({ name: 'hyper', version: '1.0-beta', services: running }))
  })
  for (const name of SERVICE_NAMES) {
    if (name === 'data' && services.data) serve(app, name, services.data, dataRoutes)
    else if (name === 'cache' && services.cache) serve(app, name, services.cache, cacheRoutes)
    else if (name === 'search' && services.search) serve(app, name, services.search, searchRoutes)
    else if (name === 'queue' && services.queue) serve(app, name, services.queue, queueRoutes)
    else refuse(app, name)
  }
}

function serve<Service>(
  app: FastifyInstance,
  name: ServiceName,
  service: Service,
  routes: { banner(service: Service): Promise<unknown>; operations: readonly Operation<Service>[] },
): void {
  app.get(`/${name}`, { config: { service: name } }, async (request, reply) =>
    sendJson(request, reply, 200, JSON.stringify(await routes.banner(service))),
  )
  for (const operation of routes.operations) {
    const handler = handlerOf(operation, service)
    const config = { service: name }
    for (const url of [`/${name}/:name${operation.path}`, `/:app/${name}/:name${operation.path}`]) {
      app.route({ method: operation.method, url, config, handler })
    }
  }
}

function handlerOf<Service>(operation: Operation<Service>, service: Service) {
  const { run, success, bodyLimit } = operation
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { app, name, id } = request.params as Params
    // An empty segment is no parameter (hyper-api §1.5); the router lets one through.
    if (name === '' || id === '') throw notFound()
    const answer = await run(service, {
      domain: app === undefined ? name : cloudDomain(app, name),
      id: id ?? '',
      query: request.query as Record<string, unknown>,
      headers: request.headers,
      body: bodyLimit === undefined ? {} : await readJsonBody(request.raw, bodyLimit),
    })
    return send(request, reply, success, answer)
  }
}

function send(request: FastifyRequest, reply: FastifyReply, status: number, answer: Answer): FastifyReply {
  if (typeof answer === 'string') return sendJson(request, reply, status, answer)
  return reply.code(status).header('content-type', JSON_TYPE).send(Readable.from(answer))
}

/** A service that was not started says which flag starts it (design §8.5). */
function refuse(app: FastifyInstance, name: ServiceName): void {
  const isKnown = hyperRoutes.some(({ service }) => service === name)
  const message = isKnown
    ? `the ${name} service is not started; start it with: hyper-sandbox up --${name}`
    : `the ${name} service is not started; this version does not offer --${name} yet`
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
