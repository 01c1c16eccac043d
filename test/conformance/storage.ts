/**
 * What every storage adapter must do (server/ports/storage.ts, hyper-api §6): hand it your runner's `test` and a factory.
 * Each case is named `<rule>: <behaviour>` and runs on an adapter of its own with one bucket, `b`, made for it.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setImmediate as tick } from 'node:timers/promises'
import { type ErrorCode, HyperError } from '../../server/error.ts'
import { decode } from '../../server/json-text.ts'
import type { Guarded } from '../../server/port.ts'
import { collect } from '../../server/ports/common.ts'
import type { ByteRange, ObjectInfo, StoragePort, StoredObject } from '../../server/ports/storage.ts'

export interface StorageUnderTest {
  /** `guard(storagePort, adapter)` over storage that nobody else uses. */
  storage: Guarded<StoragePort>
  /** A second guarded adapter over the same storage, asked for after `storage` is closed. Absent: nothing outlives a close. */
  reopen?: () => Promise<Guarded<StoragePort>>
}

export interface StorageSuiteOptions {
  /** Registers a case with the runner: `node:test`'s `test`, or any function of this shape. */
  test: (name: string, run: () => Promise<void>) => unknown
  create: () => Promise<StorageUnderTest>
}

/** Where adapters may change their ways: rows and files, one chunk and many. */
const SIZES = [0, 1, 10_240, 65_535, 65_536, 65_537, 131_072, 1_000_003]

/** Several chunks, for readers and writers who are stopped half-way. */
const LARGE = 400_000

type Body = AsyncIterable<Uint8Array> | Uint8Array | string

interface Fixture extends StorageUnderTest {
  put(object: string, body: Body, mediaType?: string): Promise<ObjectInfo>
  putIf(object: string, body: Body, onlyIf: (current: ObjectInfo | undefined) => void): Promise<ObjectInfo>
  get(object: string): Promise<StoredObject>
  bytes(object: string, range?: ByteRange): Promise<Buffer>
  list(prefix?: string, startAfter?: string): Promise<ObjectInfo[]>
  keys(prefix?: string, startAfter?: string): Promise<string[]>
}

