/**
 * The cache port on Redis (6.2 or newer, Valkey too). All keys share one hash slot, `{<namespace>:cache}`, so that each call is one
 * script: a cluster keeps the whole cache on one of its nodes. Entries are members of their store's hash, so Redis must not evict
 * keys: `maxmemory-policy noeviction`.
 */
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import type { CacheEntry, CachePort } from '../../server/ports/cache.ts'
import type { Page } from '../../server/ports/common.ts'
import { connectRedis, type RedisServer } from '../shared/redis.ts'
import { KEY_TAKEN, NO_STORE, type Scripted, type ScriptName, scripts } from './redis-scripts.ts'

export interface RedisCacheOptions {
  /** `redis://user:password@host:6379/0`, `rediss://` for TLS. */
  url: string
  /** What all keys begin with, in braces. @default 'hyper' */
  namespace?: string | undefined
}

const PAGE_ENTRIES = 1_000
/** A page of large values ends early. */
const PAGE_BYTES = 4 * 1024 * 1024
/** Of keys that do not match, a page looks at so many: a few milliseconds in which Redis answers nobody else. */
const PAGE_LOOKS = 5_000

/** Writes sweep as well: this is for stores that nobody writes to. */
const SWEEP_INTERVAL_MS = 30_000
const SWEEP_ENTRIES = 500

export function createRedisCache({ url, namespace = 'hyper' }: RedisCacheOptions): CachePort {
  const prefix = `{${namespace}:cache}`
  const stores = `${prefix}:stores`
  let server: RedisServer | undefined
  let sweeper: NodeJS.Timeout | undefined

  function opened(): RedisServer {
    if (!server) throw new HyperError('CLOSED', 'the cache is not open')
    return server
  }

  async function run(script: ScriptName, store: string, ...args: (string | number)[]) {
    const { client, ask } = opened()
    const base = `${prefix}:store:${store}`
    const answer = await ask(() =>
      (client as Scripted)[script](stores, `${base}:values`, `${base}:keys`, `${base}:expiries`, store, ...args),
    )
    if (answer === NO_STORE) throw new HyperError('STORE_NOT_FOUND', 'cache not found')
    return answer
  }

  async function names(): Promise<string[]> {
    const { client, ask } = opened()
    return (await ask(() => client.smembers(stores))).sort()
  }

  async function sweep(): Promise<void> {
    for (const store of await names()) {
      while ((await run('sweepStore', store, SWEEP_ENTRIES)) === SWEEP_ENTRIES);
    }
  }

  return {
    async open() {
      server = connectRedis(url, scripts)
      // What has expired is invisible anyway; the next round tries again.
      sweeper = setInterval(() => void sweep().catch(() => {}), SWEEP_INTERVAL_MS).unref()
    },

    async check() {
      await opened().check()
    },

    async close() {
      clearInterval(sweeper)
      await server?.close()
      server = undefined
    },

    async createStore({ store }) {
      const { client, ask } = opened()
      const added = await ask(() => client.sadd(stores, store))
      if (added === 0) throw new HyperError('STORE_EXISTS', 'cache already exists')
    },

    async destroyStore({ store }) {
      await run('destroyStore', store)
    },

    async listStores() {
      return { names: await names() }
    },

    async emptyStore({ store }) {
      return { count: (await run('emptyStore', store)) as number }
    },

    async createDoc({ store, key, value, ttlMs }) {
      const answer = await run('createDoc', store, key, JSON.stringify(value), ttlMs ?? '')
      if (answer === KEY_TAKEN) throw new HyperError('KEY_EXISTS', 'document conflict')
    },

    async getDoc({ store, key }) {
      const text = await run('getDoc', store, key)
      if (typeof text !== 'string') throw new HyperError('KEY_NOT_FOUND', 'document not found')
      return new JsonText(text)
    },

    async updateDoc({ store, key, value, ttlMs }) {
      await run('updateDoc', store, key, JSON.stringify(value), ttlMs ?? '')
    },

    async deleteDoc({ store, key }) {
      await run('deleteDoc', store, key)
    },

    async listDocs({ store, pattern = '*' }) {
      const { range, runs } = matcherOf(pattern)
      const pageFrom = async (from: string): Promise<Page<CacheEntry>> => {
        const limits = [PAGE_ENTRIES, PAGE_BYTES, PAGE_LOOKS]
        const answer = await run('listDocs', store, ...limits, from, range.to, ...runs)
        const [last, found] = answer as [string, string[]]
        const items: CacheEntry[] = []
        for (let at = 0; at < found.length; at += 2) {
          items.push({ key: found[at] as string, value: new JsonText(found[at + 1] as string) })
        }
        return { items, next: last === '' ? undefined : () => pageFrom(`(${last}`) }
      }
      return pageFrom(range.from)
    },
  } satisfies CachePort
}

/** A pattern as a range of keys in Redis's words, and the literal runs between its stars: the first one is the range's prefix. */
function matcherOf(pattern: string): { range: { from: string; to: string }; runs: string[] } {
  const [prefix = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return { range: { from: `[${prefix}`, to: `[${prefix}` }, runs: [prefix] }
  const suffix = rest.pop() ?? ''
  // Keys are ASCII (hyper-api §2.4): 'ÿ' is greater than each of their characters.
  return {
    range: { from: `[${prefix}`, to: `[${prefix}ÿ` },
    runs: [prefix, ...rest.filter((run) => run !== ''), suffix],
  }
}
