/** Objects over HTTP where it takes sockets, bulk or time to tell; the plain rules are acceptance cases. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { get, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSandbox, type Sandbox } from '../cli/sandbox.ts'
import { send, sendRaw } from './acceptance/http.ts'
import { startServer } from './server-process.ts'

const KIB = 1024
const BOUNDARY = 'frontier'
const FORM_TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` }

let directory: string
let sandbox: Sandbox
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hyper-sandbox-test-'))
  sandbox = await createSandbox({ services: ['storage'], directory })
})
after(async () => {
  await sandbox.close()
  await rm(directory, { recursive: true, force: true })
})

/** A bucket of its own for one test. */
async function newBucket(): Promise<string> {
  const url = `${sandbox.url}/storage/b${randomBytes(4).toString('hex')}`
  assert.equal((await send('PUT', url)).status, 201)
  return url
}

async function objectsOf(bucket: string): Promise<string[]> {
  return ((await send('GET', bucket)).json() as { objects: string[] }).objects
}

/** Files that hold no object, or no longer. */
async function leftovers(): Promise<string[]> {
  const drafts = await readdir(join(directory, 'objects', 'tmp'))
  const spooled = (await readdir(tmpdir())).filter((name) => name.startsWith('hyper-sandbox-upload-'))
  return [...drafts, ...spooled]
}

interface Part {
  name: string
  filename?: string
  type?: string
  content: string | Uint8Array
}