export function storageSuite({ test, create }: StorageSuiteOptions): void {
  function rule(name: string, run: (fixture: Fixture) => Promise<void>): void {
    test(name, async () => {
      const made = await create()
      const { storage } = made
      const names = async (prefix?: string, startAfter?: string) =>
        (await collect(await storage.listNames({ bucket: 'b', prefix, startAfter }))).map((name) => decode(name))
      const list: Fixture['list'] = async (prefix, startAfter) =>
        (await collect(await storage.listObjects({ bucket: 'b', prefix, startAfter }))).map((info) => decode(info))
      try {
        await storage.makeBucket({ bucket: 'b' })
        await run({
          ...made,
          put: (object, body, mediaType) => storage.putObject({ bucket: 'b', object, mediaType, body: asBody(body) }),
          putIf: (object, body, onlyIf) => storage.putObject({ bucket: 'b', object, onlyIf, body: asBody(body) }),
          get: (object) => storage.getObject({ bucket: 'b', object }),
          bytes: async (object, range) => bytesOf(await storage.getObject({ bucket: 'b', object }), range),
          list,
          keys: async (...args) => {
            const keys = (await list(...args)).map(({ object }) => object)
            assert.deepEqual(await names(...args), keys)
            return keys
          },
        })
      } finally {
        await storage.close()
      }
    })
  }

  // Buckets

  rule('buckets: making one twice is BUCKET_EXISTS and harms nothing', async ({ storage, put, bytes }) => {
    await put('k', 'text')
    await refused(storage.makeBucket({ bucket: 'b' }), 'BUCKET_EXISTS')
    assert.equal(String(await bytes('k')), 'text')
  })

  rule('buckets: names come back ascending by code point', async ({ storage }) => {
    const more = ['a', 'B', 'a b', 'a.b', 'cache.db', 'objects', 'tmp', 'é', '\u{ff5e}', '\u{1f600}', 'CON', '~', '%2e']
    for (const bucket of more) await storage.makeBucket({ bucket })
    const expected = [...more, 'b'].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    assert.deepEqual((await storage.listBuckets({})).names, expected)
  })

  rule('buckets: a removed one is gone, and made anew it is empty', async ({ storage, put, get, keys }) => {
    await put('k', 'text')
    await put('large', patterned(LARGE, 1))
    await storage.removeBucket({ bucket: 'b' })
    assert.deepEqual((await storage.listBuckets({})).names, [])
    await refused(get('k'), 'BUCKET_NOT_FOUND')
    await storage.makeBucket({ bucket: 'b' })
    assert.deepEqual(await keys(), [])
    await refused(get('k'), 'OBJECT_NOT_FOUND')
    await refused(get('large'), 'OBJECT_NOT_FOUND')
  })

  rule('buckets: each has its own objects', async ({ storage, put, bytes, keys }) => {
    await storage.makeBucket({ bucket: 'B' })
    await put('k', 'in b')
    await storage.putObject({ bucket: 'B', object: 'k', body: asBody('in B') })
    assert.equal(String(await bytes('k')), 'in b')
    await storage.removeObject({ bucket: 'B', object: 'k' })
    assert.deepEqual(await keys(), ['k'])
    await storage.removeBucket({ bucket: 'B' })
    assert.equal(String(await bytes('k')), 'in b')
  })

  rule('names: one that breaks the rule is PATH_INVALID on every method', async ({ storage }) => {
    for (const bucket of ['', '.', '..', 'a..b', 'a/b', '/', 'a\\b', 'a\0', '\ud800', 'a'.repeat(256)]) {
      for (const call of bucketCalls(storage, bucket)) await refused(call(), 'PATH_INVALID')
      await refused(storage.makeBucket({ bucket }), 'PATH_INVALID')
    }
    assert.deepEqual((await storage.listBuckets({})).names, ['b'])
  })

  rule('missing bucket: every method is BUCKET_NOT_FOUND', async ({ storage }) => {
    for (const call of bucketCalls(storage, 'nope')) await refused(call(), 'BUCKET_NOT_FOUND')
    assert.deepEqual((await storage.listBuckets({})).names, ['b'])
  })

  rule('missing bucket: is told before what is wrong with the body', async ({ storage }) => {
    for (const size of [0, LARGE]) {
      const body = async function* () {
        yield* cut(patterned(size, 1), 65_536)
        throw new HyperError('BAD_REQUEST', 'the body was cut off')
      }
      await refused(storage.putObject({ bucket: 'nope', object: 'k', body: body() }), 'BUCKET_NOT_FOUND')
    }
  })

  rule('emptyBucket: removes and counts the objects, keeps the bucket', async ({ storage, put, keys, bytes }) => {
    await storage.makeBucket({ bucket: 'other' })
    await storage.putObject({ bucket: 'other', object: 'k', body: asBody('stays') })
    await put('small', 'text')
    await put('dir/large', patterned(LARGE, 1))
    assert.deepEqual(await storage.emptyBucket({ bucket: 'b' }), { count: 2 })
    assert.deepEqual(await keys(), [])
    assert.deepEqual(await storage.emptyBucket({ bucket: 'b' }), { count: 0 })
    await put('small', 'again')
    assert.equal(String(await bytes('small')), 'again')
    assert.deepEqual(await keys(), ['small'])
    assert.deepEqual(await storage.emptyBucket({ bucket: 'other' }), { count: 1 })
    assert.deepEqual((await storage.listBuckets({})).names, ['b', 'other'])
  })

  // Keys

  rule('keys: every legal one is kept apart', async ({ put, bytes, keys }) => {
    const paths = ['a', 'A', 'a/b', 'a/b/c', 'a//b', 'a.b', 'a..b', '...', '.hidden', 'a b', ' ', 'tmp/x', 'storage.db']
    const text = [
      '%2e%2e',
      'a%2fb',
      'a\\b',
      '..\\x',
      'C:\\x',
      'CON',
      'é',
      'e\u{301}',
      '日本',
      '😀',
      '~',
      "a'b",
      'a"b',
      'a*?',
    ]
    const long = ['x'.repeat(1024), `${'d/'.repeat(511)}x`, '\u{ffff}', '\u{10ffff}', '\u{1}', '\n', 'constructor']
    const odd = [
      '-',
      'a/-/b',
      'a/-',
      '!',
      'a!',
      'a/!20',
      'a/xl.meta',
      'a/xl.meta/part.1',
      'a///b',
      '_',
      '`',
      '@',
      'a+b',
      'a&b',
    ]
    const all = [...paths, ...text, ...long, ...odd]
    for (const [n, key] of all.entries()) await put(key, `body ${n}`)
    for (const [n, key] of all.entries()) assert.equal(String(await bytes(key)), `body ${n}`, key)
    assert.deepEqual(await keys(), byBytes(all))
  })

  rule('keys: slashes in front are no part of one', async ({ put, bytes, keys }) => {
    assert.equal((await put('//a/b', 'text')).object, 'a/b')
    assert.equal(String(await bytes('/a/b')), 'text')
    assert.deepEqual(await keys(), ['a/b'])
  })

  rule('keys: one that breaks the rule is PATH_INVALID and stores nothing', async ({ storage, put, get, keys }) => {
    const bad = ['', '/', '..', '../x', 'a/..', 'a/../b', './a', 'a/./b', 'a/', 'a\0b', '\udc00', 'x'.repeat(1025)]
    for (const key of bad) {
      await refused(put(key, 'text'), 'PATH_INVALID')
      await refused(get(key), 'PATH_INVALID')
      await refused(storage.removeObject({ bucket: 'b', object: key }), 'PATH_INVALID')
    }
    assert.deepEqual(await keys(), [])
  })

  // Bytes

  rule('bytes: come back exactly as they went in, whatever their number', async ({ put, get }) => {
    for (const size of SIZES) {
      const body = patterned(size, size)
      assert.equal((await put(`of-${size}`, body)).size, size)
      const stored = await get(`of-${size}`)
      assert.equal(stored.size, size)
      assert.ok((await bytesOf(stored)).equals(body), `${size} bytes`)
    }
  })

  rule('bytes: however they are cut into chunks', async ({ put, get }) => {
    for (const size of [5_000, 65_537, 300_000]) {
      const body = patterned(size, size)
      for (const chunk of [1_000, 16_384, 65_536, 65_537, 262_144]) {
        const stored = await get((await put('cut', Readable.from(cut(body, chunk)))).object)
        assert.ok((await bytesOf(stored)).equals(body), `${size} bytes in chunks of ${chunk}`)
      }
    }
    const body = patterned(2_000, 7)
    await put('crumbs', Readable.from([Buffer.alloc(0), ...cut(body, 1), Buffer.alloc(0)]))
    assert.ok((await bytesOf(await get('crumbs'))).equals(body), 'single bytes')
  })

  rule('bytes: a plain Uint8Array is as good as a Buffer', async ({ put, bytes }) => {
    await put('plain', chunks(new Uint8Array([1, 2]), new Uint8Array([9, 3, 4, 9]).subarray(1, 3)))
    assert.deepEqual([...(await bytes('plain'))], [1, 2, 3, 4])
  })

  rule('bytes: only a stream is a body', async ({ storage, keys }) => {
    for (const body of [undefined, null, 'text', 1, {}, []])
      await refused(storage.putObject({ bucket: 'b', object: 'k', body }), 'INVALID_ARGUMENTS')
    assert.deepEqual(await keys(), [])
  })

  rule('range: those bytes alone, first and last included', async ({ put, get }) => {
    for (const size of [10, 10_240, LARGE]) {
      const body = patterned(size, size)
      await put('k', body)
      const last = size - 1
      const ranges = [
        [0, 0],
        [0, last],
        [last, last],
        [3, 7],
        [1, last - 1],
        [Math.floor(size / 2), last],
      ] as const
      for (const [start, end] of ranges) {
        const part = await bytesOf(await get('k'), { start, end })
        assert.ok(part.equals(body.subarray(start, end + 1)), `${start}-${end} of ${size}`)
      }
    }
  })

  rule('read: may be called again, or not at all', async ({ put, get }) => {
    for (const size of [100, LARGE]) {
      const body = patterned(size, 1)
      await put('k', body)
      await get('k')
      const stored = await get('k')
      const [one, two] = await Promise.all([bytesOf(stored), bytesOf(stored)])
      assert.ok(one.equals(body) && two.equals(body))
      assert.ok((await bytesOf(stored, { start: 5, end: 9 })).equals(body.subarray(5, 10)))
    }
  })

  rule('read: a stream may be given up', async ({ put, get, bytes }) => {
    const body = patterned(LARGE, 1)
    await put('k', body)
    const stream = await (await get('k')).read()
    if (stream instanceof Readable) {
      await once(stream, 'readable')
      stream.destroy()
      await once(stream, 'close')
    }
    assert.ok((await bytes('k')).equals(body))
  })

  // What is known of an object

  rule('info: the same wherever it is told', async ({ put, get, list }) => {
    const before = Date.now()
    for (const [key, size] of [
      ['a/small', 5],
      ['large', LARGE],
    ] as const) {
      const { etag, modified, ...rest } = await put(key, patterned(size, 1), 'text/css; charset=utf-8')
      assert.deepEqual(rest, { object: key, size, mediaType: 'text/css; charset=utf-8' })
      assert.match(etag, /^"[\x21\x23-\x7e]+"$/)
      assert.ok(Number.isInteger(modified) && modified >= before && modified <= Date.now())
      const { read, ...stored } = await get(key)
      assert.deepEqual(stored, { ...rest, etag, modified })
      assert.deepEqual(await list(key), [{ ...rest, etag, modified }])
    }
  })

  rule('info: without a media type there is none', async ({ put, get }) => {
    assert.equal((await put('k', 'text')).mediaType, undefined)
    assert.equal((await get('k')).mediaType, undefined)
  })

  rule('etag: differs when the bytes do, even by one in the middle', async ({ put }) => {
    for (const size of [100, LARGE]) {
      const one = patterned(size, 1)
      const other = Buffer.from(one)
      other[size >> 1] = (one[size >> 1] ?? 0) ^ 1
      const etags = [await put('k', one, 'a/a'), await put('k', other, 'a/a'), await put('k', one.subarray(1), 'a/a')]
      assert.equal(new Set(etags.map(({ etag }) => etag)).size, 3)
    }
  })

  rule('etag: differs when only the media type does', async ({ put }) => {
    const etags = [await put('k', 'text', 'a/a'), await put('k', 'text', 'a/b'), await put('k', 'text')]
    assert.equal(new Set(etags.map(({ etag }) => etag)).size, 3)
  })

  // Writes

  rule('put: replaces the whole object', async ({ put, get, bytes, keys }) => {
    const large = patterned(LARGE, 3)
    for (const body of ['first', 'second, longer', large, large.subarray(9), 'x', '']) {
      await put('k', body, `type/of-${body.length}`)
      assert.ok((await bytes('k')).equals(Buffer.from(body)))
      assert.equal((await get('k')).mediaType, `type/of-${body.length}`)
    }
    await put('k', 'untyped')
    assert.equal((await get('k')).mediaType, undefined)
    assert.deepEqual(await keys(), ['k'])
  })

  rule('put: of many at once on one key one stays, whole', async ({ put, get, keys }) => {
    const bodies = Array.from({ length: 12 }, (_, n) => patterned(n % 2 === 0 ? 1_000 + n : 200_000 + n, n))
    const put_ = (body: Buffer) => put('k', slowly(cut(body, 50_000)), `type/${body.length}`)
    const told = await Promise.all(bodies.map(put_))
    const stored = await get('k')
    const winner = told.findIndex(({ etag }) => etag === stored.etag)
    assert.notEqual(winner, -1)
    assert.ok((await bytesOf(stored)).equals(bodies[winner] ?? Buffer.alloc(0)))
    assert.equal(stored.mediaType, `type/${stored.size}`)
    assert.deepEqual(await keys(), ['k'])
  })

  rule('put: many keys at once are each whole', async ({ put, bytes, keys }) => {
    const bodies = new Map(Array.from({ length: 40 }, (_, n) => [`k${n}`, patterned(n * 5_000, n)]))
    await Promise.all([...bodies].map(([key, body]) => put(key, slowly(cut(body, 40_000)))))
    for (const [key, body] of bodies) assert.ok((await bytes(key)).equals(body), key)
    assert.equal((await keys()).length, 40)
  })

  rule('put unfinished: nobody sees a part, before or after it', async ({ storage, put, bytes, get, keys }) => {
    for (const size of [1_000, LARGE]) {
      await put('old', 'old')
      const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
      const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
      const body = async function* () {
        yield* cut(patterned(size, 1), 65_536)
        begin()
        await held
        yield Buffer.from('end')
      }
      const writing = Promise.all([put('old', body()), put('new', body())])
      await Promise.race([begun, writing])
      for (let n = 0; n < 10; n += 1) await tick()
      assert.equal(String(await bytes('old')), 'old')
      await refused(get('new'), 'OBJECT_NOT_FOUND')
      assert.deepEqual(await keys(), ['old'])
      letGo()
      await writing
      assert.equal((await bytes('old')).length, size + 3)
      assert.equal((await bytes('new')).length, size + 3)
      await storage.emptyBucket({ bucket: 'b' })
    }
  })

  rule('put failing: the error is told and nothing has changed', async ({ put, get, bytes, keys }) => {
    const { etag } = await put('old', 'old', 'a/a')
    for (const size of [0, 1_000, 65_536, LARGE]) {
      for (const key of ['old', 'new']) {
        const body = async function* () {
          yield* cut(patterned(size, 1), 65_536)
          throw new HyperError('BAD_REQUEST', 'the body was cut off')
        }
        await refused(put(key, body(), 'b/b'), 'BAD_REQUEST')
      }
    }
    assert.equal(String(await bytes('old')), 'old')
    const { mediaType, ...old } = await get('old')
    assert.deepEqual([old.etag, mediaType], [etag, 'a/a'])
    assert.deepEqual(await keys(), ['old'])
  })

  rule('put onlyIf: sees what is there when the body has come, and may refuse', async ({ put, putIf, get, keys }) => {
    for (const size of [1_000, LARGE]) {
      const old = await put('k', 'old', 'a/a')
      let newer: ObjectInfo | undefined
      const seen: (ObjectInfo | undefined)[] = []
      const body = async function* () {
        yield* cut(patterned(size, 1), 65_536)
        newer = await put('k', 'newer', 'b/b')
      }
      const refuse = (current: ObjectInfo | undefined) => {
        seen.push(current)
        if (current?.etag !== old.etag) throw new HyperError('PRECONDITION_FAILED', 'the object has changed')
      }
      await refused(putIf('k', body(), refuse), 'PRECONDITION_FAILED')
      assert.deepEqual(seen, [newer])
      assert.equal((await get('k')).etag, newer?.etag)
      await refused(putIf('new', 'text', refuse), 'PRECONDITION_FAILED')
      assert.equal(seen[1], undefined)
      assert.deepEqual(await keys(), ['k'])
      const { etag } = await putIf('k', 'newest', (current) => assert.deepEqual(current, newer))
      assert.equal((await get('k')).etag, etag)
    }
  })

  rule('put onlyIf: of many that want nothing there exactly one wins', async ({ putIf, bytes }) => {
    const absent = (current: ObjectInfo | undefined) => {
      if (current) throw new HyperError('PRECONDITION_FAILED', 'the object exists')
    }
    const bodies = Array.from({ length: 10 }, (_, n) => patterned(n % 2 === 0 ? 100 : 100_000, n))
    const told = await Promise.allSettled(bodies.map((body) => putIf('k', slowly(cut(body, 50_000)), absent)))
    const winners = told.flatMap(({ status }, n) => (status === 'fulfilled' ? [n] : []))
    assert.equal(winners.length, 1)
    assert.ok((await bytes('k')).equals(bodies[winners[0] ?? 0] ?? Buffer.alloc(0)))
  })

  rule('put into a bucket that goes meanwhile: BUCKET_NOT_FOUND', async ({ storage, put, keys }) => {
    for (const size of [1_000, LARGE]) {
      const body = async function* () {
        yield* cut(patterned(size, 1), 65_536)
        await storage.removeBucket({ bucket: 'b' })
        yield Buffer.from('end')
      }
      await refused(put('k', body()), 'BUCKET_NOT_FOUND')
      await storage.makeBucket({ bucket: 'b' })
      assert.deepEqual(await keys(), [])
    }
  })

  rule('remove: the object is gone, others stay, twice is OBJECT_NOT_FOUND', async ({ storage, put, get, keys }) => {
    for (const body of ['text', patterned(LARGE, 1)]) {
      for (const key of ['a', 'a/b', 'c']) await put(key, body)
      await storage.removeObject({ bucket: 'b', object: 'a' })
      await refused(get('a'), 'OBJECT_NOT_FOUND')
      await refused(storage.removeObject({ bucket: 'b', object: 'a' }), 'OBJECT_NOT_FOUND')
      assert.deepEqual(await keys(), ['a/b', 'c'])
    }
  })

  rule('get: what is not there is OBJECT_NOT_FOUND', async ({ get, put }) => {
    await put('a/b', 'text')
    for (const key of ['a', 'b', 'a/b/c', 'A/b', 'a/b.', 'constructor']) await refused(get(key), 'OBJECT_NOT_FOUND')
  })

  // Readers beside writers

  const endings: Record<string, (fixture: Fixture, body: Buffer) => Promise<unknown>> = {
    'its object is replaced': ({ put }, body) => put('k', Buffer.from(body).fill(255)),
    'its object is replaced by a small one': ({ put }) => put('k', 'small'),
    'its object is removed': ({ storage }) => storage.removeObject({ bucket: 'b', object: 'k' }),
    'its bucket is emptied': ({ storage }) => storage.emptyBucket({ bucket: 'b' }),
    'its bucket is removed': ({ storage }) => storage.removeBucket({ bucket: 'b' }),
  }
  for (const [what, end] of Object.entries(endings)) {
    rule(`reader: one that has begun reads its version to the end when ${what}`, async (fixture) => {
      for (const size of [1_000, LARGE]) {
        await fixture.storage.makeBucket({ bucket: 'b' }).catch(() => {})
        const body = patterned(size, 1)
        await fixture.put('k', body)
        const begun = await (await fixture.get('k')).read()
        const stored = await fixture.get('k')
        await end(fixture, body)
        assert.ok((await gather(begun)).equals(body))
        // One that begins only now has that version, or none.
        const late = await bytesOf(stored).catch((error: unknown) => {
          assert.ok(error instanceof HyperError && error.code === 'OBJECT_NOT_FOUND', String(error))
          return body
        })
        assert.ok(late.equals(body))
      }
    })
  }

  rule('reader: beside a stream of writes always sees one of them, whole', async ({ put, get }) => {
    const bodies = new Map<string, Buffer>()
    for (let n = 0; n < 8; n += 1) {
      const body = patterned(n % 2 === 0 ? 150_000 + n : 500 + n, n)
      bodies.set((await put('k', body)).etag, body)
    }
    let writing = true
    const write = async () => {
      for (let round = 0; round < 5; round += 1) for (const body of bodies.values()) await put('k', body)
      writing = false
    }
    const read = async () => {
      for (; writing; await tick()) {
        const stored = await get('k')
        assert.ok((await bytesOf(stored)).equals(bodies.get(stored.etag) ?? Buffer.alloc(0)), stored.etag)
      }
    }
    await Promise.all([write(), read(), read()])
  })

  // Listing

  rule('list: ascending by UTF-8 bytes, whatever was written first', async ({ put, keys }) => {
    const all = ['b', 'a/b', 'a', 'a-b', 'B', 'a/a', 'é', 'z', '\u{ff5e}', '\u{1f600}', '\u{e000}', 'a0']
    for (const key of all) await put(key, '')
    assert.deepEqual(await keys(), byBytes(all))
  })

  rule('list prefix: what begins with it, letter by letter', async ({ put, keys }) => {
    const all = [
      'a',
      'a/b',
      'a/c/d',
      'a0',
      'ab',
      'A/b',
      'a%b',
      'a_b',
      'a*b',
      'é/x',
      'e/x',
      '\u{10ffff}',
      '\u{10ffff}a',
      'a\u{10ffff}b',
    ]
    for (const key of all) await put(key, '')
    const prefixes = [
      '',
      'a',
      'a/',
      'a/c',
      'a/c/d',
      'a/c/d/',
      'A',
      'b',
      'a%',
      'a_',
      'a*',
      '%',
      '_',
      '*',
      'é',
      '\u{10ffff}',
    ]
    for (const prefix of prefixes)
      assert.deepEqual(await keys(prefix), byBytes(all.filter((key) => key.startsWith(prefix))), prefix)
  })

  rule('list startAfter: what comes after it, there or not', async ({ put, keys }) => {
    const all = ['a', 'a/b', 'a/c', 'b', 'b/a', '\u{1f600}']
    for (const key of all) await put(key, '')
    for (const after of ['', 'a', 'a/', 'a/b', 'a/bb', 'b', 'b/a', 'c', '\u{ff5e}', '\u{1f600}']) {
      const expected = byBytes(all).filter((key) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0)
      assert.deepEqual(await keys(undefined, after), expected, after)
      assert.deepEqual(
        await keys('a/', after),
        expected.filter((key) => key.startsWith('a/')),
        after,
      )
    }
  })

  rule('list long: names that differ only behind 1000 bytes are in order, too', async ({ put, bytes, keys }) => {
    for (const start of ['x'.repeat(1000), 'é'.repeat(500), `${'part/'.repeat(199)}12345`]) {
      const all = ['b', 'a', 'a/b', 'a//b', 'é', 'B', ''].map((end) => start + end)
      for (const key of all) await put(key, key)
      for (const key of all) assert.equal(String(await bytes(key)), key)
      assert.deepEqual(await keys(start), byBytes(all))
      assert.deepEqual(await keys(`${start}a`), byBytes(all.filter((key) => key.startsWith(`${start}a`))))
      assert.deepEqual(
        await keys(start.slice(0, 900), `${start}a`),
        byBytes(all).slice(byBytes(all).indexOf(`${start}a`) + 1),
      )
    }
    assert.equal((await keys()).length, 21)
  })

  rule('list: an empty bucket has an empty page', async ({ keys }) => {
    assert.deepEqual(await keys(), [])
    assert.deepEqual(await keys('a', 'b'), [])
  })

  rule('list all: many objects come once each, in order', async ({ put, keys }) => {
    const all = Array.from({ length: 2_300 }, (_, n) => `${n % 2 === 0 ? 'even' : 'odd'}/${String(n).padStart(5, '0')}`)
    await Promise.all(all.toReversed().map((key) => put(key, key)))
    assert.deepEqual(await keys(), byBytes(all))
    assert.deepEqual(await keys('odd/'), byBytes(all.filter((key) => key.startsWith('odd/'))))
    assert.deepEqual(await keys('odd/', 'odd/00100'), byBytes(all.filter((key) => key > 'odd/00100')))
  })

  rule('list pages: a write between two of them neither skips nor repeats', async ({ storage, put, keys }) => {
    const all = Array.from({ length: 1_100 }, (_, n) => `k${String(n).padStart(5, '0')}`)
    await Promise.all(all.map((key) => put(key, '')))
    const first = await storage.listObjects({ bucket: 'b' })
    for (const key of ['a', 'b']) await put(key, '')
    await storage.removeObject({ bucket: 'b', object: 'k00000' })
    const seen = (await collect(first)).map((info) => decode(info).object)
    assert.deepEqual(
      seen.filter((key) => key.startsWith('k')),
      all,
    )
    assert.equal((await keys()).length, 1_101)
  })

  // Lifecycle

  rule('acknowledged: a write is seen by the read that follows it', async ({ storage, put, bytes, get, keys }) => {
    for (let n = 0; n < 30; n += 1) {
      await put('k', `${n}`)
      assert.equal(String(await bytes('k')), `${n}`)
      assert.deepEqual(await keys(), ['k'])
      await storage.removeObject({ bucket: 'b', object: 'k' })
      await refused(get('k'), 'OBJECT_NOT_FOUND')
    }
  })

  rule('close: may be repeated, and what comes after is CLOSED', async ({ storage, put, get }) => {
    await put('k', 'text')
    await storage.check()
    await storage.close()
    await storage.close()
    await refused(get('k'), 'CLOSED')
    await refused(put('late', 'text'), 'CLOSED')
    await refused(storage.check(), 'CLOSED')
  })

  rule('close: an upload on its way is refused and leaves nothing', async ({ storage, put, reopen }) => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>()
    const body = async function* () {
      yield* cut(patterned(LARGE, 1), 65_536)
      begin()
      await held
      yield patterned(LARGE, 2)
    }
    const writing = refused(put('k', body()), 'CLOSED')
    await Promise.race([begun, writing])
    await storage.close()
    letGo()
    await writing
    if (!reopen) return
    const again = await reopen()
    assert.deepEqual((await again.listObjects({ bucket: 'b' })).items, [])
    await again.close()
  })

  rule('reopen: buckets, objects and what is known of them outlive a close', async ({ storage, put, reopen }) => {
    if (!reopen) return
    const large = patterned(LARGE, 1)
    const told = [await put('a', 'text', 'text/plain'), await put('b', large), await put('c', '')]
    await storage.makeBucket({ bucket: 'gone' })
    await storage.putObject({ bucket: 'gone', object: 'k', body: asBody('text') })
    await storage.removeBucket({ bucket: 'gone' })
    await storage.close()
    const again = await reopen()
    try {
      assert.deepEqual((await again.listBuckets({})).names, ['b'])
      assert.deepEqual((await again.listObjects({ bucket: 'b' })).items.map(decode), told)
      assert.ok((await bytesOf(await again.getObject({ bucket: 'b', object: 'b' }))).equals(large))
      assert.equal(String(await bytesOf(await again.getObject({ bucket: 'b', object: 'a' }))), 'text')
      await again.makeBucket({ bucket: 'gone' })
      assert.deepEqual((await again.listObjects({ bucket: 'gone' })).items, [])
    } finally {
      await again.close()
    }
  })
}

