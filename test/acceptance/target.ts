/**
 * Where a queue's jobs go in these cases: an HTTP server inside the test process. The sandbox reaches it by 127.0.0.1, or, when it
 * runs in a container, by the address that HYPER_TEST_TARGET_HOST names.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Delivery {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
  /** Unix time in milliseconds. */
  at: number
  /** The sender went away before it had its answer. */
  cutOff: boolean
}

export interface Target {
  url: string
  /** In the order they came. */
  deliveries: Delivery[]
  /** Resolves when so many have come. */
  received(count: number): Promise<Delivery[]>
}

export const TARGET_HOST = process.env.HYPER_TEST_TARGET_HOST || '127.0.0.1'

export type Answering = (reply: ServerResponse, delivery: Delivery, count: number) => void

/** Answers every delivery with this status and text. */
export function replying(status: number, text = ''): Answering {
  return (reply) => reply.writeHead(status, { 'content-type': 'text/plain' }).end(text)
}

export async function withTarget(answering: Answering, run: (target: Target) => Promise<void>): Promise<void> {
  const deliveries: Delivery[] = []
  const server = createServer(async (request, reply) => {
    const delivery: Delivery = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: '',
      at: Date.now(),
      cutOff: false,
    }
    reply.on('close', () => {
      delivery.cutOff = !reply.writableFinished
    })
    delivery.body = await readText(request)
    deliveries.push(delivery)
    answering(reply, delivery, deliveries.length)
  })
  server.listen(0, TARGET_HOST)
  await once(server, 'listening')
  const received = async (count: number) => {
    await until(`${count} deliveries`, () => deliveries.length >= count)
    return deliveries
  }
  try {
    await run({ url: `http://${TARGET_HOST}:${(server.address() as AddressInfo).port}/jobs`, deliveries, received })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Waits until `check` holds; a slow machine has time. */
export async function until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!(await check())) {
    assert.ok(performance.now() < deadline, `never happened: ${what}`)
    await sleep(10)
  }
}
