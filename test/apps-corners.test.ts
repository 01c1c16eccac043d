/** The corners of worker-runtime §13 that an app's own code meets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startAppHost } from './helpers/app-host.ts'

test('1: request.method is what the standard says and what NANO says, in the same file', async () => {
  await using apps = await startAppHost({
    api: `export default { fetch(request) {
      return Response.json([request.method === 'POST', request.method() === 'POST'])
    } }`,
  })
  const { status, text } = await apps.get('api', '/', { method: 'POST', body: 'x' })
  assert.equal(status, 200, text)
  assert.equal(text, '[true,true]')
})
