/** A client's request passed to an app's process and its answer passed back, byte for byte (worker-runtime §§4.4, 9, 12.7). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Transform } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { RestartReason } from '../../server/ports/apps.ts'
import type { Exchange } from './exchange.ts'
import type { LoadFailure } from './load-failure.ts'
import type { Upstream } from './upstream.ts'

/** About one connection, not about the message (RFC 9110 §7.6.1); and what undici says itself. */
const HOP_BY_HOP = new Set(
  'connection keep-alive proxy-connection te trailer transfer-encoding upgrade expect http2-settings'.split(' '),
)
/** Between the gateway and apps; from a client it would be forged. */
const OWN = 'x-hyper-sandbox-'
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const MAX_ATTEMPTS = 3
/** Requests that wait for one that is answered, per request that may be answered at once. */
const QUEUE_FACTOR = 4

export interface ForwardTarget {
  pick(): Upstream | Promise<Upstream | undefined> | undefined
  config: { maxBodyMb: number; maxConcurrent: number }
  /** Why nothing of it runs, where clients may know. @param accept their header */
  failure?(accept: string | undefined): LoadFailure | undefined
  isDraining: boolean
  /** The request came through a gateway of ours: what that says of the client stands. @default it comes from the client */
  isPassedOn?: boolean | undefined
}

/** @param onDone told once, with status 0 when the client left before there was one */
export function forward(
  target: ForwardTarget,
  request: IncomingMessage,
  response: ServerResponse,
  onDone: (status: number, bytes: number) => void,
): void {
  if (target.isDraining)
    return void refuse(response, 503, { error: 'Service draining', retry_after_s: 30 }, onDone, {
      'retry-after': '30',
      connection: 'close',
    })
  const { maxBodyMb } = target.config
  if (Number(request.headers['content-length'] ?? 0) > maxBodyMb * 1024 * 1024) {
    request.unpipe().resume()
    return void refuse(response, 413, { error: 'Payload too large' }, onDone, { connection: 'close' })
  }
  if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue()
  attempt(target, request, response, 1, onDone)
}

function attempt(
  target: ForwardTarget,
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
  onDone: (status: number, bytes: number) => void,
): void {
  const picked = target.pick()
  const unavailable = () => {
    const failure = target.failure?.(request.headers.accept)
    if (failure) refuse(response, 503, failure.text, onDone, { 'content-type': failure.type })
    else refuse(response, 503, { error: 'App unavailable' }, onDone)
  }
  if (picked === undefined) return void unavailable()
  if (!(picked instanceof Promise)) return void dispatch(picked, target, request, response, count, onDone)
  picked.then((replica) => {
    if (replica) dispatch(replica, target, request, response, count, onDone)
    else unavailable()
  }, unavailable)
}

function dispatch(
  replica: Upstream,
  target: ForwardTarget,
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
  onDone: (status: number, bytes: number) => void,
): void {
  const { maxConcurrent, maxBodyMb } = target.config
  if (replica.exchanges.size >= maxConcurrent * (1 + QUEUE_FACTOR)) {
    return void refuse(response, 503, { error: 'Too many requests' }, onDone, { 'retry-after': '1' })
  }
  const hasBody =
    request.headers['content-length'] !== undefined
      ? request.headers['content-length'] !== '0'
      : request.headers['transfer-encoding'] !== undefined
  let controller: Dispatcher.DispatchController | undefined
  let bytes = 0
  let isDone = false
  let killed: RestartReason | undefined

  const exchange: Exchange = {
    startedAt: performance.now(),
    isAnswered: false,
    onKilled(reason) {
      killed = reason
    },
  }
  replica.exchanges.add(exchange)

  const done = (status: number) => {
    if (isDone) return
    isDone = true
    replica.exchanges.delete(exchange)
    response.off('close', onClose)
    onDone(status, bytes)
  }
  /** The client is gone: the app's stream is cancelled. */
  const onClose = () => {
    if (response.writableFinished) return
    controller?.abort(new Error('the client left'))
    done(exchange.isAnswered ? response.statusCode : 0)
  }
  response.on('close', onClose)

  replica.pool.dispatch(
    {
      path: request.url ?? '/',
      method: request.method as Dispatcher.HttpMethod,
      headers: headersFor(request, target, replica),
      body: hasBody ? limited(request, maxBodyMb) : null,
    },
    {
      onRequestStart(started) {
        controller = started
        if (response.destroyed) started.abort(new Error('the client left'))
      },
      onResponseStart(started, status) {
        if (status < 200) return
        exchange.isAnswered = true
        response.writeHead(status, answerHeaders(started.rawHeaders as Buffer[], response))
        if (request.method === 'HEAD' || status === 204 || status === 304) return
        response.flushHeaders()
      },
      onResponseData(started, chunk) {
        bytes += chunk.length
        if (response.write(chunk)) return
        started.pause()
        response.once('drain', () => started.resume())
      },
      onResponseEnd() {
        response.end()
        done(response.statusCode)
      },
      onResponseError(_controller, error) {
        if (isDone) return
        if (exchange.isAnswered) {
          // What was sent cannot be unsaid: the client sees that it is not whole.
          response.destroy()
          return done(response.statusCode)
        }
        if (error instanceof BodyTooLarge) {
          request.unpipe().resume()
          return failWith(413, { error: 'Payload too large' }, { connection: 'close' })
        }
        void afterExit(error)
      },
    },
  )

  function failWith(status: number, body: object, more?: Record<string, string>): void {
    isDone = true
    replica.exchanges.delete(exchange)
    response.off('close', onClose)
    refuse(response, status, body, onDone, more)
  }

  /** Why the connection broke is known once the process has ended. */
  async function afterExit(error: Error): Promise<void> {
    const wasSent = !/UND_ERR_CONNECT|ECONNREFUSED|ENOENT|UND_ERR_DESTROYED|UND_ERR_CLOSED/.test(
      (error as NodeJS.ErrnoException).code ?? '',
    )
    if (wasSent || replica.killed)
      await Promise.race([replica.exited, new Promise((resolve) => setTimeout(resolve, 500).unref())])
    if (isDone) return
    if (exchange.isLate) {
      isDone = true
      replica.exchanges.delete(exchange)
      response.off('close', onClose)
      return void refuse(response, 408, 'Script execution timed out', onDone)
    }
    const mayRepeat = !hasBody && IDEMPOTENT.has(request.method ?? '') && (killed ?? replica.killed) !== 'memory'
    if ((mayRepeat || !wasSent) && !hasBody && count < MAX_ATTEMPTS) {
      isDone = true
      replica.exchanges.delete(exchange)
      response.off('close', onClose)
      return void attempt(target, request, response, count + 1, onDone)
    }
    failWith(503, { error: 'App unavailable' })
  }
}

