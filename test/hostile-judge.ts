/** What every answer to a bad request must be, whatever it was aimed at. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Reply } from './acceptance/http.ts'
import type { HostileRequest } from './hostile-requests.ts'
import type { Server } from './server-process.ts'

/** Words of our insides that no answer may hold. */
const INSIDES =
  /SQLITE|sqlite|node_modules|hyper-proof-|\.hyper-sandbox|\.ts:\d|file:\/\/|no such (table|column)|constraint failed|syntax error near|near "|\bE(NOENT|ACCES|ISDIR|NOTDIR|NAMETOOLONG)\b|\bERR_|\bFST_|fts5|\n {4}at /

export interface Answer {
  status: number
  head: string
  body: string
}

export function parse(raw: string): Answer {
  const at = raw.indexOf('\r\n\r\n')
  return { status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(raw)?.[1]), head: raw.slice(0, at), body: raw.slice(at + 4) }
}

/** The status of an answer that is as it should be. */
export function judge(server: Server, { method, wire }: HostileRequest, raw: string): number {
  const { status, head, body } = parse(raw)
  const cause = status >= 500 ? server.lastError().slice(0, 1_000) : ''
  const seen = `${wire.toString('latin1').slice(0, 2_000)}\n→ ${raw.slice(0, 2_000)}\n${cause}`
  assert.ok(status >= 200, `no answer: ${seen}`)
  assert.ok(status < 500, seen)
  if (status < 400) return status
  assert.doesNotMatch(raw, INSIDES, seen)
  if (method === 'HEAD') return status
  assert.match(head, /^content-type: application\/json; charset=utf-8$/im, seen)
  const {
    ok,
    status: inBody,
    msg,
    ...rest
  } = JSON.parse(Buffer.from(body, 'latin1').toString()) as Record<string, unknown>
  assert.deepEqual({ ok, inBody, rest }, { ok: false, inBody: status, rest: {} }, seen)
  assert.ok(typeof msg === 'string' && msg !== '', seen)
  return status
}

export function isOneOf(server: Server, reply: Reply, statuses: readonly number[]): void {
  const cause = reply.status >= 500 ? server.lastError().slice(0, 1_000) : ''
  assert.ok(statuses.includes(reply.status), `${reply.status} ${reply.text.slice(0, 500)}\n${cause}`)
  if (reply.status >= 400) assert.doesNotMatch(reply.text, INSIDES)
}

/** Opens a connection, says `bytes`, and leaves it open. */
export async function lingering(server: Server, bytes: string | Uint8Array): Promise<Socket> {
  const { hostname, port } = new URL(server.url)
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.once('connect', () => socket.write(bytes, () => resolve())))
  return socket
}

/** By how many MB the server grows while `clients` ask for `path` and read nothing; `meanwhile` looks after the others. */
export async function growthUnread(
  server: Server,
  path: string,
  clients: number,
  meanwhile: () => Promise<void>,
): Promise<number> {
  const before = server.memoryMb()
  const sockets = await Promise.all(
    Array.from({ length: clients }, async () => {
      const socket = await lingering(server, '')
      socket.pause()
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      return socket
    }),
  )
  await sleep(500)
  await meanwhile()
  const grown = Math.round(server.memoryMb() - before)
  for (const socket of sockets) socket.destroy()
  return grown
}
