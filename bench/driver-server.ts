/**
 * The peer of a gateway on real servers: a bare `node:http` server that calls each server's own driver and nothing else. Started as
 * a process of its own: `driver-server.ts '<json>'` with the servers' addresses; prints its TCP port once it has filled them.
 * It answers the requests of the scenarios, as an app would write them without a gateway.
 */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { Meilisearch } from 'meilisearch'
import { MongoClient } from 'mongodb'
import { articles, documents, keys, object } from './fixture.ts'

export interface Addresses {
  mongo?: string
  redis?: string
  minio?: string
  meilisearch?: { url: string; key?: string | undefined }
}

type Route = (rest: string, body: () => Promise<string>) => Promise<string>

const { mongo, redis, minio, meilisearch } = JSON.parse(process.argv[2] ?? '{}') as Addresses
const routes: Record<string, Route> = {}

if (mongo) {
  const client = await new MongoClient(mongo, { writeConcern: { w: 'majority', journal: true } }).connect()
  const people = client.db('raw').collection<{ _id: string }>('people')
  await people.insertMany(documents)
  routes['GET data'] = async (id) => JSON.stringify(await people.findOne({ _id: id }))
  routes['POST data'] = async (id, body) => {
    const asked = JSON.parse(await body())
    if (id === '_query') {
      return JSON.stringify({ ok: true, docs: await people.find(asked.selector).limit(25).toArray() })
    }
    await people.insertOne(asked)
    return JSON.stringify({ ok: true, id: asked._id })
  }
}

if (redis) {
  const client = new Redis(redis)
  await client.mset(Object.fromEntries(keys.map((key) => [`raw:${key}`, JSON.stringify({ user: 'ada', visits: 3 })])))
  routes['GET cache'] = async (key) => (await client.get(`raw:${key}`)) ?? ''
  routes['PUT cache'] = async (key, body) => {
    await client.set(`raw:${key}`, JSON.stringify(JSON.parse(await body())))
    return '{"ok":true}'
  }
  const queue = new Queue('raw', { connection: client.duplicate() })
  routes['POST queue'] = async (_, body) => {
    const { id } = await queue.add('job', JSON.parse(await body()))
    return JSON.stringify({ ok: true, id: Number(id) })
  }
}

if (minio) {
  const { origin, username, password } = new URL(minio)
  const client = new S3Client({
    endpoint: origin,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: username, secretAccessKey: password },
  })
  const put = (key: string, text: string) => client.send(new PutObjectCommand({ Bucket: 'raw', Key: key, Body: text }))
  await client.send(new CreateBucketCommand({ Bucket: 'raw' }))
  await put('object.json', object)
  routes['GET storage'] = async (key) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'raw', Key: key }))
    return (await Body?.transformToString()) ?? ''
  }
  routes['POST storage'] = async (key, body) => {
    await put(key, await body())
    return '{"ok":true}'
  }
}

if (meilisearch) {
  const client = new Meilisearch({ host: meilisearch.url, apiKey: meilisearch.key ?? '' })
  const patience = { timeout: 60_000 }
  await client.createIndex('raw', { primaryKey: '_id' }).waitTask(patience)
  const index = client.index('raw')
  await index.updateSearchableAttributes(['title', 'text']).waitTask(patience)
  await index.addDocuments(articles).waitTask(patience)
  routes['POST search'] = async (key, body) => {
    const asked = JSON.parse(await body())
    if (key === '_query') {
      const { hits } = await index.search(asked.query, { limit: 1_000, attributesToRetrieve: ['_id', 'title'] })
      return JSON.stringify({ ok: true, matches: hits })
    }
    await index.addDocuments([{ _id: asked.key, ...asked.doc }]).waitTask(patience)
    return '{"ok":true}'
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const part of request.setEncoding('utf8')) text += part
  return text
}

const server = createServer(async (request, response) => {
  // As the gateway's: /<service>/<name>/<rest>
  const [, service = '', , ...rest] = (request.url ?? '').split('/')
  const route = routes[`${request.method} ${service}`]
  try {
    const answer = await route?.(rest.join('/'), () => textOf(request))
    if (answer === undefined) response.writeHead(404).end()
    else response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(answer)
  } catch {
    response.writeHead(500).end()
  }
})

server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
