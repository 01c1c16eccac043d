/** The storage port on a real S3 server, and what happens to it when that server or a gateway goes away. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { createS3Storage } from '../adapters/storage/s3.ts'
import { addressOf } from '../adapters/storage/s3-address.ts'
import { S3Buckets } from '../adapters/storage/s3-buckets.ts'
import { S3Chores } from '../adapters/storage/s3-chores.ts'
import { placesIn } from '../adapters/storage/s3-places.ts'
import { S3Records } from '../adapters/storage/s3-records.ts'
import { S3Server } from '../adapters/storage/s3-server.ts'
import { HyperError } from '../server/error.ts'
import { type Guarded, guard } from '../server/port.ts'
import { collect } from '../server/ports/common.ts'
import { type StoragePort, storagePort } from '../server/ports/storage.ts'
import { storageSuite } from './conformance/storage.ts'
import { held, parts } from './helpers/bodies.ts'
import { type RealServer, startServer } from './parts/servers.ts'

const MB = 1024 * 1024
const LARGE = 400_000

const server = await startServer('minio')
if ('missing' in server) {
  test('storage on S3', (t) => {
    if (process.env.CI) assert.fail(server.missing)
    t.skip(server.missing)
  })
} else {
  after(() => server[Symbol.asyncDispose]())
  const url = `${server.url}/hyper-test`
  describe('storage on S3', () => {
    storageSuite({
      test,
      create: async () => {
        const namespace = freshNamespace()
        const open = () => guard(storagePort, createS3Storage({ url, namespace }))
        return { storage: open(), reopen: async () => open() }
      },
    })
  })
  beyondTheSuite(server, url)
}

function beyondTheSuite(server: RealServer, url: string): void {
  /** A namespace of its own with a bucket `b`, and as many gateways on it as a test wants. */
  class Shared implements AsyncDisposable {
    readonly namespace = freshNamespace()
    readonly #gateways: Guarded<StoragePort>[] = []
    readonly storage = this.gateway()

    static async make(): Promise<Shared> {
      const shared = new Shared()
      await shared.storage.makeBucket({ bucket: 'b' })
      return shared
    }

    gateway(): Guarded<StoragePort> {
      const gateway = guard(storagePort, createS3Storage({ url, namespace: this.namespace }))
      this.#gateways.push(gateway)
      return gateway
    }

    put(object: string, body: Uint8Array | AsyncIterable<Uint8Array>) {
      return this.storage.putObject({ bucket: 'b', object, body: body instanceof Uint8Array ? parts(body) : body })
    }

    /** What the S3 bucket holds under a folder of this namespace, unfinished uploads too. */
    async left(folder: string): Promise<string[]> {
      const Prefix = `${this.namespace}/${folder}`
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: 'hyper-test', Prefix }))
      const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: 'hyper-test' }))
      return [...Contents, ...Uploads].flatMap(({ Key = '' }) => (Key.startsWith(Prefix) ? Key : []))
    }

    async [Symbol.asyncDispose](): Promise<void> {
      await Promise.all(this.#gateways.map((gateway) => gateway.close()))
    }
  }

  const { origin, credentials = [] } = addressOf({ url })
  const s3 = new S3Client({
    endpoint: origin,
    forcePathStyle: true,
    region: 'us-east-1',
    credentials: credentials as { accessKeyId: string; secretAccessKey: string },
  })
  after(() => s3.destroy())

  test('S3: gateways on one server see each other at once', async () => {
    await using shared = await Shared.make()
    const { storage } = shared
    const other = shared.gateway()
    await shared.put('k', Buffer.alloc(10, 1))
    assert.equal((await bytesOf(other, 'k')).length, 10)
    await other.putObject({ bucket: 'b', object: 'k', body: parts(Buffer.alloc(LARGE, 2)) })
    assert.ok((await bytesOf(storage, 'k')).equals(Buffer.alloc(LARGE, 2)))

    assert.deepEqual(await other.emptyBucket({ bucket: 'b' }), { count: 1 })
    await rejected(bytesOf(storage, 'k'), 'OBJECT_NOT_FOUND')
    await shared.put('k', Buffer.from('new'))
    assert.equal(String(await bytesOf(other, 'k')), 'new')

    await other.removeBucket({ bucket: 'b' })
    await rejected(bytesOf(storage, 'k'), 'BUCKET_NOT_FOUND')
    await rejected(shared.put('k', Buffer.from('lost')), 'BUCKET_NOT_FOUND')
    await storage.makeBucket({ bucket: 'b' })
    await rejected(other.makeBucket({ bucket: 'b' }), 'BUCKET_EXISTS')
    assert.deepEqual(await collect(await other.listObjects({ bucket: 'b' })), [])
  })

  test('S3: of writers at several gateways who want nothing there exactly one wins', async () => {
    await using shared = await Shared.make()
    const gateways = [shared.storage, shared.gateway(), shared.gateway()]
    const absent = (current: unknown) => {
      if (current) throw new HyperError('PRECONDITION_FAILED', 'the object exists')
    }
    for (const size of [10, LARGE]) {
      const bodies = Array.from({ length: 9 }, (_, n) => Buffer.alloc(size, n))
      const object = `of-${size}`
      const told = await Promise.allSettled(
        bodies.map((body, n) => gateways[n % 3]?.putObject({ bucket: 'b', object, body: parts(body), onlyIf: absent })),
      )
      const winners = told.flatMap(({ status }, n) => (status === 'fulfilled' ? [n] : []))
      assert.equal(winners.length, 1)
      assert.ok((await bytesOf(shared.storage, object)).equals(bodies[winners[0] ?? 0] ?? Buffer.alloc(0)))
    }
    await until(async () => (await shared.left('bodies/')).length === 1)
    await until(async () => (await shared.left('chores/')).length === 0)
  })

  test('S3: an object put while its bucket is emptied elsewhere is there afterwards', async () => {
    await using shared = await Shared.make()
    const other = shared.gateway()
    for (const size of [10, LARGE, 11 * MB]) {
      const { body, reached, end } = held(Buffer.alloc(size, 3))
      const putting = shared.put('k', body)
      await reached
      await other.emptyBucket({ bucket: 'b' })
      end()
      await putting
      assert.ok((await bytesOf(other, 'k')).equals(Buffer.alloc(size, 3)), `${size}`)
    }
  })

  test('S3: what is replaced, removed or emptied leaves nothing', async () => {
    await using shared = await Shared.make()
    for (const key of ['replaced', 'shrunk', 'removed', 'emptied']) await shared.put(key, Buffer.alloc(LARGE))
    await shared.put('replaced', Buffer.alloc(LARGE))
    await shared.put('shrunk', Buffer.alloc(10))
    await shared.storage.removeObject({ bucket: 'b', object: 'removed' })
    await until(async () => (await shared.left('bodies/')).length === 2)
    await shared.storage.emptyBucket({ bucket: 'b' })
    await until(async () => (await shared.left('objects/')).length + (await shared.left('bodies/')).length === 0)
    await until(async () => (await shared.left('chores/')).length === 0)
    assert.equal((await shared.left('')).length, 1)
  })

  test('S3: an upload that breaks off leaves no part, however far it came', async () => {
    await using shared = await Shared.make()
    for (const size of [100_000, LARGE, 6 * MB, 17 * MB]) {
      const { body, reached, fail } = held(Buffer.alloc(size))
      const putting = shared.put('k', body)
      await reached
      if (size > 16 * MB) await until(async () => (await shared.left('bodies/')).length > 0)
      fail(new HyperError('BAD_REQUEST', 'cut off'))
      await rejected(putting, 'BAD_REQUEST')
      assert.deepEqual(await shared.left('bodies/'), [])
      assert.deepEqual(await shared.left('chores/'), [])
      assert.deepEqual(await shared.left('objects/'), [])
    }
  })

  test('S3: what a killed gateway was uploading goes when nobody has claimed it for a lease; what lives, stays', async () => {
    await using shared = await Shared.make()
    await shared.put('kept', Buffer.alloc(LARGE, 1))
    const child = gatewayThatHangs(url, shared.namespace)
    await once(child, 'message')
    child.kill('SIGKILL')
    await once(child, 'exit')
    const before = await shared.left('')
    assert.ok(
      before.filter((key) => key.includes('/bodies/')).length >= 2 && before.some((key) => key.includes('/chores/')),
    )

    const places = placesIn(`${shared.namespace}/`)
    const s3 = new S3Server(addressOf({ url }))
    const store = { server: s3, places, records: new S3Records(s3, places), buckets: new S3Buckets(s3, places) }
    const [living, other] = [new S3Chores(store, 2_000), new S3Chores(store, 2_000)]
    living.start()
    other.start()
    const noted = await living.note({ kind: 'body', generation: 'g', object: 'o', id: 'living' })
    await s3.put(store.records.bodyKey('g', 'living'), Buffer.from('bytes'))
    await until(async () => !(await shared.left('chores/')).some((key) => before.includes(key)))
    await sleep(3_000)
    assert.deepEqual(await shared.left('chores/'), [noted.key])
    assert.equal((await shared.left('bodies/')).length, 2)
    await Promise.all([living.close(), other.close()])
    s3.close()
    assert.ok((await bytesOf(shared.storage, 'kept')).equals(Buffer.alloc(LARGE, 1)))
    await rejected(bytesOf(shared.storage, 'hanging'), 'OBJECT_NOT_FOUND')
  })

  test('S3: an object of 200 MB goes in and out with little memory', async () => {
    await using shared = await Shared.make()
    const chunk = Buffer.alloc(65_536, 5)
    const size = 200 * MB
    const before = process.memoryUsage().rss
    let most = before
    const look = () => {
      most = Math.max(most, process.memoryUsage().rss)
    }
    const body = async function* () {
      for (let sent = 0; sent < size; sent += chunk.length) {
        yield chunk
        look()
      }
    }
    await shared.put('huge', body())
    const stored = await shared.storage.getObject({ bucket: 'b', object: 'huge' })
    assert.equal(stored.size, size)
    let received = 0
    for await (const part of (await stored.read()) as AsyncIterable<Uint8Array>) {
      received += part.length
      look()
    }
    assert.equal(received, size)
    assert.ok(most - before < 80 * MB, `${Math.round((most - before) / MB)} MB`)
  })

  test('S3: a slow reader neither keeps writers waiting nor loses its version, and holds little of it', async () => {
    await using shared = await Shared.make()
    const old = randomBytes(30 * MB)
    await shared.put('k', old)
    const stream = await (await shared.storage.getObject({ bucket: 'b', object: 'k' })).read()
    assert.ok(!(stream instanceof Uint8Array))
    stream.read(0)
    await shared.put('k', Buffer.from('new'))
    assert.equal(String(await bytesOf(shared.storage, 'k')), 'new')
    await sleep(1_500)
    assert.ok(stream.readableLength <= 256 * 1024, `${stream.readableLength}`)
    assert.ok(Buffer.concat(await stream.toArray()).equals(old))
  })

  for (const [what, down, up] of [
    ['dead', () => server.kill('SIGKILL'), () => server.restart()],
    ['paused', () => server.kill('SIGSTOP'), async () => server.kill('SIGCONT')],
  ] as const) {
    test(`S3: while the server is ${what}, everything is unavailable soon; afterwards all is well`, async (t) => {
      if (!server.isOurs) return t.skip('the server is not ours to kill')
      await using shared = await Shared.make()
      const { storage } = shared
      await shared.put('k', Buffer.from('text'))
      await shared.put('large', randomBytes(20 * MB))
      const reading = await (await storage.getObject({ bucket: 'b', object: 'large' })).read()
      assert.ok(!(reading instanceof Uint8Array))
      const { body, reached, end } = held(Buffer.alloc(12 * MB))
      const uploading = shared.put('uploaded', body)
      await reached

      down()
      const calls = {
        makeBucket: () => storage.makeBucket({ bucket: 'other' }),
        removeBucket: () => storage.removeBucket({ bucket: 'b' }),
        listBuckets: () => storage.listBuckets({}),
        emptyBucket: () => storage.emptyBucket({ bucket: 'b' }),
        putObject: () => shared.put('new', Buffer.from('text')),
        'putObject, large': () => shared.put('new', Buffer.alloc(12 * MB)),
        getObject: () => storage.getObject({ bucket: 'b', object: 'k' }),
        removeObject: () => storage.removeObject({ bucket: 'b', object: 'k' }),
        listObjects: () => storage.listObjects({ bucket: 'b' }),
        listNames: () => storage.listNames({ bucket: 'b' }),
        check: () => storage.check(),
        'a download that has begun': () => reading.toArray(),
        'an upload that has begun': () => {
          end()
          return uploading
        },
      }
      const took = await Promise.all(
        Object.entries(calls).map(async ([name, call]) => {
          const begun = performance.now()
          await rejected(call(), 'BACKEND_UNAVAILABLE', name)
          return `${name}: ${Math.round(performance.now() - begun)} ms`
        }),
      )
      t.diagnostic(took.join(', '))

      await up()
      const begun = performance.now()
      await until(() =>
        storage.check().then(
          () => true,
          () => false,
        ),
      )
      t.diagnostic(`ready again after ${Math.round(performance.now() - begun)} ms`)
      assert.equal(String(await bytesOf(storage, 'k')), 'text')
      assert.equal((await bytesOf(storage, 'large')).length, 20 * MB)
      await shared.put('k', Buffer.from('again'))
      assert.equal(String(await bytesOf(storage, 'k')), 'again')
    })
  }

  test('S3: a server that is not there, or not ours, is told of without secrets', async () => {
    const { host } = new URL(url)
    const wrong: Record<string, RegExp> = {
      [`http://stranger:topsecret@${host}/hyper-test`]: /refuses our access key/,
      [url.replace(/:[^:@]*@/, ':topsecret@')]: /refuses our secret key/,
      'http://key:topsecret@127.0.0.1:1/hyper-test': /does not answer/,
      'http://key:topsecret@nowhere.invalid/hyper-test': /does not answer/,
    }
    for (const [url, words] of Object.entries(wrong)) {
      const storage = guard(storagePort, createS3Storage({ url }))
      for (const call of [
        () => storage.check(),
        () => storage.makeBucket({ bucket: 'b' }),
        () => storage.listBuckets({}),
      ]) {
        const error = await rejected(call(), 'BACKEND_UNAVAILABLE')
        assert.match(error.message, words)
        assert.ok(!error.message.includes('topsecret') && !error.message.includes('stranger'), error.message)
      }
      await storage.close()
    }
  })
}

