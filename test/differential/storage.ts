/** Storage calls, on buckets and objects that come back again and again. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { HyperError } from '../../server/error.ts'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { ByteRange, ObjectInfo, StoragePort, StoredObject } from '../../server/ports/storage.ts'
import { callWith, type Differential, step } from './harness.ts'

export interface StorageSide {
  storage: Guarded<StoragePort>
  /** What was put last under each name: the tag it got, and what that tag stands for. */
  put: Map<string, { etag: string; of: string }>
}

interface Content {
  size: number
  letter: string
  chunks: number
  /** Fails after its chunks. */
  fails?: boolean
}

const LONGEST = `${'n'.repeat(200)}/`.repeat(5).slice(0, 1_024)

const buckets = fc.oneof(
  { weight: 30, arbitrary: fc.constant('b') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'c',
      'B',
      'a b',
      'é',
      'e\u0301',
      'cache.db',
      '%2e',
      '-',
      'x'.repeat(255),
      '😀',
      'constructor',
    ),
  },
  { weight: 2, arbitrary: fc.constantFrom('', '.', '..', 'a..b', 'a/b', 'a\\b', 'a\0b', '\ud800', 'x'.repeat(256)) },
)
const otherBuckets = fc.oneof(
  { weight: 1, arbitrary: buckets },
  { weight: 15, arbitrary: fc.constantFrom('c', 'B', 'é') },
)

const plainNames = ['a', 'b', 'a/b', 'a/b/c', 'a.b', 'a b']
/** Some of which a server may take for one. */
const confusableNames = ['é', 'e\u0301', 'a//b', 'a%2Fb', 'a%20b', 'a+b', 'A', 'a\\b']
const awkwardNames = [
  ...[
    'a//b',
    'a///b',
    '/a',
    '//a',
    '/a//b',
    '%',
    '%2F',
    'a%2Fb',
    'a%20b',
    'a+b',
    'a&b',
    'a?b',
    'a#b',
    'a;b',
    'a:b',
    'a=b',
    '~',
  ],
  ...[
    'é',
    'e\u0301',
    '😀',
    '\uffff',
    '\u{10ffff}',
    '中/文',
    'a\\b',
    'a..b',
    '...',
    '..a',
    '.a',
    'a/.b',
    'a*',
    "a'b",
    'a"b',
    '<a>',
  ],
  ...[
    'a\nb',
    'a\tb',
    'a\u007fb',
    '\u0001',
    '\u2028',
    '\ufeff',
    ' ',
    ' a',
    'a ',
    'a /b',
    'A',
    'CON',
    'a.',
    'xl.meta',
    'meta.json',
    '__proto__',
  ],
  ...[LONGEST, 'é'.repeat(100), 'n'.repeat(255)],
]
const refusedNames = [
  ...[
    '',
    '/',
    'a/',
    'a//',
    '.',
    '..',
    './a',
    'a/.',
    'a/..',
    'a/../b',
    '../a',
    'a/./b',
    'a\0b',
    '\ud800',
    `${LONGEST}n`,
  ],
]
const names = fc.oneof(
  { weight: 16, arbitrary: fc.constantFrom(...plainNames) },
  { weight: 6, arbitrary: fc.constantFrom(...confusableNames) },
  { weight: 8, arbitrary: fc.constantFrom(...awkwardNames) },
  { weight: 1, arbitrary: fc.constantFrom(...refusedNames) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }) },
)
const prefixes = fc.oneof(
  fc.constantFrom(
    '',
    'a',
    'a/',
    'a/b',
    'a//',
    '/',
    '%',
    '%2',
    'é',
    'e',
    '\u{10ffff}',
    'n',
    'x',
    '*',
    '\ud800',
    '\0',
    LONGEST,
  ),
  names,
)

const contents: fc.Arbitrary<Content> = fc.record({
  size: fc.oneof(
    { weight: 20, arbitrary: fc.constantFrom(0, 1, 5, 100) },
    { weight: 6, arbitrary: fc.constantFrom(10_240, 65_535, 65_536, 65_537) },
    { weight: 1, arbitrary: fc.constantFrom(131_072, 400_000) },
  ),
  letter: fc.constantFrom('x', 'y'),
  chunks: fc.integer({ min: 1, max: 4 }),
})
const mediaTypes = fc.constantFrom(
  ...[
    'text/plain',
    'text/plain; charset=UTF-8',
    'application/json',
    'image/png',
    'application/octet-stream',
    'x/y; a="b c"',
  ],
  ...['binary/octet-stream', 'TEXT/HTML', 'multipart/form-data; boundary=x'],
)
const offsets = fc.constantFrom(0, 0, 1, 4, 99, 10_239, 65_535, 65_536)

const put = { bucket: buckets, object: names, content: contents }

