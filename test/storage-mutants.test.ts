/** The storage suite is worth what it catches: adapters broken in one way each, every one of which must make it red. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after } from 'node:test'
import { createSqliteStorage } from '../adapters/storage/sqlite.ts'
import { HyperError } from '../server/error.ts'
import { decode } from '../server/json-text.ts'
import { guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type ObjectInfo, type StoragePort, type StoredObject, storagePort } from '../server/ports/storage.ts'
import { storageSuite } from './conformance/storage.ts'
import { type Case, ignore, type Mutant, proveSuite } from './helpers/mutants.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-storage-mutants-'))
after(() => rmSync(root, { recursive: true, force: true }))

interface BrokenAdapter extends Mutant {
  /** What differs from `real`. */
  breaks(real: StoragePort): Partial<StoragePort>
}

/** Reads with `change` between the adapter and the reader. */
function reading(change: (stored: StoredObject) => StoredObject['read']): BrokenAdapter['breaks'] {
  return (real) => ({
    getObject: async (args) => {
      const stored = await real.getObject(args)
      return { ...stored, read: change(stored) }
    },
  })
}

/** Lists with `change` made to all that there is. */
function listing(
  change: (all: ObjectInfo[], args: { prefix?: string | undefined; startAfter?: string | undefined }) => ObjectInfo[],
): BrokenAdapter['breaks'] {
  return (real) => ({
    listObjects: async (args) => ({
      items: change((await collect(await real.listObjects({ bucket: args.bucket }))).map(decode), args),
    }),
  })
}

/** Puts what `change` makes of a body. */
function receiving(change: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>): BrokenAdapter['breaks'] {
  return (real) => ({ putObject: (args) => real.putObject({ ...args, body: change(args.body) }) })
}