test('S3: an address that cannot be one is a configuration error', () => {
  const bad = [
    'ftp://host',
    'nonsense',
    'http://host/a/b',
    'http://host/UPPER',
    'http://key@host',
    'http://key:50%25%@host',
  ]
  for (const url of bad) assert.throws(() => createS3Storage({ url }), { code: 'CONFIG_INVALID' }, url)
  assert.throws(() => createS3Storage({ url: 'http://host', namespace: 'a/b' }), { code: 'CONFIG_INVALID' })
})

test('S3: an address says where, whose and in which region', () => {
  assert.deepEqual(addressOf({ url: 'http://k%3D:s%2F@minio:9000', namespace: 'Mine' }), {
    server: 'S3 at minio:9000',
    origin: 'http://minio:9000',
    s3Bucket: 'mine',
    root: 'Mine/',
    isAmazon: false,
    region: undefined,
    credentials: { accessKeyId: 'k=', secretAccessKey: 's/' },
  })
  const amazon = addressOf({ url: 'https://s3.eu-west-1.amazonaws.com/my-bucket', key: 'k', secretKey: 's' })
  assert.deepEqual([amazon.s3Bucket, amazon.region, amazon.isAmazon], ['my-bucket', 'eu-west-1', true])
  assert.equal(addressOf({ url: 'https://host/bucket?region=eu-9' }).region, 'eu-9')
  assert.equal(addressOf({ url: 'https://host/bucket' }).credentials, undefined)
})

