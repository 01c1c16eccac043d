/** Serves signed URLs (server/signed-url.ts). Whoever holds one needs no other credentials. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { HyperError } from '../error.ts'
import { discardRest } from '../request-body.ts'
import { OK, sendJson, sendRaw } from '../response.ts'
import { SIGNED_PREFIX, type Signer } from '../signed-url.ts'
import { download, type Storage, upload } from './storage.ts'

export function registerSignedRoutes(app: FastifyInstance, storage: Storage | undefined, signer: Signer): void {
  async function handler(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { raw: incoming, headers } = request
    try {
      const { method, bucket, object } = signer.verify(request.method, request.url)
      if (!storage) throw new HyperError('SERVICE_NOT_STARTED', 'the storage service is not started')
      if (method === 'GET')
        return sendRaw(reply, await download(storage, { method: request.method, headers }, bucket, object))
      await upload(storage, { incoming, headers }, bucket, object)
      return sendJson(request, reply, 200, OK)
    } finally {
      discardRest(incoming)
    }
  }
  app.all(`${SIGNED_PREFIX}*`, { config: { service: 'storage' } }, handler)
}
