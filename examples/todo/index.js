/**
 * A to-do list on the five hyper services. To-dos are documents in `data`, found by words through `search`; their files are objects in
 * `storage`; how many are open is kept in `cache` for a while; and what happened is written down by jobs that `queue` brings back here.
 */
import { connect, createHyperVerify } from 'hyper-connect'

const COUNT = 'open-todos'

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url)
    const hyper = connect(env.HYPER)
    const [, , id, part] = pathname.slice(1).split('/')
    const route = `${request.method} ${pathname.replace(/^(\/api\/todos)\/[^/]+/, '$1/:id')}`
    switch (route) {
      case 'GET /api/todos':
        return Response.json(await list(hyper, searchParams.get('find')))
      case 'POST /api/todos':
        return Response.json(await add(hyper, await request.json()), { status: 201 })
      case 'PATCH /api/todos/:id':
        return answer(await change(hyper, id, await request.json()))
      case 'DELETE /api/todos/:id':
        return answer(await remove(hyper, id))
      case 'PUT /api/todos/:id/file':
        return answer(await attach(hyper, id, request))
      case 'GET /api/todos/:id/file':
        return await download(hyper, id)
      case 'GET /api/count':
        return Response.json(await count(hyper))
      case 'GET /api/activity':
        return Response.json(await activity(hyper))
      case 'POST /jobs':
        return await work(hyper, request, env.QUEUE_SECRET)
      default:
        return new Response(`nothing is at ${pathname}${part ? ` (${part})` : ''}`, { status: 404 })
    }
  },
}

async function list({ data, search }, words) {
  if (!words) return (await data.query({ type: 'todo' })).docs.sort(byTime)
  const { matches } = await search.query(words)
  if (matches.length === 0) return []
  const ids = matches.map(({ id }) => id)
  return (await data.query({ _id: { $in: ids } })).docs.sort(byTime)
}

async function add(hyper, { title }) {
  const todo = { _id: crypto.randomUUID(), type: 'todo', title: String(title), isDone: false, at: Date.now() }
  await hyper.data.add(todo)
  await hyper.search.add(todo._id, { title: todo.title })
  await changed(hyper, `added “${todo.title}”`)
  return todo
}

async function change(hyper, id, { isDone }) {
  const { ok, doc } = await hyper.data.get(id)
  if (!ok) return undefined
  const todo = { ...doc, isDone: isDone === true }
  await hyper.data.update(id, todo)
  await changed(hyper, `${todo.isDone ? 'did' : 'opened'} “${todo.title}”`)
  return todo
}

async function remove(hyper, id) {
  const { ok, doc } = await hyper.data.get(id)
  if (!ok) return undefined
  await hyper.data.remove(id)
  await hyper.search.remove(id)
  if (doc.file) await hyper.storage.remove(`todos/${id}`)
  await changed(hyper, `removed “${doc.title}”`)
  return doc
}

async function attach(hyper, id, request) {
  const { ok, doc } = await hyper.data.get(id)
  if (!ok) return undefined
  await hyper.storage.upload(`todos/${id}`, request.body)
  const name = decodeURIComponent(request.headers.get('x-file-name') ?? 'file')
  const file = { name, type: request.headers.get('content-type') }
  await hyper.data.update(id, { ...doc, file })
  await changed(hyper, `attached ${file.name} to “${doc.title}”`)
  return { ...doc, file }
}

async function download(hyper, id) {
  const { doc } = await hyper.data.get(id)
  if (!doc?.file) return new Response('it has no file', { status: 404 })
  const { object } = await hyper.storage.download(`todos/${id}`)
  // Another's file is nothing to run.
  const headers = { 'content-type': doc.file.type ?? 'application/octet-stream', 'content-security-policy': 'sandbox' }
  return new Response(object, { headers })
}

async function count({ data, cache }) {
  const kept = await cache.get(COUNT)
  if (kept.ok) return { ...kept.doc, from: 'cache' }
  const { docs } = await data.query({ type: 'todo', isDone: false }, { fields: ['_id'] })
  await cache.set(COUNT, { open: docs.length }, '1m')
  return { open: docs.length, from: 'data' }
}

async function activity({ data }) {
  const { docs } = await data.query({ type: 'activity' })
  return docs.sort((a, b) => b.at - a.at).slice(0, 10)
}

/** What is kept of it is no longer true; what happened is written down when the queue gets to it. */
async function changed({ cache, queue }, text) {
  await cache.remove(COUNT)
  await queue.enqueue({ id: crypto.randomUUID(), text, at: Date.now() })
}

async function work({ data }, request, secret) {
  const job = await request.json()
  const signature = request.headers.get('x-hyper-signature')
  const isSigned = signature !== null && createHyperVerify(secret, '5m')(signature, job).ok
  if (!isSigned) return new Response('only the queue may', { status: 401 })
  // A job may come twice.
  const { ok, status } = await data.add({ _id: job.id, type: 'activity', text: job.text, at: job.at })
  return new Response(null, { status: ok || status === 409 ? 204 : 503 })
}

function answer(todo) {
  return todo ? Response.json(todo) : new Response('there is no such to-do', { status: 404 })
}

function byTime(a, b) {
  return a.at - b.at
}
