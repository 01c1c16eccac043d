/** What the embedded storage keeps on disk, and what it makes of a disk that others have been at. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setTimeout as sleep, setImmediate as tick } from 'node:timers/promises'
import { ObjectFiles } from '../adapters/storage/object-files.ts'
import { createSqliteStorage } from '../adapters/storage/sqlite.ts'
import { HyperError } from '../server/error.ts'
import { type Guarded, guard } from '../server/port.ts'
import { type StoragePort, storagePort } from '../server/ports/storage.ts'
import { held, parts } from './helpers/bodies.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-storage-files-'))
after(() => rmSync(root, { recursive: true, force: true }))

const MB = 1024 * 1024
const LARGE = 200_000

/** An adapter over a directory of its own, with a bucket `b`. */
class Disk implements AsyncDisposable {
  readonly directory = mkdtempSync(join(root, 'case-'))
  storage = this.#create()

  static async make(): Promise<Disk> {
    const disk = new Disk()
    await disk.storage.makeBucket({ bucket: 'b' })
    return disk
  }

  #create(): Guarded<StoragePort> {
    return guard(storagePort, createSqliteStorage({ directory: this.directory }))
  }

  async reopen(): Promise<void> {
    await this.storage.close()
    this.storage = this.#create()
    await this.storage.open()
  }

  put(object: string, body: Uint8Array | AsyncIterable<Uint8Array>) {
    return this.storage.putObject({ bucket: 'b', object, body: body instanceof Uint8Array ? parts(body) : body })
  }

  async get(object: string): Promise<Buffer> {
    const read = await (await this.storage.getObject({ bucket: 'b', object })).read()
    return read instanceof Uint8Array ? Buffer.from(read) : Buffer.concat(await read.toArray())
  }

  /** Those of objects, relative to the directory of the adapter. */
  files(): string[] {
    const entries = readdirSync(join(this.directory, 'objects'), { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) =>
        join(parentPath, name)
          .slice(this.directory.length + 1)
          .replaceAll(sep, '/'),
      )
      .sort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.storage.close()
  }
}

/** Waits for work in the background. */
async function until(condition: () => boolean, what: () => unknown): Promise<void> {
  for (const deadline = performance.now() + 20_000; !condition(); await sleep(20)) {
    assert.ok(performance.now() < deadline, `still ${JSON.stringify(what())}`)
  }
}

async function unavailable(call: Promise<unknown>, directory: string): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof HyperError && error.code === 'BACKEND_UNAVAILABLE', String(error))
    assert.ok(!error.message.includes(directory) && !error.message.includes('objects/'), error.message)
    return true
  })
}

test('small objects are rows, large ones files whose names tell nothing of their keys', async () => {
  await using disk = await Disk.make()
  const keys = [
    '..\\..\\x',
    'C:\\x',
    '%2e%2e/x',
    '/etc/passwd',
    'objects/x',
    'a'.repeat(1024),
    'CON',
    `${'d/'.repeat(500)}x`,
  ]
  for (const key of keys) await disk.put(key, Buffer.alloc(65_536))
  assert.deepEqual(disk.files(), [])
  for (const key of keys) await disk.put(key, Buffer.alloc(65_537))
  const files = disk.files()
  assert.equal(files.length, keys.length)
  for (const file of files) assert.match(file, /^objects\/([0-9a-f]{2})\/\1[0-9a-f]{30}$/)
  assert.deepEqual(
    readdirSync(disk.directory).filter((name) => !name.startsWith('storage.db')),
    ['objects'],
  )
})

test('an upload is a file only once it is large, and none any more when it fails', async () => {
  await using disk = await Disk.make()
  const small = Array.from({ length: 200 }, () => held(Buffer.alloc(60_000)))
  const uploads = small.map(({ body }, n) => disk.put(`k${n}`, body))
  await Promise.all(small.map(({ reached }) => reached))
  assert.deepEqual(disk.files(), [])
  const large = held(Buffer.alloc(LARGE))
  const failing = disk.put('large', large.body)
  await large.reached
  assert.match(disk.files().join(), /^objects\/tmp\/[0-9a-f]{32}$/)
  large.fail(new HyperError('BAD_REQUEST', 'cut off'))
  await assert.rejects(failing, { code: 'BAD_REQUEST' })
  assert.deepEqual(disk.files(), [])
  for (const { end } of small) end()
  await Promise.all(uploads)
})

