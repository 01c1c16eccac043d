/** A worker as queues see it: a local HTTP server that keeps what it was sent and answers as it is told. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Delivery {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
  /** Unix time in milliseconds. */
  time: number
  /** The sender went away before it was answered. */
  wasCutOff: boolean
}

export interface Target extends AsyncDisposable {
  url: string
  /** In the order of their coming. */
  deliveries: Delivery[]
  /** The most that were there at the same time, unanswered. */
  mostAtOnce(): number
}

/** @param answer whether to answer at once, later or never; `end` ends the response */
export async function startTarget(
  answer: (response: ServerResponse, delivery: Delivery) => unknown = (response) => response.writeHead(204).end(),
): Promise<Target> {
  const deliveries: Delivery[] = []
  let open = 0
  let most = 0
  const server = createServer(async (request, response) => {
    open += 1
    most = Math.max(most, open)
    const { method = '', url: path = '', headers } = request
    const delivery: Delivery = { method, path, headers, body: '', time: Date.now(), wasCutOff: false }
    deliveries.push(delivery)
    response.on('close', () => {
      open -= 1
      delivery.wasCutOff = !response.writableFinished
    })
    try {
      for await (const part of request.setEncoding('utf8')) delivery.body += part
      await answer(response, delivery)
    } catch {
      response.destroy() // cut off while it was still being sent
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/work`,
    deliveries,
    mostAtOnce: () => most,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