const mutants: BrokenAdapter[] = [
  {
    name: 'a bucket made twice is fine',
    rule: 'buckets: making one twice',
    breaks: (real) => ({ makeBucket: (args) => real.makeBucket(args).catch(ignore('BUCKET_EXISTS')) }),
  },
  {
    name: 'buckets in the order of UTF-16',
    rule: 'buckets: names',
    breaks: (real) => ({ listBuckets: async (args) => ({ names: (await real.listBuckets(args)).names.sort() }) }),
  },
  {
    name: 'buckets know no capitals',
    rule: 'buckets:',
    breaks: (real) => inBucket(real, (bucket) => bucket.toLowerCase()),
  },
  {
    name: 'a removed bucket keeps its objects for the next of its name',
    rule: 'buckets:',
    others: true,
    breaks: (real) => {
      const gone = new Set<string>()
      const known = (bucket: string) => {
        if (gone.has(bucket)) throw new HyperError('BUCKET_NOT_FOUND', 'bucket does not exist')
        return bucket
      }
      return {
        ...inBucket(real, known),
        removeBucket: async ({ bucket }) => {
          known(bucket)
          await real.listObjects({ bucket })
          gone.add(bucket)
        },
        makeBucket: async (args) => (gone.delete(args.bucket) ? undefined : real.makeBucket(args)),
        listBuckets: async (args) => ({
          names: (await real.listBuckets(args)).names.filter((name) => !gone.has(name)),
        }),
      }
    },
  },
  {
    name: 'listing a missing bucket finds nothing',
    rule: 'missing bucket:',
    breaks: (real) => ({
      listObjects: (args) =>
        real.listObjects(args).catch((error: unknown) => {
          ignore('BUCKET_NOT_FOUND')(error)
          return { items: [] }
        }),
    }),
  },
  {
    name: 'a put makes its bucket',
    rule: 'missing bucket:',
    breaks: (real) => ({
      putObject: async (args) => {
        await real.makeBucket(args).catch(ignore('BUCKET_EXISTS'))
        return real.putObject(args)
      },
    }),
  },
  {
    name: 'emptying removes the bucket',
    rule: 'emptyBucket:',
    others: true,
    breaks: (real) => ({
      emptyBucket: async (args) => {
        const counted = await real.emptyBucket(args)
        await real.removeBucket(args)
        return counted
      },
    }),
  },
  {
    name: 'emptying counts nothing',
    rule: 'emptyBucket:',
    breaks: (real) => ({ emptyBucket: async (args) => ({ ...(await real.emptyBucket(args)), count: 0 }) }),
  },
  {
    name: 'emptying leaves what is in folders',
    rule: 'emptyBucket:',
    breaks: (real) => ({
      emptyBucket: async ({ bucket }) => {
        const all = (await collect(await real.listObjects({ bucket }))).map(decode)
        const plain = all.filter(({ object }) => !object.includes('/'))
        for (const { object } of plain) await real.removeObject({ bucket, object })
        return { count: plain.length }
      },
    }),
  },
  {
    name: 'keys know no capitals',
    rule: 'keys:',
    others: true,
    breaks: (real) => underKey(real, (key) => key.toLowerCase()),
  },
  {
    name: 'keys are normalised Unicode',
    rule: 'keys:',
    breaks: (real) => underKey(real, (key) => key.normalize('NFC')),
  },
  {
    name: 'keys are decoded once more',
    rule: 'keys:',
    breaks: (real) => underKey(real, (key) => key.replaceAll('%2f', '/')),
  },
  {
    name: 'keys lose doubled slashes',
    rule: 'keys:',
    breaks: (real) => underKey(real, (key) => key.replaceAll(/\/+/g, '/')),
  },
  {
    name: 'bodies are text',
    rule: 'bytes:',
    others: true,
    breaks: receiving(async function* (body) {
      for await (const chunk of body) yield Buffer.from(Buffer.from(chunk).toString())
    }),
  },
  {
    name: 'only the first chunk is stored',
    rule: 'bytes:',
    others: true,
    breaks: receiving(async function* (body) {
      for await (const chunk of body) {
        yield chunk
        return
      }
    }),
  },
  {
    name: 'an empty chunk ends a body',
    rule: 'bytes: however they are cut',
    breaks: receiving(async function* (body) {
      for await (const chunk of body) {
        if (chunk.length === 0) return
        yield chunk
      }
    }),
  },
  {
    name: 'a chunk stands for all of its memory',
    rule: 'bytes: a plain Uint8Array',
    breaks: receiving(async function* (body) {
      for await (const chunk of body) yield Buffer.isBuffer(chunk) ? chunk : new Uint8Array(chunk.buffer)
    }),
  },
  {
    name: 'a failing body is stored as far as it came',
    rule: 'put failing:',
    breaks: receiving(async function* (body) {
      try {
        for await (const chunk of body) yield chunk
      } catch {}
    }),
  },
  {
    name: 'the old object goes before the new one has come',
    rule: 'put unfinished:',
    others: true,
    breaks: (real) => ({
      putObject: async (args) => {
        await real.removeObject(args).catch(ignore('OBJECT_NOT_FOUND'))
        return real.putObject(args)
      },
    }),
  },
  {
    name: 'a second put to a key is ignored',
    rule: 'put: replaces',
    others: true,
    breaks: (real) => ({
      putObject: async (args) => {
        const known = await real.getObject(args).catch(ignore('OBJECT_NOT_FOUND'))
        return known ?? real.putObject(args)
      },
    }),
  },
  {
    name: 'a replaced object keeps its media type',
    rule: 'put: replaces',
    others: true,
    breaks: (real) => ({
      putObject: async (args) => {
        const known = await real.getObject(args).catch(ignore('OBJECT_NOT_FOUND'))
        return real.putObject({ ...args, mediaType: known?.mediaType ?? args.mediaType })
      },
    }),
  },
  {
    name: 'nobody asks onlyIf',
    rule: 'put onlyIf:',
    breaks: (real) => ({ putObject: ({ onlyIf: _, ...args }) => real.putObject(args) }),
  },
  {
    name: 'onlyIf is asked before the body has come',
    rule: 'put onlyIf:',
    breaks: (real) => ({
      putObject: async ({ onlyIf, ...args }) => {
        onlyIf?.(await real.getObject(args).catch(ignore('OBJECT_NOT_FOUND')))
        return real.putObject(args)
      },
    }),
  },
  {
    name: 'the media type is forgotten',
    rule: 'info:',
    others: true,
    breaks: (real) => ({ putObject: ({ mediaType: _, ...args }) => real.putObject(args) }),
  },
  {
    name: 'the media type loses its parameters',
    rule: 'info: the same',
    breaks: (real) => ({
      putObject: (args) => real.putObject({ ...args, mediaType: args.mediaType?.split(';')[0] }),
    }),
  },
  {
    name: 'no media type is octet-stream',
    rule: 'info:',
    others: true,
    breaks: (real) => ({
      putObject: (args) => real.putObject({ ...args, mediaType: args.mediaType ?? 'application/octet-stream' }),
    }),
  },
  {
    name: 'time is in seconds',
    rule: 'info:',
    others: true,
    breaks: (real) => ({
      putObject: async (args) => ({ ...(await real.putObject(args)), modified: Math.floor(Date.now() / 1000) }),
    }),
  },
  {
    name: 'the etag is the size',
    rule: 'etag:',
    others: true,
    breaks: (real) => retagged(real, ({ size }) => `"${size}"`),
  },
  {
    name: 'the etag is of the bytes alone',
    rule: 'etag:',
    others: true,
    breaks: (real) => ({
      putObject: async (args) => {
        const hash = createHash('sha256')
        const body = async function* () {
          for await (const chunk of args.body) {
            hash.update(chunk)
            yield chunk
          }
        }
        const info = await real.putObject({ ...args, body: body() })
        return { ...info, etag: `"${hash.digest('hex')}"` }
      },
    }),
  },
  {
    name: 'ranges are ignored',
    rule: 'range:',
    others: true,
    breaks: reading((stored) => () => stored.read()),
  },
  {
    name: 'the end of a range is left out',
    rule: 'range:',
    others: true,
    breaks: reading(
      (stored) => (range) => stored.read(range && { ...range, end: Math.max(range.start, range.end - 1) }),
    ),
  },
  {
    name: 'an object can be read once',
    rule: 'read: may be called again',
    breaks: reading((stored) => {
      let count = 0
      return async (range) => (count++ === 0 ? stored.read(range) : new Uint8Array(0))
    }),
  },
  {
    name: 'reading takes the newest version',
    rule: 'reader:',
    breaks: (real) => ({
      getObject: async (args) => ({
        ...(await real.getObject(args)),
        read: async (range) => (await real.getObject(args)).read(range),
      }),
    }),
  },
  {
    name: 'a reader sees two versions in turn',
    rule: 'reader:',
    breaks: (real) => ({
      getObject: async (args) => {
        const stored = await real.getObject(args)
        return {
          ...stored,
          read: async (range = { start: 0, end: stored.size - 1 }) => {
            const middle = (range.start + range.end) >> 1
            if (middle === range.start) return stored.read(range)
            const halves = async function* () {
              yield* asChunks(await stored.read({ ...range, end: middle }))
              const now = await real.getObject(args).catch(() => stored)
              const rest = { start: middle + 1, end: range.end }
              yield* asChunks(await (now.size === stored.size ? now : stored).read(rest))
            }
            return Readable.from(halves())
          },
        }
      },
    }),
  },
  {
    name: 'remove does nothing',
    rule: 'remove:',
    others: true,
    breaks: (real) => ({ removeObject: async (args) => void (await real.getObject(args)) }),
  },
  {
    name: 'removing what is missing is fine',
    rule: 'remove:',
    breaks: (real) => ({ removeObject: (args) => real.removeObject(args).catch(ignore('OBJECT_NOT_FOUND')) }),
  },
  {
    name: 'removing a folder removes what is in it',
    rule: 'remove:',
    breaks: (real) => ({
      removeObject: async (args) => {
        await real.removeObject(args)
        const inside = await collect(await real.listObjects({ bucket: args.bucket, prefix: `${args.object}/` }))
        for (const { object } of inside.map(decode)) await real.removeObject({ bucket: args.bucket, object })
      },
    }),
  },
  {
    name: 'a missing object is an empty one',
    rule: 'get:',
    others: true,
    breaks: (real) => ({
      getObject: (args) =>
        real.getObject(args).catch((error: unknown) => {
          ignore('OBJECT_NOT_FOUND')(error)
          return { object: args.object, size: 0, etag: '"0"', modified: 0, read: async () => new Uint8Array(0) }
        }),
    }),
  },
  {
    name: 'keys in the order of UTF-16',
    rule: 'list:',
    others: true,
    breaks: listing((all, { prefix = '', startAfter = '' }) =>
      all
        .filter(({ object }) => object.startsWith(prefix))
        .filter(({ object }) => Buffer.compare(Buffer.from(object), Buffer.from(startAfter)) > 0)
        .sort((a, b) => (a.object < b.object ? -1 : 1)),
    ),
  },
  {
    name: 'the prefix is ignored',
    rule: 'list prefix:',
    others: true,
    breaks: (real) => ({ listObjects: ({ prefix: _, ...args }) => real.listObjects(args) }),
  },
  {
    name: 'the prefix is a pattern',
    rule: 'list prefix',
    breaks: (real) => ({
      listObjects: async ({ prefix = '', ...args }) => {
        const source = prefix.replace(/[.+?^${}()|[\]\\*]/g, '\\$&').replaceAll('_', '.')
        const all = (await collect(await real.listObjects(args))).map(decode)
        return { items: all.filter(({ object }) => new RegExp(`^${source}`, 'u').test(object)) }
      },
    }),
  },
  {
    name: 'a prefix ends below the last code point',
    rule: 'list prefix',
    breaks: (real) => ({
      listObjects: async (args) => {
        const all = (await collect(await real.listObjects(args))).map(decode)
        const end = args.prefix && `${args.prefix}\u{10ffff}`
        return { items: all.filter(({ object }) => !end || !object.startsWith(end)) }
      },
    }),
  },
  {
    name: 'startAfter is included',
    rule: 'list startAfter:',
    breaks: (real) => ({
      listObjects: async (args) => {
        const all = (await collect(await real.listObjects({ ...args, startAfter: undefined }))).map(decode)
        const from = Buffer.from(args.startAfter ?? '')
        return { items: all.filter(({ object }) => Buffer.compare(Buffer.from(object), from) >= 0) }
      },
    }),
  },
  {
    name: 'startAfter that is not there begins at the start',
    rule: 'list',
    breaks: (real) => ({
      listObjects: async (args) => {
        const { bucket, startAfter: object = '' } = args
        const known = await real.getObject({ bucket, object }).catch(ignore('OBJECT_NOT_FOUND'))
        return real.listObjects(known ? args : { ...args, startAfter: undefined })
      },
    }),
  },
  {
    name: 'only the first page of names is listed',
    rule: 'list',
    breaks: (real) => ({ listNames: async (args) => ({ items: (await real.listNames(args)).items }) }),
  },
  {
    name: 'only the first page is listed',
    rule: 'list',
    breaks: (real) => ({ listObjects: async (args) => ({ items: (await real.listObjects(args)).items }) }),
  },
  {
    name: 'pages are counted, not remembered by key',
    rule: 'list pages',
    breaks: (real) => ({
      listObjects: async (args) => {
        const page = async (from: number): Promise<Awaited<ReturnType<StoragePort['listObjects']>>> => {
          const all = await collect(await real.listObjects(args))
          const end = from + 1_000
          return { items: all.slice(from, end), next: end < all.length ? () => page(end) : undefined }
        }
        return page(0)
      },
    }),
  },
  {
    name: 'writes are acknowledged before they are made',
    rule: 'acknowledged:',
    others: true,
    breaks: (real) => ({
      putObject: async (args) => {
        const parts = await Readable.from(args.body).toArray()
        setTimeout(() => real.putObject({ ...args, body: asChunks(Buffer.concat(parts)) }).catch(() => {}), 2)
        return { object: args.object, size: 1, etag: '"1"', modified: Date.now(), mediaType: args.mediaType }
      },
    }),
  },
]

