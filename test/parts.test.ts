/** The servers that other tests start keep what they promise: a password that counts, data over a kill, and no process left. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { CreateBucketCommand, ListBucketsCommand, S3Client } from '@aws-sdk/client-s3'
import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import { until } from './acceptance/target.ts'
import { isAlive } from './parts/own-directory.ts'
import type { ServerKind } from './parts/server-kinds.ts'
import { type RealServer, startServer } from './parts/servers.ts'

interface Client {
  write(): Promise<unknown>
  /** Whether what `write` wrote is there. */
  isKept(): Promise<boolean>
  close(): Promise<unknown>
}

const CLIENTS: Record<Exclude<ServerKind, 'meilisearch'>, (url: string) => Client> = {
  mongo(url) {
    const client = new MongoClient(url, { serverSelectionTimeoutMS: 2_000 })
    const words = client.db('test').collection<{ _id: string }>('words')
    return {
      write: () => words.insertOne({ _id: 'kept' }),
      isKept: async () => (await words.findOne({ _id: 'kept' })) !== null,
      close: () => client.close(),
    }
  },
  redis(url) {
    const client = new Redis(url, { maxRetriesPerRequest: 0 })
    client.on('error', () => {})
    return {
      write: () => client.set('kept', 'yes'),
      isKept: async () => (await client.get('kept')) === 'yes',
      close: async () => client.disconnect(),
    }
  },
  minio(url) {
    const { origin, username, password } = new URL(url)
    const client = new S3Client({
      endpoint: origin,
      region: 'us-east-1',
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId: username, secretAccessKey: password },
    })
    return {
      write: () => client.send(new CreateBucketCommand({ Bucket: 'kept' })),
      isKept: async () => (await client.send(new ListBucketsCommand())).Buckets?.[0]?.Name === 'kept',
      close: async () => client.destroy(),
    }
  },
}

for (const kind of ['mongo', 'redis', 'minio'] as const) {
  test(`${kind} keeps what it acknowledged when it is killed, and refuses another password`, async (t) => {
    const server = await startServer(kind)
    if ('missing' in server) {
      assert.ok(!process.env.CI, server.missing)
      return t.skip(server.missing)
    }
    await using disposable = server
    if (!disposable.isOurs) return t.skip('the environment names a server, which is not ours to kill')
    await using before = closing(CLIENTS[kind](server.url))
    await before.write()
    server.kill('SIGKILL')
    await server.restart()
    await using after = closing(CLIENTS[kind](server.url))
    assert.equal(await after.isKept(), true)

    const another = new URL(server.url)
    another.password = 'another-password'
    await using stranger = closing(CLIENTS[kind](another.href))
    await assert.rejects(async () => await stranger.isKept())
  })
}

test('a server leaves neither a process nor a file, and ends with a test that is killed', async (t) => {
  const server = await startServer('redis')
  if ('missing' in server) {
    assert.ok(!process.env.CI, server.missing)
    return t.skip(server.missing)
  }
  if (!server.isOurs) return t.skip('the environment names a server')
  const { pid, directory } = await traces(server.url)
  await server[Symbol.asyncDispose]()
  assert.deepEqual([isAlive(pid), existsSync(directory)], [false, false])
  if (process.platform !== 'linux') return

  const starts = `console.log((await (await import('./parts/servers.ts')).startServer('redis')).url); setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', starts], { cwd: import.meta.dirname })
  const [line] = await once(child.stdout, 'data')
  const left = await traces(String(line).trim())
  child.kill('SIGKILL')
  await once(child, 'exit')
  await until('the server ends', () => !isAlive(left.pid))
  await using _next = (await startServer('redis')) as RealServer
  assert.equal(existsSync(left.directory), false)
})

/** Of a Redis: its process, and where it keeps its data. */
async function traces(url: string): Promise<{ pid: number; directory: string }> {
  const client = new Redis(url)
  const [, pid] = /process_id:(\d+)/.exec(await client.info('server')) ?? []
  const [, directory] = (await client.config('GET', 'dir')) as [string, string]
  client.disconnect()
  return { pid: Number(pid), directory }
}

function closing<C extends Client>(client: C): C & AsyncDisposable {
  return { ...client, [Symbol.asyncDispose]: async () => void (await client.close()) }
}
