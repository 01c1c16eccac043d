/**
 * Requests exactly as written: no path clean-up, no header of our own but Host and the body's length. Over `https:` the server
 * has to be trusted: through NODE_EXTRA_CA_CERTS, or `tls.setDefaultCACertificates`.
 */
import assert from 'node:assert/strict'
import * as http from 'node:http'
import * as https from 'node:https'
import { connect, isIP, type Socket } from 'node:net'
import { buffer as readBytes } from 'node:stream/consumers'
import { connect as connectSecurely } from 'node:tls'

export interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  bytes: Buffer
  text: string
  /** The body as JSON; throws where it is none. */
  json(): unknown
}

export interface Sending {
  headers?: Record<string, string | string[]>
  /** Sent as it is, without a Content-Type unless `headers` has one. */
  body?: string | Uint8Array
  /** Sent as JSON with its Content-Type. */
  json?: unknown
  /** Sent chunked, without Content-Length. */
  chunks?: (string | Uint8Array)[]
}

/** A server that stays silent for so long does not answer at all. */
const PATIENCE_MS = 60_000
const KEPT = { keepAlive: true, maxSockets: 16 }
const TRANSPORTS = {
  http: { request: http.request, agent: new http.Agent(KEPT), tcpPort: '80' },
  https: { request: https.request, agent: new https.Agent(KEPT), tcpPort: '443' },
}

/** `url` is an absolute one; what follows its authority goes onto the wire untouched. */
export function send(method: string, url: string, { headers = {}, body, json, chunks }: Sending = {}): Promise<Reply> {
  const [, scheme = '', host = '', givenPort, path = '/'] =
    /^(https?):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?(.*)$/s.exec(url) ?? []
  const { request, agent, tcpPort } = TRANSPORTS[scheme === 'https' ? 'https' : 'http']
  const hostname = host.replace(/^\[|\]$/g, '')
  const payload = json === undefined ? body : JSON.stringify(json)
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        method,
        hostname,
        servername: isIP(hostname) === 0 ? hostname : '', // else Node would verify what the Host header says
        port: givenPort ?? tcpPort,
        path,
        headers: {
          ...(json === undefined ? {} : { 'content-type': 'application/json' }),
          ...(payload === undefined ? {} : { 'content-length': String(Buffer.byteLength(payload)) }),
          ...(chunks === undefined ? {} : { 'transfer-encoding': 'chunked' }),
          ...headers,
        },
      },
      (incoming) => {
        readBytes(incoming).then((bytes) => {
          const text = bytes.toString()
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            bytes,
            text,
            json: () => JSON.parse(text) as unknown,
          })
        }, reject)
      },
    )
    outgoing.setTimeout(PATIENCE_MS, () => outgoing.destroy(new Error(`${method} ${path}: no answer`)))
    outgoing.on('error', reject)
    for (const chunk of chunks ?? []) outgoing.write(chunk)
    outgoing.end(payload)
  })
}

/** A connection of one's own; what is written to it waits for it. */
function dial(origin: string): Socket {
  const { protocol, hostname, port } = new URL(origin)
  const isSecure = protocol === 'https:'
  const address = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (isSecure ? 443 : 80)) }
  return isSecure ? connectSecurely(address) : connect(address)
}

/** What a server answers to these bytes until it closes, or stays silent for `quietMs`. */
export function sendRaw(origin: string, bytes: string | Uint8Array, quietMs = 1_000): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = dial(origin)
    socket.setEncoding('latin1')
    socket.setTimeout(quietMs, () => socket.destroy())
    socket.write(bytes)
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNREFUSED' ? reject(error) : undefined))
    socket.on('close', () => resolve(answer))
  })
}

/** Says `bytes`, and is gone before anything can be answered. */
export async function leaveAfter(origin: string, bytes: string | Uint8Array): Promise<void> {
  const socket = dial(origin)
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.write(bytes, () => resolve()))
  socket.destroy()
}

const JSON_TYPE = 'application/json; charset=utf-8'

/** The reply is JSON of this status and exactly this body. */
export function answers(reply: Reply, status: number, body: unknown): void {
  assert.deepEqual({ status: reply.status, body: reply.json() }, { status, body })
  assert.equal(reply.headers['content-type'], JSON_TYPE)
}

/** The reply is hyper's error shape, whole: `{ok:false,status,msg}`. `msg` absent: any text but an empty one. */
export function refuses(reply: Reply, status: number, msg?: string | RegExp): void {
  const seen = `${reply.status} ${reply.text.slice(0, 300)}`
  assert.equal(reply.status, status, seen)
  assert.equal(reply.headers['content-type'], JSON_TYPE, seen)
  const body = reply.json() as Record<string, unknown>
  assert.deepEqual(Object.keys(body).sort(), ['msg', 'ok', 'status'], seen)
  assert.deepEqual({ ok: body.ok, status: body.status }, { ok: false, status }, seen)
  assert.equal(typeof body.msg, 'string', seen)
  if (msg instanceof RegExp) assert.match(body.msg as string, msg)
  else if (msg !== undefined) assert.equal(body.msg, msg)
  else assert.notEqual(body.msg, '')
}

/** Ends the kept-alive connections, so that nothing keeps the process. */
export function hangUp(): void {
  for (const { agent } of Object.values(TRANSPORTS)) agent.destroy()
}