function casesOn(mutant?: BrokenAdapter): Case[] {
  const cases: Case[] = []
  storageSuite({
    test: (name, run) => cases.push({ name, run }),
    create: async () => {
      const directory = mkdtempSync(join(root, 'case-'))
      const open = () => {
        const real = createSqliteStorage({ directory })
        const broken = { ...real, ...mutant?.breaks(real) }
        const { listNames } = { listNames: namesFrom(broken), ...mutant?.breaks(real) }
        return guard(storagePort, { ...broken, listNames })
      }
      return { storage: open(), reopen: async () => open() }
    },
  })
  return cases
}

proveSuite(mutants, casesOn)

async function* asChunks(bytes: AsyncIterable<Uint8Array> | Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes instanceof Uint8Array) yield bytes
  else yield* bytes
}

/** Names as they are listed with the rest, so that what is broken there is here too. */
function namesFrom({ listObjects }: Pick<StoragePort, 'listObjects'>): StoragePort['listNames'] {
  return async (args) => ({ items: (await collect(await listObjects(args))).map((info) => decode(info).object) })
}

/** The same adapter with other names for its buckets. */
function inBucket(real: StoragePort, named: (bucket: string) => string): Partial<StoragePort> {
  const other = <A extends { bucket: string }>(args: A): A => ({ ...args, bucket: named(args.bucket) })
  return {
    makeBucket: async (args) => real.makeBucket(other(args)),
    removeBucket: async (args) => real.removeBucket(other(args)),
    emptyBucket: async (args) => real.emptyBucket(other(args)),
    putObject: async (args) => real.putObject(other(args)),
    getObject: async (args) => real.getObject(other(args)),
    removeObject: async (args) => real.removeObject(other(args)),
    listObjects: async (args) => real.listObjects(other(args)),
  }
}

/** The same adapter with other keys for its objects. */
function underKey(real: StoragePort, keyed: (key: string) => string): Partial<StoragePort> {
  const other = <A extends { object: string }>(args: A): A => ({ ...args, object: keyed(args.object) })
  return {
    putObject: async (args) => real.putObject(other(args)),
    getObject: async (args) => real.getObject(other(args)),
    removeObject: async (args) => real.removeObject(other(args)),
  }
}

function retagged(real: StoragePort, etagOf: (info: ObjectInfo) => string): Partial<StoragePort> {
  const other = <I extends ObjectInfo>(info: I): I => ({ ...info, etag: etagOf(info) })
  return {
    putObject: async (args) => other(await real.putObject(args)),
    getObject: async (args) => other(await real.getObject(args)),
    listObjects: async (args) => ({ items: (await collect(await real.listObjects(args))).map(decode).map(other) }),
  }
}
