/** Apps over HTTPS, as the gateway's own answers are (design §8). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { WebSocket } from 'ws'
import { TestProject, test } from './helpers/cli.ts'
import { writeApp } from './helpers/serving.ts'

const APP = `export default {
  fetch(request) {
    if (request.headers.get('upgrade') !== 'websocket')
      return new Response(request.url + ' ' + request.headers.get('x-forwarded-proto'))
    const [client, server] = Object.values(new WebSocketPair())
    server.accept()
    server.addEventListener('message', ({ data }) => server.send('heard ' + data))
    return new Response(null, { status: 101, webSocket: client })
  },
}
`

test('an app is reached by https and wss on its host', async () => {
  await using project = new TestProject()
  writeApp(project, 'api/index.js', APP)
  project.write('hyper-sandbox.yaml', 'services: { search: false, queue: false }\napps: [{ name: api, path: ./api }]\n')
  const { https } = (await project.up('--tls')) as unknown as { https: { url: string; authorityFile: string } }
  const ca = readFileSync(https.authorityFile)
  const headers = { host: 'api.localhost' }

  const outgoing = request(`${https.url}/path`, { ca, headers, agent: false }).end()
  const [incoming] = await once(outgoing, 'response')
  const text = Buffer.concat(await incoming.toArray()).toString()
  assert.equal(text, 'https://api.localhost/path https')

  const socket = new WebSocket(https.url.replace('https:', 'wss:'), { ca, headers })
  await once(socket, 'open')
  socket.send('hello')
  const [heard] = await once(socket, 'message')
  assert.equal(String(heard), 'heard hello')
  socket.terminate()
  await project.down()
})
