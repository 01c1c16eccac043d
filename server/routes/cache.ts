/** The cache service over HTTP (hyper-api §1.10). */

import { encode, JsonText } from '../json-text.ts'
import type { CacheEntry } from '../ports/cache.ts'
import { cachePort } from '../ports/cache.ts'
import type { Page } from '../ports/common.ts'
import { OK } from '../response.ts'
import { parseTtl } from '../ttl.ts'
import { getAnswer, listAnswer, MIB, type Operation, type ServiceRoutes } from './operation.ts'

type Cache = Parameters<ServiceRoutes<'cache'>['banner']>[0]

/** Queries take their pattern from the query string, whatever the method (hyper-api §1.10, corner 24). */
const query: Omit<Operation<Cache>, 'name' | 'method'> = {
  path: '/_query',
  summary: 'Entries whose key matches a pattern with `*`',
  args: cachePort.listDocs.args,
  queryMembers: ['pattern'],
  success: 200,
  example: { ok: true, docs: [{ key: 'session-1', value: { user: 'ada' } }] },
  run: async (cache, { domain, query: { pattern } }) =>
    listAnswer('docs', entries(await cache.listDocs({ store: domain, pattern }))),
}

export const cacheRoutes: ServiceRoutes<'cache'> = {
  service: 'cache',
  banner: async (cache) => ({ name: 'cache', version: '0.0.4', stores: (await cache.listStores({})).names }),
  operations: [
    {
      name: 'cache.create',
      method: 'PUT',
      path: '',
      summary: 'Create a store',
      args: cachePort.createStore.args,
      success: 201,
      example: { ok: true },
      run: async (cache, { domain }) => {
        await cache.createStore({ store: domain.toLowerCase() })
        return OK
      },
    },
    {
      name: 'cache.destroy',
      method: 'DELETE',
      path: '',
      summary: 'Remove a store with all its keys',
      args: cachePort.destroyStore.args,
      success: 200,
      example: { ok: true },
      run: async (cache, { domain }) => {
        await cache.destroyStore({ store: domain })
        return OK
      },
    },
    { ...query, name: 'cache.query', method: 'POST' },
    { ...query, name: 'cache.find', method: 'GET' },
    {
      name: 'cache.add',
      method: 'POST',
      path: '',
      summary: 'Add a key that is not there yet',
      bodyLimit: 10 * MIB,
      args: cachePort.createDoc.args,
      success: 201,
      example: { ok: true },
      run: async (cache, { domain, body }) => {
        const { key, value, ttl } = body as Record<string, unknown>
        await cache.createDoc({ store: domain.toLowerCase(), key, value, ttlMs: parseTtl(ttl) })
        return OK
      },
    },
    {
      name: 'cache.get',
      method: 'GET',
      path: '/:id',
      summary: 'Get the value of a key',
      args: cachePort.getDoc.args,
      success: 200,
      example: { user: 'ada' },
      run: async (cache, call) =>
        getAnswer(call, await cache.getDoc({ store: call.domain.toLowerCase(), key: call.id })),
    },
    {
      name: 'cache.set',
      method: 'PUT',
      path: '/:id',
      summary: 'Set a key, replacing what it holds and its time to live',
      bodyLimit: 10 * MIB,
      args: cachePort.updateDoc.args,
      bodyMember: 'value',
      queryMembers: ['ttl'],
      success: 200,
      example: { ok: true },
      run: async (cache, { domain, id, body, query: { ttl } }) => {
        await cache.updateDoc({ store: domain.toLowerCase(), key: id, value: body, ttlMs: parseTtl(ttl) })
        return OK
      },
    },
    {
      name: 'cache.remove',
      method: 'DELETE',
      path: '/:id',
      summary: 'Remove a key; fine when it is not there',
      args: cachePort.deleteDoc.args,
      success: 200,
      example: { ok: true },
      run: async (cache, { domain, id }) => {
        await cache.deleteDoc({ store: domain.toLowerCase(), key: id })
        return OK
      },
    },
  ],
}

/** Entries hold stored values; written as `{"key","value"}` without parsing them. */
function entries(page: Page<CacheEntry>): Page<unknown> {
  const { next } = page
  return {
    items: page.items.map((item) => {
      const { key, value } = item as CacheEntry
      return new JsonText(`{"key":${JSON.stringify(key)},"value":${encode(value)}}`)
    }),
    next: next && (async () => entries(await next())),
  }
}