test('an upload that is refused at its end leaves nothing', async () => {
  await using disk = await Disk.make()
  const { body, reached, end } = held(Buffer.alloc(LARGE))
  const upload = disk.put('k', body)
  await reached
  await disk.storage.removeBucket({ bucket: 'b' })
  end()
  await assert.rejects(upload, { code: 'BUCKET_NOT_FOUND' })
  assert.deepEqual(disk.files(), [])
})

test('what is replaced, removed or emptied leaves no file, soon while it runs and at once when it closes', async () => {
  for (const closes of [true, false]) {
    await using disk = await Disk.make()
    const large = Buffer.alloc(LARGE)
    for (const key of ['replaced', 'shrunk', 'removed', 'emptied']) await disk.put(key, large)
    await disk.put('replaced', large)
    await disk.put('shrunk', Buffer.alloc(10))
    await disk.storage.removeObject({ bucket: 'b', object: 'removed' })
    if (closes) {
      await disk.reopen()
      assert.equal(disk.files().length, 2)
    }
    await disk.storage.emptyBucket({ bucket: 'b' })
    await disk.put('kept', large)
    await until(
      () => disk.files().length === 1,
      () => disk.files(),
    )
    assert.ok((await disk.get('kept')).equals(large))
  }
})

test('a bucket that was being emptied at the end is emptied at the next start', async () => {
  await using disk = await Disk.make()
  await Promise.all(Array.from({ length: 500 }, (_, n) => disk.put(`k${n}`, Buffer.alloc(n % 50 === 0 ? LARGE : 10))))
  assert.deepEqual(await disk.storage.emptyBucket({ bucket: 'b' }), { count: 500 })
  await disk.storage.close()
  const left = rows(disk)
  assert.ok(left.objects > 1 && left.buckets === 2, JSON.stringify(left))
  await disk.reopen()
  await disk.put('kept', Buffer.alloc(LARGE))
  await until(
    () => disk.files().length === 1,
    () => disk.files(),
  )
  await disk.reopen()
  await disk.storage.close()
  assert.deepEqual(rows(disk), { objects: 1, contents: 0, buckets: 1 })
})

function rows({ directory }: Disk): { objects: number; contents: number; buckets: number } {
  using db = new DatabaseSync(join(directory, 'storage.db'), { readOnly: true })
  const count = (table: string) => Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n)
  return { objects: count('objects'), contents: count('contents'), buckets: count('buckets') }
}

test('a start removes what a crash left, and nothing else', async () => {
  await using disk = await Disk.make()
  const bodies = Array.from({ length: 20 }, (_, n) => Buffer.alloc(LARGE, n))
  for (const [n, body] of bodies.entries()) await disk.put(`k${n}`, body)
  await disk.storage.close()
  const kept = disk.files()
  const strays = ['tmp/0123', 'tmp/4567']
  for (let n = 0; n < 256; n += 1) strays.push(`${hex(n)}/${hex(n)}${'0'.repeat(30)}`)
  for (const stray of strays) {
    mkdirSync(join(disk.directory, 'objects', stray, '..'), { recursive: true })
    writeFileSync(join(disk.directory, 'objects', stray), 'stray')
  }
  await disk.reopen()
  const during = Array.from({ length: 20 }, (_, n) => disk.put(`new${n}`, Buffer.alloc(LARGE, n)))
  await Promise.all(during)
  await until(
    () => disk.files().length === 40,
    () => disk.files().length,
  )
  assert.deepEqual(
    disk.files().filter((file) => kept.includes(file)),
    kept,
  )
  for (const [n, body] of bodies.entries()) {
    assert.ok((await disk.get(`k${n}`)).equals(body))
    assert.ok((await disk.get(`new${n}`)).equals(body))
  }
})

test('a start keeps files whose rows are only on their way', async () => {
  const objects = mkdtempSync(join(root, 'case-'))
  for (let n = 0; n < 256; n += 1) {
    mkdirSync(join(objects, hex(n)))
    writeFileSync(join(objects, hex(n), `${hex(n)}${'0'.repeat(30)}`), 'stray')
  }
  const files = new ObjectFiles(objects)
  await files.open(() => new Set())
  const drafts = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const draft = await files.create()
      await files.place(draft)
      return draft.name
    }),
  )
  const left = () => readdirSync(objects, { recursive: true }).filter((name) => String(name).length > 3)
  await until(() => left().length <= 40, left)
  assert.equal(left().length, 40)
  for (const name of drafts) await (await files.read(name))?.close()
  await files.stop()
  assert.equal(left().length, 40)
})

