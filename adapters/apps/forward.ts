/** A client's request passed to an app's process and its answer passed back, byte for byte (worker-runtime §§4.4, 9, 12.7). */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { discardRest } from './limited-body.ts'
import type { LoadFailure } from './load-failure.ts'
import { Passing } from './passing.ts'
import { type OnDone, refuse } from './refuse.ts'
import type { Upstream } from './upstream.ts'

const MAX_ATTEMPTS = 3
/** Requests that wait for one that is answered, per request that may be answered at once. */
const QUEUE_FACTOR = 4

export interface ForwardTarget {
  pick(): Upstream | Promise<Upstream | undefined> | undefined
  config: { maxBodyMb: number; maxResponseMb?: number | undefined; maxConcurrent: number }
  /** Why nothing of it runs, where clients may know. @param accept their header */
  failure?(accept: string | undefined): LoadFailure | undefined
  isDraining: boolean
  /** The request came through a gateway of ours: what that says of the client stands. @default it comes from the client */
  isPassedOn?: boolean | undefined
}

export function forward(
  target: ForwardTarget,
  request: IncomingMessage,
  response: ServerResponse,
  onDone: OnDone,
): void {
  if (target.isDraining)
    return void refuse(response, 503, { error: 'Service draining', retry_after_s: 30 }, onDone, {
      'retry-after': '30',
      connection: 'close',
    })
  const { headers } = request
  if (
    headers['content-length'] !== undefined &&
    Number(headers['content-length']) > target.config.maxBodyMb * 2 ** 20
  ) {
    discardRest(request)
    return void refuse(response, 413, { error: 'Payload too large' }, onDone, { connection: 'close' })
  }
  if (headers.expect !== undefined && /^100-continue$/i.test(headers.expect)) response.writeContinue()
  attempt(target, request, response, 1, onDone)
}

function attempt(
  target: ForwardTarget,
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
  onDone: OnDone,
): void {
  const picked = target.pick()
  if (picked === undefined) return void unavailable(target, request, response, onDone)
  if (!(picked instanceof Promise)) return void dispatch(picked, target, request, response, count, onDone)
  picked.then(
    (upstream) => {
      if (upstream) dispatch(upstream, target, request, response, count, onDone)
      else unavailable(target, request, response, onDone)
    },
    () => unavailable(target, request, response, onDone),
  )
}

function dispatch(
  upstream: Upstream,
  target: ForwardTarget,
  request: IncomingMessage,
  response: ServerResponse,
  count: number,
  onDone: OnDone,
): void {
  // It left while a process was started.
  if (response.destroyed) return void onDone(0, 0)
  if (upstream.exchanges.size >= target.config.maxConcurrent * (1 + QUEUE_FACTOR)) {
    return void refuse(response, 503, { error: 'Too many requests' }, onDone, { 'retry-after': '1' })
  }
  const again = count < MAX_ATTEMPTS ? () => attempt(target, request, response, count + 1, onDone) : undefined
  new Passing(upstream, target, request, response, onDone, again).start()
}

function unavailable(target: ForwardTarget, request: IncomingMessage, response: ServerResponse, onDone: OnDone): void {
  const failure = target.failure?.(request.headers.accept)
  if (failure) refuse(response, 503, failure.text, onDone, { 'content-type': failure.type })
  else refuse(response, 503, { error: 'App unavailable' }, onDone)
}
