/** The API for machines (`/openapi.json`) and for people (`/docs`). */
import type { FastifyInstance } from 'fastify'
import { renderDocs } from '../docs-page.ts'
import { type ApiDescription, describeApi } from '../openapi.ts'
import { sendJson } from '../response.ts'
import { hyperRoutes } from './hyper.ts'

export function registerDocsRoutes(app: FastifyInstance, version: string): void {
  let description: ApiDescription | undefined
  const describe = () => {
    description ??= describeApi(hyperRoutes, version)
    return description
  }

  app.get('/openapi.json', async (request, reply) => sendJson(request, reply, 200, JSON.stringify(describe())))

  app.get('/docs', async (request, reply) => {
    const origin = `${request.protocol}://${request.headers.host ?? '127.0.0.1'}`
    return reply.type('text/html; charset=utf-8').send(renderDocs(describe(), origin))
  })
}
