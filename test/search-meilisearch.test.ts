/** The search port on a real Meilisearch: the suite, what Meilisearch does otherwise by itself, and a server that goes away. */
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { createMeilisearchSearch } from '../adapters/search/meilisearch.ts'
import { guard } from '../server/port.ts'
import { searchPort } from '../server/ports/search.ts'
import { searchSuite } from './conformance/search.ts'
import { startServer } from './parts/servers.ts'

const server = await startServer('meilisearch')

if ('missing' in server) {
  test('search on Meilisearch', { skip: server.missing }, () => {})
} else {
  after(() => server[Symbol.asyncDispose]())
  const { url, key } = server
  const fresh = () => `test-${randomBytes(6).toString('hex')}`
  const open = (namespace = fresh()) => guard(searchPort, createMeilisearchSearch({ url, key, namespace }))

  searchSuite({
    test,
    create: async () => {
      const namespace = fresh()
      return { search: open(namespace), reopen: async () => open(namespace) }
    },
  })
}