function hex(n: number): string {
  return n.toString(16).padStart(2, '0')
}

test('an object whose file is cut or gone is unavailable, never half; put again it is whole', async () => {
  await using disk = await Disk.make()
  const body = Buffer.alloc(LARGE, 7)
  for (const damage of [(path: string) => truncateSync(path, 100_000), (path: string) => rmSync(path)]) {
    await disk.put('k', body)
    await disk.put('small', Buffer.from('fine'))
    // The one before goes a moment later, and times of files are too coarse to tell them apart.
    await until(
      () => disk.files().length === 1,
      () => disk.files(),
    )
    damage(newest(disk))
    await unavailable(disk.get('k'), disk.directory)
    assert.equal(String(await disk.get('small')), 'fine')
    await disk.put('k', body)
    assert.ok((await disk.get('k')).equals(body))
  }
  rmSync(newest(disk))
  await disk.storage.removeObject({ bucket: 'b', object: 'k' })
  await assert.rejects(disk.get('k'), { code: 'OBJECT_NOT_FOUND' })
})

function newest(disk: Disk): string {
  const paths = disk.files().map((file) => join(disk.directory, file))
  const [path = ''] = paths.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  return path
}

test('an object whose row has lost its bytes is unavailable, never empty', async () => {
  await using disk = await Disk.make()
  await disk.put('k', Buffer.from('text'))
  await disk.storage.close()
  const db = new DatabaseSync(join(disk.directory, 'storage.db'))
  db.exec('DELETE FROM contents')
  db.close()
  await disk.reopen()
  await unavailable(disk.get('k'), disk.directory)
  await disk.put('k', Buffer.from('again'))
  assert.equal(String(await disk.get('k')), 'again')
})

test('where no file can be made, large uploads are unavailable and the rest goes on', async () => {
  await using disk = await Disk.make()
  const objects = join(disk.directory, 'objects')
  await disk.put('before', Buffer.alloc(LARGE))
  rmSync(join(objects, 'tmp'), { recursive: true })
  writeFileSync(join(objects, 'tmp'), 'in the way')
  await unavailable(disk.put('k', Buffer.alloc(LARGE)), disk.directory)
  await disk.put('small', Buffer.from('fine'))
  assert.equal((await disk.get('before')).length, LARGE)
  await assert.rejects(disk.get('k'), { code: 'OBJECT_NOT_FOUND' })
  await disk.storage.check()
  rmSync(objects, { recursive: true })
  await unavailable(disk.storage.check(), disk.directory)
})

test('a database that is none is unavailable, and not touched', async () => {
  const directory = mkdtempSync(join(root, 'case-'))
  writeFileSync(join(directory, 'storage.db'), 'this is no database, and long enough to be read as one'.repeat(200))
  const storage = guard(storagePort, createSqliteStorage({ directory }))
  await unavailable(storage.listBuckets({}), directory)
  await unavailable(storage.open(), directory)
  await storage.close()
})

test('an object of 200 MB goes in and out with little memory', async () => {
  await using disk = await Disk.make()
  const chunk = Buffer.alloc(65_536, 5)
  const size = 200 * MB
  const before = process.memoryUsage().rss
  let most = before
  const look = () => {
    most = Math.max(most, process.memoryUsage().rss)
  }
  await disk.put(
    'huge',
    (async function* () {
      for (let sent = 0; sent < size; sent += chunk.length) {
        yield chunk
        look()
      }
    })(),
  )
  const stored = await disk.storage.getObject({ bucket: 'b', object: 'huge' })
  assert.equal(stored.size, size)
  let received = 0
  for await (const part of (await stored.read()) as AsyncIterable<Uint8Array>) {
    received += part.length
    look()
  }
  assert.equal(received, size)
  assert.ok(most - before < 80 * MB, `${Math.round((most - before) / MB)} MB`)
})

test('a reader that pauses holds little of a large object', async () => {
  await using disk = await Disk.make()
  await disk.put('k', Buffer.alloc(20 * MB))
  const readers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const stream = await (await disk.storage.getObject({ bucket: 'b', object: 'k' })).read()
      assert.ok(!(stream instanceof Uint8Array))
      stream.read(0)
      return stream
    }),
  )
  for (let n = 0; n < 200; n += 1) await tick()
  await sleep(50)
  for (const stream of readers) assert.ok(stream.readableLength <= 256 * 1024, `${stream.readableLength}`)
  for (const stream of readers) stream.destroy()
})
