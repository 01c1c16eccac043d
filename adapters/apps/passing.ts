import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import type { RestartReason } from '../../server/ports/apps.ts'
import type { Exchange } from './exchange.ts'
import type { ForwardTarget } from './forward.ts'
import { BodyTooLarge, discardRest, limitedBody } from './limited-body.ts'
import { answerHead, requestHeaders } from './message-headers.ts'
import { type OnDone, refuse } from './refuse.ts'
import { targetOf } from './target.ts'
import type { Upstream } from './upstream.ts'

const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
const CLOSE = { connection: 'close' }
/** A process that broke a connection has ended by then, or goes on. */
const EXIT_MS = 500
const MAX_TEXT_BYTES = 16 * 1024

/** One try to have a request answered by a process of an app. The busiest path there is: made of one object. */
export class Passing implements Exchange, Dispatcher.DispatchHandler {
  startedAt = Number.POSITIVE_INFINITY
  isAnswered = false
  isLate = false
  readonly #upstream: Upstream
  readonly #target: ForwardTarget
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #onDone: OnDone
  readonly #again: (() => void) | undefined
  readonly #hasBody: boolean
  readonly #onClose: () => void
  #controller: Dispatcher.DispatchController | undefined
  #killed: RestartReason | undefined
  /** Of the answer's body, as the app declared it. */
  #length: number | undefined
  #bytes = 0
  #isDone = false

  /** @param again tries once more; absent after the last try */
  constructor(
    upstream: Upstream,
    target: ForwardTarget,
    request: IncomingMessage,
    response: ServerResponse,
    onDone: OnDone,
    again: (() => void) | undefined,
  ) {
    this.#upstream = upstream
    this.#target = target
    this.#request = request
    this.#response = response
    this.#onDone = onDone
    this.#again = again
    const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
    this.#hasBody = length === undefined ? encoding !== undefined : length !== '0'
    this.#onClose = () => this.#clientLeft()
  }

  start(): void {
    const { pool, exchanges } = this.#upstream
    exchanges.add(this)
    this.#response.on('close', this.#onClose)
    const { isPassedOn, config } = this.#target
    pool.dispatch(
      {
        path: targetOf(this.#request),
        method: this.#request.method as Dispatcher.HttpMethod,
        headers: requestHeaders(this.#request, isPassedOn, this.#upstream),
        // undici takes what can be iterated over too, though its types do not say so.
        body: this.#hasBody ? (limitedBody(this.#request, config.maxBodyMb) as IncomingMessage) : null,
      },
      this,
    )
  }

  onKilled(reason: RestartReason): void {
    this.#killed = reason
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.startedAt = performance.now()
    if (this.#isDone) controller.abort(new Error('the client left'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200 || this.#isDone) return
    this.#upstream.heard?.()
    const response = this.#response
    const { headers, length } = answerHead(controller.rawHeaders as Buffer[], response)
    this.#length = length
    if (this.#isTooLarge(length ?? 0)) return void this.#refuseAnswer(controller)
    this.isAnswered = true
    response.writeHead(status, headers)
    // A body of known length comes at once, and goes out together with the head.
    if (length === undefined && this.#request.method !== 'HEAD' && status !== 204 && status !== 304)
      response.flushHeaders()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isDone) return
    this.#upstream.heard?.()
    this.#bytes += chunk.length
    const response = this.#response
    if (this.#isTooLarge(this.#bytes)) return void this.#refuseAnswer(controller)
    if (this.#bytes === this.#length) {
      // As text, byte by byte, a small body is one piece with the head, and one write.
      if (chunk.length <= MAX_TEXT_BYTES) response.end(chunk.toString('latin1'), 'latin1')
      else response.end(chunk)
    } else if (!response.write(chunk)) {
      controller.pause()
      response.once('drain', () => controller.resume())
    }
  }

  onResponseEnd(): void {
    if (this.#isDone) return
    if (!this.#response.writableEnded) this.#response.end()
    this.#done(this.#response.statusCode)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isDone) return
    if (this.isAnswered) {
      // What was sent cannot be unsaid: the client sees that it is not whole.
      this.#response.destroy()
      return void this.#done(this.#response.statusCode)
    }
    if (error instanceof BodyTooLarge) return void this.#fail(413, { error: 'Payload too large' }, CLOSE)
    void this.#afterExit()
  }

  /** Why the connection broke is known once the process has ended. */
  async #afterExit(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, EXIT_MS)
    })
    await Promise.race([this.#upstream.exited, patience])
    clearTimeout(timer)
    if (this.#isDone) return
    if (this.isLate) return void this.#fail(408, 'Script execution timed out')
    const isOverMemory = (this.#killed ?? this.#upstream.killed) === 'memory'
    const wasSent = this.startedAt !== Number.POSITIVE_INFINITY
    const mayRepeat = !wasSent || (IDEMPOTENT.has(this.#request.method ?? '') && !isOverMemory)
    if (mayRepeat && !this.#hasBody && this.#again) {
      this.#leave()
      return void this.#again()
    }
    if (isOverMemory) this.#fail(503, 'Memory limit exceeded - request rejected')
    else this.#fail(503, { error: 'App unavailable' })
  }

  #isTooLarge(bytes: number): boolean {
    const { maxResponseMb } = this.#target.config
    return maxResponseMb !== undefined && bytes > maxResponseMb * 2 ** 20
  }

  #refuseAnswer(controller: Dispatcher.DispatchController): void {
    if (this.isAnswered) {
      this.#response.destroy()
      this.#done(this.#response.statusCode)
    } else this.#fail(500, { error: 'Response too large' })
    controller.abort(new Error('the response is too large'))
  }

  /** The app's stream is cancelled. */
  #clientLeft(): void {
    if (this.#response.writableFinished || this.#isDone) return
    this.#done(this.isAnswered ? this.#response.statusCode : 0)
    this.#controller?.abort(new Error('the client left'))
  }

  #fail(status: number, body: object | string, more?: Record<string, string>): void {
    this.#leave()
    refuse(this.#response, status, body, this.#onDone, more)
  }

  #done(status: number): void {
    this.#leave()
    this.#onDone(status, this.#bytes)
  }

  #leave(): void {
    this.#isDone = true
    this.#upstream.exchanges.delete(this)
    this.#response.off('close', this.#onClose)
    if (this.#hasBody) discardRest(this.#request)
  }
}
