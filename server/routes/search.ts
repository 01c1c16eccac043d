/** The search service over HTTP (hyper-api §1.11). */
import { encode } from '../json-text.ts'
import { searchPort } from '../ports/search.ts'
import { OK } from '../response.ts'
import { listAnswer, MIB, type ServiceRoutes } from './operation.ts'

const document = { _id: 'movie-1', title: 'Dune', year: 2021 }

export const searchRoutes: ServiceRoutes<'search'> = {
  service: 'search',
  banner: async () => ({ name: 'hyper63 Search', version: '1.0', status: 'unstable' }),
  operations: [
    {
      name: 'search.create',
      method: 'PUT',
      path: '',
      summary: 'Create an index',
      bodyLimit: 10 * MIB,
      args: searchPort.createIndex.args,
      bodyMember: 'mappings',
      success: 201,
      example: { ok: true },
      run: async (search, { domain, body }) => {
        await search.createIndex({ index: domain, mappings: body })
        return OK
      },
    },
    {
      name: 'search.destroy',
      method: 'DELETE',
      path: '',
      summary: 'Remove an index with all its documents',
      args: searchPort.deleteIndex.args,
      success: 200,
      example: { ok: true },
      run: async (search, { domain }) => {
        await search.deleteIndex({ index: domain })
        return OK
      },
    },
    {
      name: 'search.add',
      method: 'POST',
      path: '',
      summary: 'Add a document under a key that is not there yet',
      bodyLimit: 10 * MIB,
      args: searchPort.indexDoc.args,
      success: 201,
      example: { ok: true },
      run: async (search, { domain, body }) => {
        const { key, doc } = body as Record<string, unknown>
        await search.indexDoc({ index: domain, key, doc })
        return OK
      },
    },
    {
      name: 'search.get',
      method: 'GET',
      path: '/:id',
      summary: 'Get a document',
      args: searchPort.getDoc.args,
      success: 200,
      example: { ok: true, key: 'movie-1', doc: document },
      run: async (search, { domain, id }) => {
        const { key, doc } = await search.getDoc({ index: domain, key: id })
        return `{"ok":true,"key":${JSON.stringify(key)},"doc":${encode(doc)}}`
      },
    },
    {
      name: 'search.update',
      method: 'PUT',
      path: '/:id',
      summary: 'Replace a document',
      bodyLimit: 10 * MIB,
      args: searchPort.updateDoc.args,
      bodyMember: 'doc',
      success: 200,
      example: { ok: true },
      run: async (search, { domain, id, body }) => {
        await search.updateDoc({ index: domain, key: id, doc: body })
        return OK
      },
    },
    {
      name: 'search.remove',
      method: 'DELETE',
      path: '/:id',
      summary: 'Remove a document',
      args: searchPort.removeDoc.args,
      success: 200,
      example: { ok: true },
      run: async (search, { domain, id }) => {
        await search.removeDoc({ index: domain, key: id })
        return OK
      },
    },
    {
      name: 'search.query',
      method: 'POST',
      path: '/_query',
      summary: 'Find documents by any of the words of a query, best first',
      bodyLimit: 10 * MIB,
      args: searchPort.query.args,
      bodyMember: 'q',
      success: 200,
      example: {
        ok: true,
        matches: [
          {
            id: 'movie-1',
            score: 1.7,
            terms: ['dune'],
            queryTerms: ['dune'],
            match: { dune: ['title'] },
            title: 'Dune',
          },
        ],
      },
      run: async (search, { domain, body }) => listAnswer('matches', await search.query({ index: domain, q: body })),
    },
    {
      name: 'search.bulk',
      method: 'POST',
      path: '/_bulk',
      summary: 'Add many documents, all or none, each under its `_id` or `id`',
      bodyLimit: 10 * MIB,
      args: searchPort.bulk.args,
      bodyMember: 'docs',
      success: 201,
      example: { ok: true, results: [{ ok: true, id: 'movie-1' }] },
      run: async (search, { domain, body }) => {
        const { results } = await search.bulk({ index: domain, docs: body })
        return JSON.stringify({ ok: true, results })
      },
    },
  ],
}
