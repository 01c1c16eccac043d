/** The data adapter on MongoDB keeps the data port's promises, and what is particular to it. */
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { createMongodbData } from '../adapters/data/mongodb.ts'
import { guard } from '../server/port.ts'
import { type DataPort, dataPort } from '../server/ports/data.ts'
import { dataSuite } from './conformance/data.ts'
import { startServer } from './parts/servers.ts'

const server = await startServer('mongo')
if ('missing' in server) {
  test('the data adapter on MongoDB', { skip: server.missing }, () => {})
} else {
  after(() => server[Symbol.asyncDispose]())
  const namespace = `test-${randomUUID()}`
  dataSuite({
    test,
    create: async () => guard<DataPort>(dataPort, await createMongodbData({ url: server.url, namespace })),
  })
}
