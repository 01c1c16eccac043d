/** The one place where a failure becomes an HTTP answer: `{ok:false,status,msg}` (hyper-api §0.4). */

import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { HyperError } from '../error.ts'
import { COMMON_HEADERS, errorText, JSON_TYPE } from '../response.ts'

export function sendError(request: FastifyRequest, reply: FastifyReply, error: unknown, logger: Logger): void {
  const { status, msg } = describe(error)
  if (status >= 500 && status !== 501) {
    const { code, cause } = error as HyperError
    logger.error({ method: request.method, url: request.url, code, err: cause ?? error }, msg)
  }
  reply.code(status).header('content-type', JSON_TYPE).send(errorText(status, msg))
}

/** Fastify's own refusals keep their 4xx; anything unknown is a defect whose text stays in the log (B6). */
function describe(error: unknown): { status: number; msg: string } {
  if (error instanceof HyperError) return { status: error.status, msg: error.message }
  const { code, statusCode = 500 } = error as Partial<FastifyError>
  if (code === 'FST_ERR_BAD_URL') return { status: 400, msg: 'Failed to decode the path: malformed percent-encoding' }
  if (statusCode >= 400 && statusCode < 500) return { status: statusCode, msg: (error as Error).message }
  return { status: 500, msg: 'Internal Server Error' }
}

/** Requests that Node's parser refuses never reach fastify; they are answered on the bare socket. */
export function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const msg =
    status === 431
      ? 'the request headers are too large'
      : status === 408
        ? 'the request took too long to arrive'
        : 'the request is not valid HTTP'
  const body = errorText(status, msg)
  const headers = Object.entries({
    ...COMMON_HEADERS,
    'content-type': JSON_TYPE,
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  })
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
  )
}