/** Names and values in turns, as undici takes them. */
function headersFor(request: IncomingMessage, target: ForwardTarget, upstream: Upstream): string[] {
  const headers = target.isPassedOn ? passedOnHeaders(request) : clientHeaders(request)
  if (upstream.headers) headers.push(...upstream.headers)
  return headers
}

function passedOnHeaders({ rawHeaders }: IncomingMessage): string[] {
  const headers: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, rawHeaders[at + 1] as string)
  }
  return headers
}

/** The same with what the app is told of a client that called us. */
function clientHeaders(request: IncomingMessage): string[] {
  const { rawHeaders, socket } = request
  const headers: string[] = []
  let forwardedFor = socket.remoteAddress ?? ''
  // HTTP/1.0 asks for none; what an app sees of its own address is NANO's.
  if (request.headers.host === undefined) headers.push('host', 'localhost')
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    const value = rawHeaders[at + 1] as string
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || lower.startsWith(OWN)) continue
    if (lower === 'x-forwarded-for') {
      forwardedFor = `${value}, ${forwardedFor}`
      continue
    }
    if (lower === 'x-forwarded-proto' || lower === 'x-forwarded-host') continue
    headers.push(name, value)
  }
  const proto = 'encrypted' in socket ? 'https' : 'http'
  headers.push(
    'x-forwarded-for',
    forwardedFor,
    'x-forwarded-host',
    request.headers.host ?? '',
    'x-forwarded-proto',
    proto,
    `${OWN}proto`,
    proto,
  )
  return headers
}

function answerHeaders(raw: readonly Buffer[], response: ServerResponse): string[] {
  const headers: string[] = []
  for (let at = 0; at < raw.length; at += 2) {
    const name = (raw[at] as Buffer).toString('latin1')
    if (HOP_BY_HOP.has(name.toLowerCase())) continue
    headers.push(name, (raw[at + 1] as Buffer).toString('latin1'))
  }
  if (!response.shouldKeepAlive) headers.push('connection', 'close')
  return headers
}

class BodyTooLarge extends Error {}

/** A declared length was looked at already; what comes in chunks is counted. */
function limited(request: IncomingMessage, maxBodyMb: number): IncomingMessage | Transform {
  if (request.headers['content-length'] !== undefined) return request
  const most = maxBodyMb * 1024 * 1024
  let bytes = 0
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > most) done(new BodyTooLarge())
      else done(null, chunk)
    },
  })
  request.on('error', (error) => counted.destroy(error))
  return request.pipe(counted)
}

function refuse(
  response: ServerResponse,
  status: number,
  body: object | string,
  onDone: (status: number, bytes: number) => void,
  more: Record<string, string> = {},
): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const type = typeof body === 'string' ? 'text/plain' : 'application/json'
  if (!response.headersSent && !response.destroyed) {
    const headers = { 'content-type': type, 'content-length': String(Buffer.byteLength(text)), ...more }
    // Flat, as an app's own: the gateway's headers are for its services.
    response.writeHead(status, Object.entries(headers).flat()).end(text)
  }
  onDone(status, text.length)
}
