/** Design §8.5: what a sandbox says of the services it runs without. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hangUp, refuses, send } from './acceptance/http.ts'
import { startServer } from './server-process.ts'

const SERVICES = ['cache', 'data', 'storage', 'search', 'queue']

test('a service that was not started is 503 and names the flag', async () => {
  const server = await startServer(['--search'])
  try {
    const { services } = (await send('GET', `${server.url}/`)).json() as { services: string[] }
    assert.deepEqual(services, ['search'])
    for (const service of SERVICES.filter((name) => name !== 'search')) {
      for (const [method, path] of [
        ['GET', `/${service}`],
        ['PUT', `/${service}/x`],
        ['GET', `/${service}/x/y`],
        ['POST', `/${service}/x/_query`],
        ['GET', `/${service}/x/y/z`],
        ['PUT', `/app/${service}/shelf`],
        ['GET', `/app/${service}/shelf/x`],
      ] as const) {
        refuses(await send(method, server.url + path), 503, new RegExp(`--${service}\\b`))
      }
    }
    refuses(await send('GET', `${server.url}/search/x/y`), 404)
  } finally {
    hangUp()
    await server.stop()
  }
})
