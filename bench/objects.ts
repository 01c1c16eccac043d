/**
 * `npm run bench:objects`: what large and slow transfers cost everybody. One object of 2 GB (`--megabytes N`) up, by form and
 * down, with the memory the sandbox takes meanwhile; then GET cache beside 500 uploads that only trickle. `--quick` does the
 * same on a tenth.
 */
import { once } from 'node:events'
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import autocannon from 'autocannon'
import { clientOf } from './fixture.ts'
import { freeTcpPort, residentMegabytes, type Server, startSandbox } from './processes.ts'

const { values: options } = parseArgs({
  options: { megabytes: { type: 'string' }, quick: { type: 'boolean', default: false } },
})
const megabytes = Number(options.megabytes ?? (options.quick ? 200 : 2048))
const slowUploads = options.quick ? 50 : 500

const MIB = 1024 * 1024
const SAMPLE_MS = 20
const MAX_GROWTH_MB = 80
const MAX_SLOWDOWN = 2
const TRICKLE_BYTES = 256
const TRICKLE_MS = 500
const ROUNDS = 3
const SECONDS = 2

const chunk = Buffer.alloc(MIB, 'hyper-sandbox ')
const agent = new Agent({ keepAlive: true, maxSockets: slowUploads + 10 })
const print = (line: string) => process.stdout.write(`${line}\n`)

/** Runs `work`, answers how much memory the server took at most beyond what it had, and how fast it was. */
async function watched(server: Server, name: string, work: () => Promise<void>): Promise<number> {
  const before = residentMegabytes(server.pid) ?? Number.NaN
  let peak = before
  const sampling = setInterval(() => {
    peak = Math.max(peak, residentMegabytes(server.pid) ?? Number.NaN)
  }, SAMPLE_MS)
  const began = performance.now()
  await work()
  const seconds = (performance.now() - began) / 1000
  clearInterval(sampling)
  const growth = peak - before
  print(
    `${name.padEnd(12)} ${megabytes} MB in ${seconds.toFixed(1)} s (${(megabytes / seconds).toFixed(0)} MB/s), memory +${growth.toFixed(0)} MB to ${peak.toFixed(0)} (limit +${MAX_GROWTH_MB})`,
  )
  return growth
}

async function statusOf(outgoing: ClientRequest, expected: number): Promise<IncomingMessage> {
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  if (response.statusCode !== expected) throw new Error(`answered ${response.statusCode}: ${await text(response)}`)
  return response
}

async function upload(url: string, contentType: string, head = '', tail = ''): Promise<void> {
  const length = head.length + megabytes * MIB + tail.length
  const outgoing = request(url, {
    method: 'POST',
    headers: { 'content-type': contentType, 'content-length': length },
  })
  const answered = statusOf(outgoing, 201)
  answered.catch(() => outgoing.destroy())
  outgoing.write(head)
  for (let sent = 0; sent < megabytes; sent++) {
    if (!outgoing.write(chunk)) await Promise.race([once(outgoing, 'drain'), answered])
  }
  outgoing.end(tail)
  ;(await answered).resume()
}

async function download(url: string): Promise<void> {
  const response = await statusOf(request(url).end(), 200)
  let received = 0
  for await (const part of response as AsyncIterable<Buffer>) received += part.length
  if (received !== megabytes * MIB) throw new Error(`got ${received} bytes`)
}

/** Requests per second and the median time in milliseconds of GET cache. */
async function probe(url: string): Promise<{ rate: number; p50: number }> {
  const { requests, latency } = await autocannon({ url: `${url}/cache/bench/k`, connections: 10, duration: SECONDS })
  return { rate: requests.average, p50: latency.p50 }
}

/** Opens uploads that send a little now and then. @returns how to end them */
async function trickle(url: string): Promise<() => void> {
  const uploads = Array.from({ length: slowUploads }, (_, n) =>
    request(`${url}/storage/bench/slow-${n}`, { method: 'POST', agent, headers: { 'content-type': 'a/b' } }),
  )
  for (const outgoing of uploads) {
    outgoing.on('error', () => {})
    outgoing.write('x')
  }
  await Promise.all(uploads.map((outgoing) => once(outgoing, 'socket')))
  const timer = setInterval(() => {
    for (const outgoing of uploads) outgoing.write(chunk.subarray(0, TRICKLE_BYTES))
  }, TRICKLE_MS)
  return () => {
    clearInterval(timer)
    for (const outgoing of uploads) outgoing.destroy()
  }
}

function median(numbers: number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

const sandbox = await startSandbox(await freeTcpPort())
try {
  const { url } = sandbox
  const client = clientOf(url)
  await client.put('/storage/bench')
  await client.put('/cache/bench')
  await client.post('/cache/bench', { key: 'k', value: { n: 1 } })

  const large = `${url}/storage/bench/large.bin`
  const growths = [
    await watched(sandbox, 'raw up', () => upload(large, 'application/octet-stream')),
    await watched(sandbox, 'down', () => download(large)),
    await watched(sandbox, 'form up', () => {
      const head = '--f\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
      return upload(`${url}/storage/bench`, 'multipart/form-data; boundary=f', head, '\r\n--f--\r\n')
    }),
  ]

  const ratios: number[] = []
  await probe(url)
  for (let round = 0; round < ROUNDS; round++) {
    const alone = await probe(url)
    const end = await trickle(url)
    const beside = await probe(url)
    end()
    ratios.push(alone.rate / beside.rate)
    print(
      `GET cache alone ${alone.rate.toFixed(0)}/s, median ${alone.p50} ms; beside ${slowUploads} slow uploads ${beside.rate.toFixed(0)}/s, ${beside.p50} ms`,
    )
  }
  print(`slowed down × ${median(ratios).toFixed(2)} (limit ${MAX_SLOWDOWN})`)
  if (Math.max(...growths) >= MAX_GROWTH_MB || median(ratios) > MAX_SLOWDOWN) process.exitCode = 1
} finally {
  agent.destroy()
  await sandbox.close()
}
