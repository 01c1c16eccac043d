/** The examples, as their READMEs have them started. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { eventually, test } from './helpers/cli.ts'
import { exampleProject } from './helpers/example.ts'

interface Answer {
  status: number
  headers: Record<string, unknown>
  text: string
}

/** Of a host that need not be resolved. */
async function ask(url: string, host: string, path: string, init: Parameters<typeof request>[1] = {}): Promise<Answer> {
  const { statusCode, headers, body } = await request(`${url}${path}`, { ...init, headers: { ...init?.headers, host } })
  return { status: statusCode, headers, text: await body.text() }
}

function sending(method: 'POST' | 'PATCH' | 'PUT', body: unknown) {
  return { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
}

test("nano: the app of NANO's README, under up and under serve", async () => {
  await using project = exampleProject('nano')
  const { url } = await project.up()
  const { text } = await ask(url, 'hello.localhost', '/api/hello')
  assert.equal(text, '{"message":"Hello from NANO!","app":"hello"}')
  assert.equal((await ask(url, 'hello.localhost', '/other')).text, 'Not Found')
  await project.down()

  const serving = project.start(['serve', '--port', '0', '--app', './my-app'])
  await serving.says('server_start')
  const [, port] = /"port":(\d+)/.exec(serving.said().stdout) ?? []
  const alone = await ask(`http://127.0.0.1:${port}`, 'localhost', '/api/hello')
  assert.equal(alone.text, '{"message":"Hello from NANO!"}')
  serving.child.kill('SIGTERM')
  assert.equal((await serving.ended).code, 0)
})

test('hono: TypeScript, a package, and a KV binding, from wrangler.toml', async () => {
  await using project = exampleProject('hono')
  const { url } = await project.up()
  assert.equal((await ask(url, 'hono.localhost', '/')).text, 'Hello from hono')
  for (const visits of [1, 2]) {
    const { text } = await ask(url, 'hono.localhost', '/hello/ada')
    assert.deepEqual(JSON.parse(text), { hello: 'ada', visits })
  }
  assert.equal((await ask(url, 'hono.localhost', '/none')).status, 404)
  const { docs } = (await (await fetch(`${url}/cache/visits/_query`, { method: 'POST' })).json()) as { docs: object[] }
  assert.deepEqual(docs, [{ key: 'kv/ada', value: { value: '2' } }])
  await project.down()
})

test('todo: all five services behind one page', async () => {
  await using project = exampleProject('todo')
  const { url } = await project.up('--data', '--cache', '--storage', '--search', '--queue')
  const api = (path: string, init = {}) => ask(url, 'todo.localhost', `/api/${path}`, init)
  const json = async (path: string, init = {}) => JSON.parse((await api(path, init)).text)

  const page = await ask(url, 'todo.localhost', '/')
  assert.match(String(page.headers['content-type']), /^text\/html/)
  assert.equal(page.text, readFileSync(project.file('public/index.html'), 'utf8'))

  const milk = await json('todos', sending('POST', { title: 'Buy milk' }))
  await json('todos', sending('POST', { title: 'Read a book' }))
  const titles = (todos: { title: string }[]) => todos.map(({ title }) => title)
  assert.deepEqual(titles(await json('todos')), ['Buy milk', 'Read a book'])
  assert.deepEqual(titles(await json('todos?find=book')), ['Read a book'])
  assert.deepEqual(await json('todos?find=nothing'), [])

  assert.deepEqual(await json('count'), { open: 2, from: 'data' })
  assert.deepEqual(await json('count'), { open: 2, from: 'cache' })
  assert.equal((await json(`todos/${milk._id}`, sending('PATCH', { isDone: true }))).isDone, true)
  assert.deepEqual(await json('count'), { open: 1, from: 'data' })

  const file = {
    method: 'PUT',
    body: 'two litres',
    headers: { 'x-file-name': 'list%20%C3%A9.txt', 'content-type': 'text/plain' },
  }
  assert.equal((await json(`todos/${milk._id}/file`, file)).file.name, 'list é.txt')
  assert.equal((await api(`todos/${milk._id}/file`)).text, 'two litres')
  assert.equal(await (await fetch(`${url}/storage/test/todos/${milk._id}`)).text(), 'two litres')
  assert.equal((await api(`todos/${milk._id}`, { method: 'DELETE' })).status, 200)
  assert.equal((await api(`todos/${milk._id}`, { method: 'DELETE' })).status, 404)

  await eventually('the queue brought what happened', async () => (await json('activity')).length === 5)
  const happened = (await json('activity')) as { text: string }[]
  assert.equal(happened[0]?.text, 'removed “Buy milk”')
  const forged = sending('POST', { id: '1', text: 'forged' })
  assert.equal((await ask(url, 'todo.localhost', '/jobs', forged)).status, 401)
  const headers = { ...forged.headers, 'x-hyper-signature': `t=${Date.now()},sig=00` }
  assert.equal((await ask(url, 'todo.localhost', '/jobs', { ...forged, headers })).status, 401)
  await project.down()
})

test('queue-worker: what one app enqueues another one does', async () => {
  await using project = exampleProject('queue-worker')
  const { url } = await project.up('--cache', '--queue')
  const { status, text } = await ask(url, 'shop.localhost', '/', sending('POST', { item: 'tea', amount: 3 }))
  assert.equal(status, 202)
  const { accepted } = JSON.parse(text)
  const order = async () =>
    (await (await fetch(`${url}/cache/test/order-${accepted}`)).json()) as Record<string, unknown>
  await eventually('it is done', async () => (await order()).isDone === true)
  assert.deepEqual(await order(), { id: accepted, item: 'tea', amount: 3, isDone: true })

  await ask(url, 'shop.localhost', '/', sending('POST', { item: 'nothing' }))
  await eventually('it failed for good', async () => {
    const { jobs } = (await (await fetch(`${url}/queue/test?status=ERROR`)).json()) as { jobs: { error: string }[] }
    return jobs.length === 1 && jobs[0]?.error === 'an order needs an amount'
  })
  await project.down()
})

test('websocket-echo: what is said comes back', async () => {
  await using project = exampleProject('websocket-echo')
  const { url } = await project.up()
  assert.equal((await ask(url, 'echo.localhost', '/')).status, 426)
  const socket = new WebSocket(url.replace('http', 'ws'), { headers: { host: 'echo.localhost' } })
  const heard: unknown[] = []
  const closed = new Promise<number>((resolve, reject) => {
    socket.on('open', () => socket.send('hello'))
    socket.on('message', (data) => {
      heard.push(String(data))
      socket.send('bye')
    })
    socket.on('close', resolve).on('error', reject)
  })
  assert.equal(await closed, 1000)
  assert.deepEqual(heard, ['echo: hello'])
  await project.down()
})

test('cron: called by the clock, or by hand', async () => {
  await using project = exampleProject('cron')
  const { url } = await project.up()
  const by = { method: 'POST' as const, body: '{"cron":"* * * * *","scheduledTime":1782907200000}' }
  const { text } = await ask(url, new URL(url).host, '/admin/apps/clock/scheduled', by)
  assert.deepEqual(JSON.parse(text), { outcome: 'ok' })
  await eventually('it is kept', async () => {
    const times = JSON.parse((await ask(url, 'clock.localhost', '/')).text) as string[]
    return times.includes('2026-07-01T12:00:00.000Z')
  })
  await project.down()
})

test('each example has a README that says how it is started', async () => {
  for (const name of ['nano', 'hono', 'todo', 'queue-worker', 'websocket-echo', 'cron']) {
    const readme = readFileSync(join(import.meta.dirname, '../examples', name, 'README.md'), 'utf8')
    assert.match(readme, /^hyper-sandbox up/m, name)
  }
})
