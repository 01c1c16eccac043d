import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HyperError } from '../server/error.ts'
import { guard } from '../server/port.ts'
import { type CachePort, cachePort } from '../server/ports/cache.ts'

/** A cache in memory that notes what reaches it. */
function createNotedCache(overrides: Partial<CachePort> = {}): { port: CachePort; calls: string[] } {
  const calls: string[] = []
  const note = (name: string) => async () => {
    calls.push(name)
  }
  const port: CachePort = {
    open: note('open'),
    check: note('check'),
    close: note('close'),
    createStore: note('createStore'),
    destroyStore: note('destroyStore'),
    listStores: async () => ({ names: [] }),
    emptyStore: async () => ({ count: 0 }),
    createDoc: note('createDoc'),
    getDoc: async () => ({ n: 1 }),
    updateDoc: note('updateDoc'),
    deleteDoc: note('deleteDoc'),
    listDocs: async () => ({ items: [] }),
    ...overrides,
  }
  return { port, calls }
}

test('a guarded port opens on first use, once for callers at the same time', async () => {
  const { port, calls } = createNotedCache()
  const cache = guard<CachePort>(cachePort, port)
  assert.deepEqual(calls, [])
  await Promise.all([cache.createStore({ store: 'a' }), cache.createStore({ store: 'b' })])
  assert.deepEqual(calls, ['open', 'createStore', 'createStore'])
})

test('a failed open is forgotten, so that the next call can try again', async () => {
  let attempts = 0
  const { port } = createNotedCache({
    async open() {
      attempts += 1
      if (attempts === 1) throw new Error('the backend is not there yet')
    },
  })
  const cache = guard<CachePort>(cachePort, port)
  await assert.rejects(cache.createStore({ store: 'a' }), { code: 'INTERNAL' })
  await cache.createStore({ store: 'a' })
  assert.equal(attempts, 2)
})

test('after close every call is refused, and close itself may be repeated', async () => {
  const { port, calls } = createNotedCache()
  const cache = guard<CachePort>(cachePort, port)
  await cache.createStore({ store: 'a' })
  await Promise.all([cache.close(), cache.close()])
  await assert.rejects(cache.createStore({ store: 'b' }), { code: 'CLOSED', status: 503 })
  await assert.rejects(cache.check(), { code: 'CLOSED' })
  assert.deepEqual(calls, ['open', 'createStore', 'close'])
})

test('bad arguments never reach the adapter', async () => {
  const { port, calls } = createNotedCache()
  const cache = guard<CachePort>(cachePort, port)
  await assert.rejects(cache.createDoc({ store: 'a', key: 'k', value: [], ttlMs: undefined }), {
    code: 'INVALID_ARGUMENTS',
    message: "Invalid Arguments 'value': Expected object, received array.",
  })
  await assert.rejects(cache.createDoc({ store: 'a', key: 'K', value: [], ttlMs: undefined }), {
    code: 'KEY_INVALID',
    message: 'key is not valid',
  })
  assert.deepEqual(calls, [])
})

test('a result that breaks the port is a 500 that names the adapter’s fault, not a success', async () => {
  const { port } = createNotedCache({ getDoc: async () => [] as unknown as Record<string, unknown> })
  const cache = guard<CachePort>(cachePort, port)
  await assert.rejects(cache.getDoc({ store: 'a', key: 'k' }), { code: 'INVALID_RETURN', status: 500 })
})

test('an adapter’s own error text stays behind a bland one, its cause is kept for the log', async () => {
  const cause = new Error('SQLITE_CANTOPEN: /secret/path')
  const { port } = createNotedCache({ getDoc: () => Promise.reject(cause) })
  const cache = guard<CachePort>(cachePort, port)
  await assert.rejects(cache.getDoc({ store: 'a', key: 'k' }), (error: HyperError) => {
    assert.ok(error instanceof HyperError)
    assert.equal(error.message, 'Internal Server Error')
    assert.equal(error.cause, cause)
    return true
  })
})

test('an adapter that lacks a method is refused when it is guarded', () => {
  const { port } = createNotedCache()
  const { getDoc: _, ...incomplete } = port
  assert.throws(() => guard<CachePort>(cachePort, incomplete as CachePort), /lacks the method 'getDoc'/)
})