function freshNamespace(): string {
  return `t${randomBytes(6).toString('hex')}`
}

async function bytesOf(storage: Guarded<StoragePort>, object: string): Promise<Buffer> {
  const read = await (await storage.getObject({ bucket: 'b', object })).read()
  return read instanceof Uint8Array ? Buffer.from(read) : Buffer.concat(await read.toArray())
}

/** Waits for work in the background. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 60_000; !(await condition()); await sleep(50)) {
    assert.ok(performance.now() < deadline, 'it never came to that')
  }
}

async function rejected(call: Promise<unknown> | undefined, code: string, what?: string): Promise<HyperError> {
  const error = await (call ?? Promise.resolve()).then(
    () => assert.fail(`${what ?? 'it'} succeeded`),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof HyperError, `${what ?? ''} ${String(error)}`)
  assert.equal(error.code, code, `${what ?? ''} ${error.message}`)
  return error
}

function gatewayThatHangs(url: string, namespace: string): ChildProcess {
  const adapter = fileURLToPath(new URL('../adapters/storage/s3.ts', import.meta.url))
  const script = `
    import { createS3Storage } from ${JSON.stringify(adapter)}
    const storage = createS3Storage(${JSON.stringify({ url, namespace })})
    const body = async function* () {
      yield Buffer.alloc(17_000_000)
      setTimeout(() => process.send('hanging'), 500)
      await new Promise((resolve) => setTimeout(resolve, 1e6))
    }
    storage.putObject({ bucket: 'b', object: 'hanging', body: body() })`
  return spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}
