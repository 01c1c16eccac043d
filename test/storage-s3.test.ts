/** The storage port on a real S3 server. */
import { randomBytes } from 'node:crypto'
import { after, test } from 'node:test'
import { createS3Storage } from '../adapters/storage/s3.ts'
import { guard } from '../server/port.ts'
import { storagePort } from '../server/ports/storage.ts'
import { storageSuite } from './conformance/storage.ts'
import { startServer } from './parts/servers.ts'

const server = await startServer('minio')
if ('missing' in server) {
  test('storage on S3', (t) => (process.env.CI ? Promise.reject(new Error(server.missing)) : t.skip(server.missing)))
} else {
  after(() => server[Symbol.asyncDispose]())
  const url = `${server.url}/hyper-test`

  storageSuite({
    test,
    create: async () => {
      const namespace = `t${randomBytes(6).toString('hex')}`
      const open = () => guard(storagePort, createS3Storage({ url, namespace }))
      return { storage: open(), reopen: async () => open() }
    },
  })
}