function form(...parts: Part[]): Buffer {
  const pieces = parts.flatMap(({ name, filename, type, content }) => [
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n`,
    type === undefined ? '\r\n' : `Content-Type: ${type}\r\n\r\n`,
    content,
    '\r\n',
  ])
  return Buffer.concat([...pieces, `--${BOUNDARY}--\r\n`].map((piece) => Buffer.from(piece)))
}

/** What stands before and after the file's bytes. */
function formAround(filename: string): [string, string] {
  const [start = '', end = ''] = form(file('|', filename)).toString().split('|')
  return [start, end]
}

const file = (content: string | Uint8Array, filename = 'a.txt'): Part => ({ name: 'file', filename, content })
const path = (content: string): Part => ({ name: 'path', content })

function hostOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

function headOf(url: string, headers: Record<string, string | number>): string {
  const lines = Object.entries({ host: new URL(url).host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `POST ${new URL(url).pathname} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** Sends the head and a part of the body, then hangs up when the server has taken it in. */
async function leaveHalfWay(url: string, headers: Record<string, string | number>, body: Uint8Array): Promise<void> {
  const socket = connect(hostOf(url))
  await once(socket, 'connect')
  socket.write(headOf(url, headers))
  await new Promise((resolve) => socket.write(body, resolve))
  await sleep(100)
  socket.destroy()
}

async function eventually(what: () => Promise<unknown>, expected: unknown): Promise<void> {
  const deadline = performance.now() + 5_000
  let seen = await what()
  while (JSON.stringify(seen) !== JSON.stringify(expected) && performance.now() < deadline) {
    await sleep(20)
    seen = await what()
  }
  assert.deepEqual(seen, expected)
}

test('a client that leaves half-way leaves nothing, and what was there stays', async () => {
  const bucket = await newBucket()
  await send('POST', `${bucket}/x.bin`, { headers: { 'content-type': 'a/b' }, body: 'before' })
  const whole = form(path('p'), file(randomBytes(900 * KIB)))
  const unnamed = form(file(randomBytes(900 * KIB)), path('p'))
  const half = 500 * KIB
  const big = randomBytes(half)
  await Promise.all([
    leaveHalfWay(`${bucket}/x.bin`, { 'content-type': 'a/b', 'content-length': 2 * half }, big),
    leaveHalfWay(`${bucket}/x.bin`, { 'content-type': 'a/b', 'content-length': 600 }, big.subarray(0, 300)),
    leaveHalfWay(
      `${bucket}/x.bin`,
      { 'content-type': 'a/b', 'transfer-encoding': 'chunked' },
      Buffer.concat([Buffer.from(`${half.toString(16)}\r\n`), big]),
    ),
    leaveHalfWay(bucket, { ...FORM_TYPE, 'content-length': whole.length }, whole.subarray(0, half)),
    leaveHalfWay(bucket, { ...FORM_TYPE, 'content-length': unnamed.length }, unnamed.subarray(0, half)),
  ])
  await eventually(leftovers, [])
  assert.deepEqual(await objectsOf(bucket), ['x.bin'])
  assert.equal((await send('GET', `${bucket}/x.bin`)).text, 'before')
})

test('a form is stored under the same name wherever its path stands, whatever the size', async () => {
  const bucket = await newBucket()
  for (const size of [0, 1, 64 * KIB, 64 * KIB + 1, 700 * KIB]) {
    const content = randomBytes(size)
    for (const [place, body] of [
      ['first', form(path(`first/${size}`), file(content))],
      ['last', form(file(content), path(`last/${size}`))],
      ['none', form(file(content, `none-${size}.txt`))],
    ] as const) {
      assert.equal((await send('POST', bucket, { headers: FORM_TYPE, body })).status, 201)
      const name = place === 'none' ? `none-${size}.txt` : `${place}/${size}/a.txt`
      const got = Buffer.from(await (await fetch(`${bucket}/${name}`)).arrayBuffer())
      assert.ok(got.equals(content), `${place} ${size}`)
    }
  }
  assert.deepEqual(await leftovers(), [])
})

test('a form with anything wrong stores nothing', async () => {
  const bucket = await newBucket()
  const large = randomBytes(300 * KIB)
  const good = form(path('p'), file(large), { name: 'more', content: 'x' })
  const statuses: Record<string, number> = {}
  for (const [what, body] of Object.entries({
    'cut in the file': good.subarray(0, 200 * KIB),
    'cut in the last field': good.subarray(0, good.length - 20),
    'cut before the last boundary ends': good.subarray(0, good.length - 4),
    'path twice': form(path('p'), file('a'), path('p')),
    'path twice at the end': form(file('a'), path('p'), path('q')),
    'path twice after a large file': form(path('p'), file(large), path('q')),
    'two files': form(file('a'), file('b', 'b.txt')),
    'two files, the first large': form(path('p'), file(large), file('b', 'b.txt')),
    'a file under another name': form({ name: 'upload', filename: 'a.txt', content: 'a' }),
    'another file after the right one': form(file(large), { name: 'thumb', filename: 't.txt', content: 'a' }),
    'no file': form(path('p')),
    'no file chosen': form(file('', '')),
    'no part at all': form(),
    'a path longer than any name': form(path('p/'.repeat(4000)), file('a')),
    'a name longer than any name': form(path('p/'.repeat(600)), file('a')),
    nothing: Buffer.alloc(0),
    'other text': Buffer.from('hello'),
  })) {
    statuses[what] = (await send('POST', bucket, { headers: FORM_TYPE, body })).status
  }
  assert.deepEqual(statuses, {
    'cut in the file': 400,
    'cut in the last field': 400,
    'cut before the last boundary ends': 400,
    'path twice': 422,
    'path twice at the end': 422,
    'path twice after a large file': 422,
    'two files': 400,
    'two files, the first large': 400,
    'a file under another name': 400,
    'another file after the right one': 400,
    'no file': 422,
    'no file chosen': 422,
    'no part at all': 422,
    'a path longer than any name': 400,
    'a name longer than any name': 400,
    nothing: 400,
    'other text': 400,
  })
  assert.deepEqual(await objectsOf(bucket), [])
  await eventually(leftovers, [])
})

test('a refused upload is answered while its client still sends, and the connection serves the next request', async () => {
  const missing = `${sandbox.url}/storage/nowhere/x`
  const socket = connect(hostOf(missing))
  const answers = collect(socket)
  const size = 3_000_000
  socket.write(headOf(missing, { 'content-type': 'a/b', 'content-length': size }))
  await eventually(async () => /^HTTP\/1\.1 404 /.test(answers()), true)
  socket.write(randomBytes(size))
  socket.write(`GET /storage HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  await eventually(async () => answers().match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 404', 'HTTP/1.1 200'])
  socket.destroy()
})

test('a client that never stops sending a refused upload is cut off', async () => {
  async function sendForEver(url: string, headers: Record<string, string>, status = 404): Promise<void> {
    const socket = connect(hostOf(url))
    const answers = collect(socket)
    let closed = false
    socket.on('close', () => {
      closed = true
    })
    socket.write(headOf(url, { ...headers, 'transfer-encoding': 'chunked' }))
    const start = form(file('a'))
    socket.write(`${start.length.toString(16)}\r\n`)
    socket.write(start)
    while (!closed) {
      socket.write(`\r\n10000\r\n${'x'.repeat(0x10000)}`)
      await sleep(20)
    }
    assert.match(answers(), new RegExp(`^HTTP/1.1 ${status} `), url)
  }
  await Promise.all([
    sendForEver(`${sandbox.url}/storage/nowhere/x`, { 'content-type': 'a/b' }),
    sendForEver(`${sandbox.url}/storage/nowhere`, FORM_TYPE),
    sendForEver(`${sandbox.url}/_signed/1/PUT/x/b/x`, { 'content-type': 'a/b' }, 403),
  ])
})

test('one range of bytes is served, a bad one refused, nonsense ignored', async () => {
  const bucket = await newBucket()
  const small = '0123456789'
  const large = randomBytes(100 * KIB)
    .toString('latin1')
    .replace(/[^ -~]/g, '.')
  for (const [name, content] of [
    ['small.bin', small],
    ['large.bin', large],
    ['empty.bin', ''],
  ] as const) {
    await send('POST', `${bucket}/${name}`, { headers: { 'content-type': 'a/b' }, body: content })
  }
  const size = large.length
  for (const [name, range, status, text, contentRange] of [
    ['small.bin', 'bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['small.bin', 'bytes=2-5', 206, '2345', 'bytes 2-5/10'],
    ['small.bin', 'bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['small.bin', 'bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['small.bin', 'bytes=-30', 206, small, 'bytes 0-9/10'],
    ['small.bin', 'bytes=5-999999999999999999999999', 206, '56789', 'bytes 5-9/10'],
    ['small.bin', 'Bytes=1-1', 206, '1', 'bytes 1-1/10'],
    ['large.bin', 'bytes=70000-70009', 206, large.slice(70000, 70010), `bytes 70000-70009/${size}`],
    ['large.bin', 'bytes=-1', 206, large.slice(-1), `bytes ${size - 1}-${size - 1}/${size}`],
    ['small.bin', 'bytes=10-', 416, undefined, 'bytes */10'],
    ['small.bin', 'bytes=10-12', 416, undefined, 'bytes */10'],
    ['small.bin', 'bytes=-0', 416, undefined, 'bytes */10'],
    ['empty.bin', 'bytes=0-', 416, undefined, 'bytes */0'],
    ['empty.bin', 'bytes=-5', 200, '', undefined],
    ['small.bin', 'bytes=5-2', 200, small, undefined],
    ['small.bin', 'bytes=0-1,4-5', 200, small, undefined],
    ['small.bin', 'bytes=-', 200, small, undefined],
    ['small.bin', 'bytes=', 200, small, undefined],
    ['small.bin', 'bytes=a-b', 200, small, undefined],
    ['small.bin', 'bytes=0x1-5', 200, small, undefined],
    ['small.bin', 'bytes=--1', 200, small, undefined],
    ['small.bin', 'bytes=1.5-2', 200, small, undefined],
    ['small.bin', 'lines=0-1', 200, small, undefined],
    ['small.bin', 'nonsense', 200, small, undefined],
  ] as const) {
    const reply = await send('GET', `${bucket}/${name}`, { headers: { range } })
    assert.equal(reply.status, status, range)
    assert.equal(reply.headers['content-range'], contentRange, range)
    assert.equal(Number(reply.headers['content-length']), Buffer.byteLength(reply.text), range)
    if (text !== undefined) assert.equal(reply.text, text, range)
  }
  const head = await send('HEAD', `${bucket}/small.bin`, { headers: { range: 'bytes=2-5' } })
  assert.deepEqual([head.status, head.headers['content-length'], head.text], [200, '10', ''])
})

test('conditions on reading: 304 for who has it, 412 for who wants another, If-Range', async () => {
  const bucket = await newBucket()
  const url = `${bucket}/x.txt`
  await send('POST', url, { headers: { 'content-type': 'text/plain' }, body: '0123456789' })
  const { etag = '', 'last-modified': date = '' } = (await send('HEAD', url)).headers
  assert.match(etag, /^"[^"]+"$/)
  const earlier = new Date(Date.parse(date) - 1000).toUTCString()
  const range = { range: 'bytes=0-1' }
  for (const [headers, status] of [
    [{ 'if-none-match': etag }, 304],
    [{ 'if-none-match': `W/${etag}` }, 304],
    [{ 'if-none-match': `"a", ${etag}` }, 304],
    [{ 'if-none-match': '*' }, 304],
    [{ 'if-none-match': '"a"' }, 200],
    [{ 'if-none-match': '"a"', 'if-modified-since': date }, 200],
    [{ 'if-modified-since': date }, 304],
    [{ 'if-modified-since': earlier }, 200],
    [{ 'if-modified-since': 'yesterday' }, 200],
    [{ 'if-match': etag }, 200],
    [{ 'if-match': '*' }, 200],
    [{ 'if-match': `"a", ${etag}` }, 200],
    [{ 'if-match': `W/${etag}` }, 412],
    [{ 'if-match': '"a"' }, 412],
    [{ 'if-match': etag, 'if-unmodified-since': earlier }, 200],
    [{ 'if-unmodified-since': date }, 200],
    [{ 'if-unmodified-since': earlier }, 412],
    [{ ...range, 'if-range': etag }, 206],
    [{ ...range, 'if-range': date }, 206],
    [{ ...range, 'if-range': `W/${etag}` }, 200],
    [{ ...range, 'if-range': '"a"' }, 200],
    [{ ...range, 'if-range': earlier }, 200],
    [{ ...range, 'if-none-match': etag }, 304],
  ] as const) {
    for (const method of ['GET', 'HEAD']) {
      const reply = await send(method, url, { headers })
      const expected = method === 'HEAD' && status === 206 ? 200 : status
      assert.equal(reply.status, expected, `${method} ${JSON.stringify(headers)}`)
      if (status === 304) assert.deepEqual([reply.headers.etag, reply.text], [etag, ''])
    }
  }
})

test('conditions on writing: of many that want to be the first, one is', async () => {
  const bucket = await newBucket()
  const put = (name: string, headers: Record<string, string>, body: string | Uint8Array) =>
    send('POST', `${bucket}/${name}`, { headers: { 'content-type': 'a/b', ...headers }, body })
  assert.equal((await put('x', { 'if-match': '*' }, 'a')).status, 412)
  assert.equal((await put('x', { 'if-none-match': '*' }, 'a')).status, 201)
  assert.equal((await put('x', { 'if-none-match': '*' }, 'b')).status, 412)
  const { etag = '' } = (await send('HEAD', `${bucket}/x`)).headers
  assert.equal((await put('x', { 'if-match': '"other"' }, 'b')).status, 412)
  assert.equal((await put('x', { 'if-match': etag }, 'c')).status, 201)
  assert.equal((await put('x', { 'if-match': etag }, 'd')).status, 412)
  assert.equal((await send('GET', `${bucket}/x`)).text, 'c')
  const again = form(file(randomBytes(200 * KIB)), path('y'))
  assert.equal(
    (await send('POST', bucket, { headers: { ...FORM_TYPE, 'if-none-match': '*' }, body: again })).status,
    201,
  )
  assert.equal(
    (await send('POST', bucket, { headers: { ...FORM_TYPE, 'if-none-match': '*' }, body: again })).status,
    412,
  )

  for (const size of [10, 200 * KIB]) {
    const rivals = Array.from({ length: 12 }, (_, n) => Buffer.alloc(size, n + 65))
    const replies = await Promise.all(rivals.map((body) => put(`race-${size}`, { 'if-none-match': '*' }, body)))
    const winners = rivals.filter((_, n) => replies[n]?.status === 201)
    assert.equal(winners.length, 1, `${size}`)
    assert.equal((await send('GET', `${bucket}/race-${size}`)).text, String(winners[0]))
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([201, 412]))
  }
})

test('a client that leaves during a download frees the file', { skip: process.platform !== 'linux' }, async () => {
  const bucket = await newBucket()
  await send('POST', `${bucket}/x.bin`, { headers: { 'content-type': 'a/b' }, body: randomBytes(20_000 * KIB) })
  const open = async () => {
    const targets = await Promise.all(
      (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
    )
    return targets.filter((target) => target.startsWith(join(directory, 'objects'))).length
  }
  const responses = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const [response] = (await once(get(`${bucket}/x.bin`, { agent: false }), 'response')) as [IncomingMessage]
      return response
    }),
  )
  assert.equal(await open(), 5)
  // What is merely forgotten is closed by the garbage collector, with a warning.
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  for (const response of responses) response.destroy()
  await eventually(open, 0)
  process.off('warning', note)
  assert.deepEqual(warnings, [])
})

test('100 MB up, by form and down, also to a slow reader, take little memory', async () => {
  const MB = 100
  const server = await startServer(['--storage'])
  try {
    const bucket = `${server.url}/storage/test`
    await send('GET', bucket)
    const before = server.memoryMb()
    let peak = before
    const sampling = setInterval(() => {
      peak = Math.max(peak, server.memoryMb())
    }, 20)
    const chunk = randomBytes(KIB * KIB)
    const expected = createHash('sha256')
    for (let n = 0; n < MB; n++) expected.update(chunk)
    const digest = expected.digest('hex')
    const [start, end] = formAround('large.bin')

    for (const [url, type, head, tail] of [
      [`${bucket}/raw.bin`, 'a/b', '', ''],
      [bucket, FORM_TYPE['content-type'], start, end],
    ] as const) {
      const outgoing = request(url, {
        method: 'POST',
        headers: { 'content-type': type, 'content-length': head.length + MB * chunk.length + tail.length },
      })
      const answered = once(outgoing, 'response')
      const source = Readable.from([head, ...Array<Buffer>(MB).fill(chunk), tail].filter((piece) => piece.length > 0))
      source.pipe(outgoing)
      const [response] = (await answered) as [IncomingMessage]
      assert.equal(response.resume().statusCode, 201)
    }
    for (const name of ['raw.bin', 'large.bin']) {
      const [response] = (await once(get(`${bucket}/${name}`), 'response')) as [IncomingMessage]
      const hash = createHash('sha256')
      await sleep(500) // nothing is read, so nothing may pile up
      for await (const part of response as AsyncIterable<Buffer>) hash.update(part)
      assert.equal(hash.digest('hex'), digest)
    }
    clearInterval(sampling)
    assert.ok(peak - before < 80, `${before.toFixed(0)} MB grew to ${peak.toFixed(0)}`)
  } finally {
    await server.stop()
  }
})

test('a path that cannot be decoded or a header that cannot be sent back harms nothing', async () => {
  const bucket = await newBucket()
  assert.equal((await send('GET', `${bucket}/%ff`)).status, 400)
  assert.equal((await send('POST', `${bucket}/a%00b`, { headers: { 'content-type': 'a/b' }, body: 'x' })).status, 400)
  for (const [name, type] of [
    ['p1', 'nonsense'],
    ['p2', 'text/plain; x="\u00e9"'],
    ['p3', `a/${'b'.repeat(300)}`],
  ] as const) {
    const { host } = new URL(bucket)
    const head = `POST ${new URL(bucket).pathname}/${name} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx`
    assert.match(await sendRaw(sandbox.url, Buffer.from(head, 'latin1')), /^HTTP\/1\.1 201 /)
    const reply = await send('GET', `${bucket}/${name}`)
    assert.deepEqual([reply.status, reply.headers['content-type']], [200, 'application/octet-stream'])
  }
})

/** What has come so far. */
function collect(socket: Socket): () => string {
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  return () => text
}