/** One call of each method that needs an existing bucket. */
function bucketCalls(storage: Guarded<StoragePort>, bucket: string): (() => Promise<unknown>)[] {
  const object = 'k'
  return [
    () => storage.emptyBucket({ bucket }),
    () => storage.putObject({ bucket, object, body: asBody('text') }),
    () => storage.putObject({ bucket, object, body: asBody(patterned(LARGE, 1)) }),
    () => storage.getObject({ bucket, object }),
    () => storage.removeObject({ bucket, object }),
    () => storage.listObjects({ bucket }),
    () => storage.listNames({ bucket }),
    () => storage.removeBucket({ bucket }),
  ]
}

/** Bytes that do not repeat with any power of two, others for each `seed`. */
function patterned(size: number, seed: number): Buffer {
  const period = Buffer.from(Array.from({ length: 997 }, (_, n) => (n * 31 + seed * 7 + (n >> 3)) & 0xff))
  return Buffer.alloc(size, period)
}

function cut(bytes: Buffer, size: number): Buffer[] {
  const count = Math.ceil(bytes.length / size)
  return Array.from({ length: count }, (_, n) => bytes.subarray(n * size, (n + 1) * size))
}

async function* chunks(...parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* parts
}

/** Lets others have their turn before each chunk. */
async function* slowly(parts: Uint8Array[]): AsyncIterable<Uint8Array> {
  for (const part of parts) {
    await tick()
    yield part
  }
}

function asBody(body: Body): AsyncIterable<Uint8Array> {
  return typeof body === 'string' || body instanceof Uint8Array ? chunks(...cut(Buffer.from(body), 65_536)) : body
}

async function bytesOf(stored: StoredObject, range?: ByteRange): Promise<Buffer> {
  return gather(await stored.read(range))
}

async function gather(read: Uint8Array | Readable): Promise<Buffer> {
  return read instanceof Uint8Array ? Buffer.from(read) : Buffer.concat(await read.toArray())
}

function byBytes(keys: readonly string[]): string[] {
  return keys.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

async function refused(call: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof HyperError, `not a HyperError: ${String(error)}`)
    assert.equal(error.code, code)
    return true
  })
}