export const storageDifferential: Differential<StorageSide> = {
  service: 'storage',
  setup: fc
    .tuple(fc.subarray([...plainNames, ...confusableNames], { minLength: 6 }), contents)
    .map(([held, content]) => [
      { method: 'makeBucket', args: { bucket: 'b' } },
      ...held.map((object) => ({ method: 'putObject', args: { bucket: 'b', object, content } })),
    ]),
  steps: {
    'PUT /storage/:name': step('makeBucket', { bucket: otherBuckets }),
    'DELETE /storage/:name': step('removeBucket', { bucket: otherBuckets }),
    'list of buckets': step('listBuckets', {}),
    purge: step('emptyBucket', { bucket: otherBuckets }),
    'POST object': step('putObject', put),
    'POST object, media type': step('putObject', { ...put, mediaType: mediaTypes }),
    'POST object, conditional': step('putObject', {
      ...put,
      onlyIf: fc.constantFrom('absent', 'present', 'as put', 'never'),
    }),
    'POST object, body that fails': step('putObject', {
      ...put,
      content: contents.map((content) => ({ ...content, fails: true })),
    }),
    'GET object': step('getObject', { bucket: buckets, object: names }),
    'GET object, range': step('getObject', {
      bucket: buckets,
      object: names,
      range: fc.tuple(offsets, offsets).map(([start, length]) => ({ start, end: start + length })),
    }),
    'DELETE object': step('removeObject', { bucket: buckets, object: names }),
    list: step('listObjects', { bucket: buckets }),
    'list prefix': step('listObjects', { bucket: buckets, prefix: prefixes }),
    'list startAfter': step('listObjects', { bucket: buckets, startAfter: prefixes }),
    'list prefix and startAfter': step('listObjects', { bucket: buckets, prefix: prefixes, startAfter: prefixes }),
    'wrong types': fc
      .tuple(
        fc.constantFrom('putObject', 'getObject', 'removeObject', 'listObjects', 'makeBucket'),
        fc.constantFrom('bucket', 'object', 'mediaType', 'prefix', 'startAfter', 'content'),
        fc.constantFrom<unknown>(null, 5, true, [], {}, undefined),
      )
      .map(([method, name, wrong]) => ({
        method,
        args: { bucket: 'b', object: 'a', content: { size: 1, letter: 'x', chunks: 1 }, [name]: wrong },
      })),
  },
  length: 24,
  isWrite: ({ method }) => /^(make|remove|empty|put)/.test(method),
  observe: [{ method: 'listObjects', args: { bucket: 'b' } }],

  async reset({ storage, put }) {
    for (const bucket of (await storage.listBuckets({})).names) await storage.removeBucket({ bucket })
    put.clear()
  },

  async perform(side, { method, args }) {
    const { storage } = side
    const { bucket, object, content, range, onlyIf, ...rest } = args
    switch (method) {
      case 'putObject': {
        const seen: unknown[] = []
        const check = (current: ObjectInfo | undefined) => {
          seen.push(current === undefined ? 'nothing' : known(side, bucket, current))
          if (!holds(side, onlyIf, bucket, current)) throw new HyperError('PRECONDITION_FAILED', 'it does not hold')
        }
        const isContent = typeof content === 'object' && content !== null && 'size' in content
        const info = await storage.putObject({
          ...rest,
          bucket,
          object,
          body: isContent ? bodyOf(content as Content) : content,
          onlyIf: onlyIf === undefined ? undefined : check,
        })
        const of = `${digest(Buffer.concat(chunksOf(content as Content)))} ${info.mediaType}`
        const key = `${bucket}/${info.object}`
        const last = side.put.get(key)
        const isStale = last !== undefined && last.of !== of && last.etag === info.etag
        side.put.set(key, { etag: info.etag, of })
        return { info: known(side, bucket, info), isStale, seen: onlyIf === undefined ? undefined : seen.at(-1) }
      }
      case 'getObject': {
        const found = await storage.getObject({ bucket, object })
        return { info: known(side, bucket, found), bytes: await bytesOf(found, range as ByteRange | undefined) }
      }
      case 'listObjects': {
        const infos = await collect(await storage.listObjects({ bucket, ...(rest as { prefix?: unknown }) } as never))
        return infos.map((info) => known(side, bucket, decode(info)))
      }
      default:
        return callWith(storage, method, args)
    }
  },
}

/** Tags and times differ from engine to engine; what they say of the version is compared. */
function known({ put }: StorageSide, bucket: unknown, { object, size, mediaType, etag, modified }: ObjectInfo) {
  return {
    object,
    size,
    mediaType,
    etag: put.get(`${bucket}/${object}`)?.etag === etag ? 'as put' : 'another',
    modified: Math.abs(Date.now() - modified) < 30_000 ? 'now' : modified,
  }
}

function holds({ put }: StorageSide, onlyIf: unknown, bucket: unknown, current: ObjectInfo | undefined): boolean {
  if (onlyIf === 'absent') return current === undefined
  if (onlyIf === 'present') return current !== undefined
  if (onlyIf === 'as put') return current !== undefined && put.get(`${bucket}/${current.object}`)?.etag === current.etag
  return false
}

function chunksOf({ size, letter, chunks }: Content): Buffer[] {
  const whole = Buffer.alloc(size, letter)
  const length = Math.max(1, Math.ceil(size / chunks))
  return Array.from({ length: Math.ceil(size / length) }, (_, n) => whole.subarray(n * length, (n + 1) * length))
}

async function* bodyOf(content: Content): AsyncGenerator<Buffer> {
  yield* chunksOf(content)
  if (content.fails) throw new HyperError('BAD_REQUEST', 'the client went away')
}

async function bytesOf(found: StoredObject, range: ByteRange | undefined): Promise<string> {
  // The gateway clips ranges before it asks.
  if (range && range.start >= found.size) return 'outside'
  const bytes = await found.read(range && { start: range.start, end: Math.min(range.end, found.size - 1) })
  if (bytes instanceof Uint8Array) return `${bytes.length} ${digest(bytes)}`
  const chunks: Buffer[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  const whole = Buffer.concat(chunks)
  return `${whole.length} ${digest(whole)}`
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 12)
}
