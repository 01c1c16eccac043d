/** Slow is not stuck: uploads are timed by their pauses, everything else by the whole. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { createSqliteStorage } from '../adapters/storage/sqlite.ts'
import { buildApp } from '../server/app.ts'
import { guard } from '../server/port.ts'
import { type StoragePort, storagePort } from '../server/ports/storage.ts'
import { listen } from '../server/start.ts'
import { boundByIdleness } from '../server/upload-timeout.ts'

/** What comes back to the head and these pieces, sent with a pause before each, until the server closes. */
async function dribble(tcpPort: number, head: string, pieces: readonly string[], pauseMs: number): Promise<string> {
  const socket = connect(tcpPort, '127.0.0.1').setEncoding('latin1')
  let answer = ''
  socket.on('data', (text) => {
    answer += text
  })
  socket.on('error', () => {})
  const closed = once(socket, 'close')
  socket.write(head)
  for (const piece of pieces) {
    await sleep(pauseMs)
    if (socket.writable) socket.write(piece)
  }
  await closed
  return answer
}

function head(path: string, length: number, type: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`
}

test('an upload may take longer than other requests may', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hyper-sandbox-test-'))
  const storage = guard<StoragePort>(storagePort, createSqliteStorage({ directory }))
  const app = buildApp({
    services: { storage },
    logger: pino({ level: 'silent' }),
    version: '0',
    instance: 'i',
    token: 't',
  })
  Object.assign(app.server, { requestTimeout: 400, headersTimeout: 400, connectionsCheckingInterval: 50 })
  const { tcpPort, close } = await listen(app, '127.0.0.1', 0)
  try {
    await storage.makeBucket({ bucket: 'b' })
    const pieces = Array.from({ length: 8 }, () => 'x'.repeat(10_000))
    const form = `--f\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${pieces.join('')}\r\n--f--\r\n`
    const [raw, formed, json] = await Promise.all([
      dribble(tcpPort, head('/storage/b/x', 80_000, 'a/b'), pieces, 150),
      dribble(
        tcpPort,
        head('/storage/b', form.length, 'multipart/form-data; boundary=f'),
        form.match(/.{1,12000}/gs) ?? [],
        150,
      ),
      dribble(
        tcpPort,
        head('/_sandbox/purge', 80, 'application/json'),
        Array.from({ length: 8 }, () => ' '.repeat(10)),
        150,
      ),
    ])
    assert.match(raw, /^HTTP\/1\.1 201 /)
    assert.match(formed, /^HTTP\/1\.1 201 /)
    assert.match(json, /^HTTP\/1\.1 408 /)
    assert.equal((await storage.getObject({ bucket: 'b', object: 'x' })).size, 80_000)
  } finally {
    await close()
    await storage.close()
    await rm(directory, { recursive: true, force: true })
  }
})

test('an upload that stands still is answered 408 and cut off', async () => {
  let aborted = false
  const server = createServer((request) => {
    boundByIdleness(request, 200)
    request.resume().on('error', () => {
      aborted = true
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const answer = await dribble(port, head('/', 1000, 'a/b'), ['x', 'x'], 20)
  assert.match(answer, /^HTTP\/1\.1 408 .*the request took too long to arrive/s)
  assert.ok(aborted)
  server.close()
})
