import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { createBullmqQueue } from '../adapters/queue/bullmq.ts'
import { guard } from '../server/port.ts'
import { queuePort } from '../server/ports/queue.ts'
import { queueSuite } from './conformance/queue.ts'
import { startServer } from './parts/servers.ts'

const server = await startServer('redis')
if (!('missing' in server)) {
  after(() => server[Symbol.asyncDispose]())
  queueSuite({
    test,
    create: async (tuning) => {
      const namespace = randomUUID()
      const open = () => guard(queuePort, createBullmqQueue({ url: server.url, namespace, ...tuning }))
      return { queue: open(), reopen: async () => open() }
    },
  })
}
