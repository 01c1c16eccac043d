/** The data service over HTTP (hyper-api §1.9). */
import { newDocumentId } from '../document-id.ts'
import { HyperError } from '../error.ts'
import type { Guarded } from '../port.ts'
import { type DataPort, dataPort } from '../ports/data.ts'
import { OK } from '../response.ts'
import { getAnswer, listAnswer, MIB, type ServiceRoutes } from './operation.ts'

const written = { ok: true, id: 'movie-1' }
const document = { _id: 'movie-1', title: 'Dune', year: 2021 }

export const dataRoutes: ServiceRoutes<'data'> = {
  service: 'data',
  banner: async () => ({ name: 'hyper Data', version: '1.0.1', status: 'unstable' }),
  operations: [
    {
      name: 'data.create',
      method: 'PUT',
      path: '',
      summary: 'Create a database',
      args: dataPort.createDatabase.args,
      success: 201,
      example: { ok: true },
      run: async (data, { domain }) => {
        await data.createDatabase({ db: domain })
        return OK
      },
    },
    {
      name: 'data.destroy',
      method: 'DELETE',
      path: '',
      summary: 'Remove a database with all its documents',
      args: dataPort.removeDatabase.args,
      success: 200,
      example: { ok: true },
      run: async (data, { domain }) => {
        await data.removeDatabase({ db: domain })
        return OK
      },
    },
    {
      name: 'data.list',
      method: 'GET',
      path: '',
      summary: 'List documents by id',
      args: dataPort.listDocuments.args,
      queryMembers: ['limit', 'startkey', 'endkey', 'keys', 'descending'],
      success: 200,
      example: { ok: true, docs: [document] },
      run: async (data, { domain, query }) => {
        const { limit, startkey, endkey, keys, descending } = query
        return listAnswer('docs', await data.listDocuments({ db: domain, limit, startkey, endkey, keys, descending }))
      },
    },
    {
      name: 'data.add',
      method: 'POST',
      path: '',
      summary: 'Add a document; its `_id` is made when it has none',
      bodyLimit: 8 * MIB,
      args: dataPort.createDocument.args,
      bodyMember: 'doc',
      success: 201,
      example: written,
      run: async (data, { domain, body }) => {
        const doc = body as Record<string, unknown>
        if (!Array.isArray(doc) && isEmpty(doc)) throw new HyperError('DOCUMENT_EMPTY', 'document empty')
        return okId(await data.createDocument({ db: domain, id: doc._id || newDocumentId(), doc }))
      },
    },
    {
      name: 'data.get',
      method: 'GET',
      path: '/:id',
      summary: 'Get a document',
      args: dataPort.retrieveDocument.args,
      success: 200,
      example: document,
      run: async (data, call) => getAnswer(call, await data.retrieveDocument({ db: call.domain, id: call.id })),
    },
    {
      name: 'data.update',
      method: 'PUT',
      path: '/:id',
      summary: 'Replace a document, or add it under this id',
      bodyLimit: 8 * MIB,
      args: dataPort.updateDocument.args,
      bodyMember: 'doc',
      success: 200,
      example: written,
      run: async (data, { domain, id, body }) => okId(await data.updateDocument({ db: domain, id, doc: body })),
    },
    {
      name: 'data.remove',
      method: 'DELETE',
      path: '/:id',
      summary: 'Remove a document',
      args: dataPort.removeDocument.args,
      success: 200,
      example: written,
      run: async (data, { domain, id }) => okId(await data.removeDocument({ db: domain, id })),
    },
    {
      name: 'data.query',
      method: 'POST',
      path: '/_query',
      summary: 'Find documents by a MongoDB-style selector',
      bodyLimit: 10 * MIB,
      args: dataPort.queryDocuments.args,
      bodyMember: 'query',
      success: 200,
      example: { ok: true, docs: [document] },
      run: async (data, { domain, body }) => listAnswer('docs', await data.queryDocuments({ db: domain, query: body })),
    },
    {
      name: 'data.index',
      method: 'POST',
      path: '/_index',
      summary: 'Make an index',
      bodyLimit: 10 * MIB,
      args: dataPort.indexDocuments.args,
      success: 201,
      example: { ok: true },
      run: async (data, { domain, body }) => {
        const { name, fields, partialFilter } = body as Partial<Parameters<Guarded<DataPort>['indexDocuments']>[0]>
        await data.indexDocuments({ db: domain, name, fields, partialFilter })
        return OK
      },
    },
    {
      name: 'data.bulk',
      method: 'POST',
      path: '/_bulk',
      summary: 'Write many documents; those with `_deleted` are removed',
      bodyLimit: 10 * MIB,
      args: dataPort.bulkDocuments.args,
      bodyMember: 'docs',
      success: 201,
      example: { ok: true, results: [written] },
      run: async (data, { domain, body }) => {
        const { results } = await data.bulkDocuments({ db: domain, docs: body })
        return JSON.stringify({ ok: true, results })
      },
    },
  ],
}

function isEmpty(object: object): boolean {
  for (const _ in object) return false
  return true
}

function okId({ id }: { id: string }): string {
  return `{"ok":true,"id":${JSON.stringify(id)}}`
}
