/** The cache suite is worth what it catches: adapters broken in one way each, every one of which must make it red. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { createSqliteCache } from '../adapters/cache/sqlite.ts'
import { HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { guard } from '../server/port.ts'
import { type CachePort, cachePort } from '../server/ports/cache.ts'
import { collect } from '../server/ports/common.ts'
import { cacheSuite } from './conformance/cache.ts'
import { assigned, type Case, ignore, type Mutant, proveSuite } from './helpers/mutants.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-cache-mutants-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface BrokenAdapter extends Mutant {
  /** What differs from `real`. */
  breaks(real: CachePort): Partial<CachePort>
}

const mutants: BrokenAdapter[] = [
  {
    name: 'a store made twice is fine',
    rule: 'stores: making one twice',
    breaks: (real) => ({
      createStore: (args) => real.createStore(args).catch(ignore('STORE_EXISTS')),
    }),
  },
  {
    name: 'stores in the order of making',
    rule: 'stores: names',
    breaks: (real) => ({
      listStores: async (args) => ({ names: (await real.listStores(args)).names.toReversed() }),
    }),
  },
  {
    name: 'a destroyed store keeps its keys for the next of its name',
    rule: '',
    breaks: (real) => {
      const gone = new Set<string>()
      return {
        destroyStore: async ({ store }) => void gone.add(store),
        createStore: async (args) => (gone.delete(args.store) ? undefined : real.createStore(args)),
        listStores: async (args) => ({
          names: (await real.listStores(args)).names.filter((name) => !gone.has(name)),
        }),
        getDoc: async (args) => {
          if (gone.has(args.store)) throw new HyperError('STORE_NOT_FOUND', 'cache not found')
          return real.getDoc(args)
        },
      }
    },
  },
  {
    name: 'all stores share their keys',
    rule: '',
    breaks: (real) => ({
      createDoc: (args) => real.updateDoc({ ...args, store: 's' }),
      getDoc: (args) => real.getDoc({ ...args, store: 's' }),
    }),
  },
  {
    name: 'listing a missing store finds nothing',
    rule: 'missing store:',
    breaks: (real) => ({
      listDocs: (args) =>
        real.listDocs(args).catch((error: unknown) => {
          ignore('STORE_NOT_FOUND')(error)
          return { items: [] }
        }),
    }),
  },
  {
    name: 'emptying removes the store',
    rule: 'emptyStore:',
    breaks: (real) => ({
      emptyStore: async (args) => {
        const counted = await real.emptyStore(args)
        await real.destroyStore(args)
        return counted
      },
    }),
  },
  {
    name: 'emptying counts nothing',
    rule: 'emptyStore:',
    breaks: (real) => ({ emptyStore: async (args) => ({ ...(await real.emptyStore(args)), count: 0 }) }),
  },
  {
    name: 'create overwrites',
    rule: 'create:',
    breaks: (real) => ({
      createDoc: async (args) => {
        await real.createDoc(args).catch((error: unknown) => {
          ignore('KEY_EXISTS')(error)
          return real.updateDoc(args)
        })
      },
    }),
  },
  {
    name: 'what is missing reads as an empty value',
    rule: '',
    breaks: (real) => ({
      getDoc: (args) =>
        real.getDoc(args).catch((error: unknown) => {
          ignore('KEY_NOT_FOUND')(error)
          return {}
        }),
    }),
  },
  {
    name: 'a value that looks like an error is thrown as one',
    rule: 'values: come back',
    breaks: (real) => ({
      getDoc: async (args) => {
        const value = decode(await real.getDoc(args))
        if (value.ok === false) throw new HyperError('KEY_NOT_FOUND', String(value.msg))
        return value
      },
    }),
  },
  {
    name: 'values pass through an object spread by assignment',
    rule: 'values: come back',
    breaks: (real) => ({
      createDoc: (args) => real.createDoc({ ...args, value: assigned(args.value) }),
    }),
  },
  {
    name: 'update merges',
    rule: 'update: replaces',
    breaks: (real) => ({
      updateDoc: async (args) => {
        const old = await real.getDoc(args).then(decode, () => ({}))
        await real.updateDoc({ ...args, value: { ...old, ...args.value } })
      },
    }),
  },
  {
    name: 'update of what is missing is refused',
    rule: '',
    breaks: (real) => ({
      updateDoc: async (args) => {
        await real.getDoc(args)
        await real.updateDoc(args)
      },
    }),
  },
  {
    name: 'a second write to a key is ignored',
    rule: '',
    breaks: (real) => ({
      updateDoc: async (args) => {
        const known = await real.getDoc(args).then(
          () => true,
          () => false,
        )
        if (!known) await real.updateDoc(args)
      },
    }),
  },
  {
    name: 'delete does nothing',
    rule: '',
    breaks: () => ({ deleteDoc: async () => {} }),
  },
  {
    name: 'deleting what is missing is refused',
    rule: 'delete:',
    breaks: (real) => ({
      deleteDoc: async (args) => {
        await real.getDoc(args)
        await real.deleteDoc(args)
      },
    }),
  },
  {
    name: 'expiry is ignored',
    rule: '',
    breaks: (real) => ({
      createDoc: ({ ttlMs: _, ...args }) => real.createDoc(args),
      updateDoc: ({ ttlMs: _, ...args }) => real.updateDoc(args),
    }),
  },
  {
    name: 'ttl counts seconds',
    rule: '',
    breaks: (real) => ({
      createDoc: (args) => real.createDoc({ ...args, ttlMs: args.ttlMs && args.ttlMs * 1000 }),
    }),
  },
  {
    name: 'update without ttl leaves the old clock running',
    rule: 'ttl restart: update without ttl',
    breaks: (real) => {
      const lives = new Map<string, number | undefined>()
      return {
        createDoc: async (args) => {
          await real.createDoc(args)
          lives.set(args.key, args.ttlMs)
        },
        updateDoc: (args) => real.updateDoc({ ...args, ttlMs: args.ttlMs ?? lives.get(args.key) }),
      }
    },
  },
  {
    name: 'update with ttl 0 ends a live key',
    rule: 'ttl 0 on a live key',
    breaks: (real) => ({ updateDoc: (args) => real.updateDoc({ ...args, ttlMs: args.ttlMs === 0 ? -1 : args.ttlMs }) }),
  },
  {
    name: 'a ttl below 0 is for ever',
    rule: 'ttl',
    breaks: (real) => ({
      updateDoc: (args) => real.updateDoc({ ...args, ttlMs: (args.ttlMs ?? 0) < 0 ? undefined : args.ttlMs }),
    }),
  },
  {
    name: 'the pattern is ignored',
    rule: '',
    breaks: (real) => ({ listDocs: ({ store }) => real.listDocs({ store }) }),
  },
  {
    name: 'patterns know no capitals',
    rule: 'list pattern case',
    breaks: (real) => ({ listDocs: (args) => real.listDocs({ ...args, pattern: args.pattern?.toLowerCase() }) }),
  },
  {
    name: '_ in a pattern is any character',
    rule: 'list pattern literal',
    breaks: (real) => ({
      listDocs: async ({ store, pattern = '*' }) => {
        const source = pattern
          .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
          .replaceAll('_', '.')
          .replaceAll('*', '.*')
        const all = await collect(await real.listDocs({ store }))
        return { items: all.filter((entry) => new RegExp(`^${source}$`).test(decode(entry).key)) }
      },
    }),
  },
  {
    name: 'an empty pattern is everything',
    rule: 'list pattern empty',
    breaks: (real) => ({ listDocs: (args) => real.listDocs({ ...args, pattern: args.pattern || '*' }) }),
  },
  {
    name: 'only the first page is listed',
    rule: 'list all',
    breaks: (real) => ({ listDocs: async (args) => ({ items: (await real.listDocs(args)).items }) }),
  },
  {
    name: 'entries in reverse',
    rule: '',
    breaks: (real) => ({
      listDocs: async (args) => ({ items: (await collect(await real.listDocs(args))).toReversed() }),
    }),
  },
  {
    name: 'writes are acknowledged before they are made',
    rule: '',
    breaks: (real) => ({
      updateDoc: async (args) => {
        setTimeout(() => real.updateDoc(args).catch(() => {}), 2)
      },
    }),
  },
]

function casesOn(mutant?: BrokenAdapter): Case[] {
  const cases: Case[] = []
  cacheSuite({
    test: (name, run) => cases.push({ name, run }),
    create: async () => {
      const directory = mkdtempSync(join(root, 'case-'))
      let now = Date.now()
      const open = () => {
        const real = createSqliteCache({ directory, now: () => now })
        return guard(cachePort, { ...real, ...mutant?.breaks(real) })
      }
      return {
        cache: open(),
        advance: (ms) => {
          now += ms
        },
        reopen: async () => open(),
      }
    },
  })
  return cases
}

proveSuite(mutants, casesOn)
