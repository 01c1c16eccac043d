// The main module of every app: calls it as NANO does, and says in NANO's words what went wrong (worker-runtime §§4.2-4.4).
import './prelude.js'
import { DurableObject } from 'cloudflare:workers'
import * as app from './app.js'
import { byPath, credentialsOf } from './hyper.js'
import { setTimeout } from './prelude.js'
import settings from './settings.json'
import { withReadBody } from './sync-body.js'

const { wallMs, compat, exposeErrors } = settings
const withCredentials = credentialsOf(settings.hyper)
const LATE = Symbol('late')
const UNREAD_MS = 5_000
const APPS = '__APP_'
const STATEFUL = '__STATEFUL'

const isStateful = compat.includes('stateful')
let handlers = isStateful ? undefined : checked(app)

function checked({ default: given = globalThis.__default }) {
  if (given === null || (typeof given !== 'object' && typeof given !== 'function')) {
    throw new TypeError('InvalidExports: the default export must be an object with a fetch function')
  }
  const { fetch, scheduled } = isClass(given) ? given.prototype : given
  // `scheduled` alone is an app too.
  if (fetch === undefined && scheduled === undefined) {
    throw new TypeError('MissingFetch: the default export has no fetch function')
  }
  if (fetch !== undefined && typeof fetch !== 'function') {
    throw new TypeError('FetchNotFunction: fetch of the default export is not a function')
  }
  return given
}

/** Such as a WorkerEntrypoint: each event has an instance of its own. */
function isClass(given) {
  return typeof given === 'function' && given.fetch === undefined && given.scheduled === undefined
}

function handlersFor(ctx, env) {
  return isClass(handlers) ? new handlers(ctx, env) : handlers
}

/** Promises given to `waitUntil` that have not settled. */
let awaited = 0

function track(ctx) {
  const waitUntil = ctx.waitUntil.bind(ctx)
  ctx.waitUntil = (promise) => {
    awaited += 1
    const done = () => {
      awaited -= 1
    }
    Promise.resolve(promise).then(done, done)
    waitUntil(promise)
  }
  return ctx
}

/** Fresh for each request: what one changes, the next does not see. */
function envOf(env) {
  const own = {}
  const apps = {}
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(APPS)) apps[name.slice(APPS.length)] = byPath(value, name.slice(APPS.length))
    else if (name === 'hyper' && typeof value === 'object') own[name] = withCredentials(value)
    else if (name !== STATEFUL) own[name] = value
  }
  own.APPS ??= apps
  return own
}

function plain(text, status) {
  return new Response(text, { status, headers: { 'content-type': 'text/plain' } })
}

function failed(error) {
  console.error(`Uncaught ${error instanceof Error ? (error.stack ?? error) : String(error)}`)
  return plain(exposeErrors ? String(error).slice(0, 1024) : 'Internal Server Error', 500)
}

async function answer(request, bindings, context) {
  let timer
  try {
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, wallMs, LATE)
    })
    const env = envOf(bindings)
    const ctx = track(context)
    const called = compat.includes('sync-body')
      ? withReadBody(request).then((read) => handlersFor(ctx, env).fetch?.(read, env, ctx))
      : handlersFor(ctx, env).fetch?.(request, env, ctx)
    const response = await Promise.race([called, late])
    if (response === LATE) return plain('Promise did not resolve in time', 500)
    if (response instanceof Response) {
      if (response.status >= 400 && request.body) await readToEnd(request)
      return response
    }
    return plain('fetch handler must return a Response', 500)
  } catch (error) {
    return failed(error)
  } finally {
    clearTimeout(timer)
  }
}

/** A connection that is closed with much of its request unread takes the refusal with it. */
async function readToEnd({ body, bodyUsed }) {
  if (bodyUsed || body.locked) return
  let timer
  const enough = new Promise((resolve) => {
    timer = setTimeout(resolve, UNREAD_MS)
  })
  await Promise.race([body.pipeTo(new WritableStream()).catch(() => {}), enough])
  clearTimeout(timer)
}

async function runScheduled(event, bindings, context) {
  try {
    const env = envOf(bindings)
    const ctx = track(context)
    const called = handlersFor(ctx, env)
    if (called.scheduled === undefined) return { outcome: 'missing' }
    await called.scheduled({ ...event, type: 'scheduled', noRetry() {} }, env, ctx)
    return { outcome: 'ok' }
  } catch (error) {
    await failed(error).text()
    return { outcome: 'exception', error: String(error) }
  }
}

/** Where the whole app lives when it is stateful: there its timers and its responses outlive a request (worker-runtime §12.9). */
export class Stateful extends DurableObject {
  #loaded

  /** @returns nothing, or why it cannot be loaded */
  async load() {
    this.#loaded ??= app.load().then((module) => {
      handlers = checked(module)
    })
    try {
      await this.#loaded
    } catch (error) {
      return `Uncaught ${error instanceof Error ? (error.stack ?? error) : String(error)}`
    }
  }

  async fetch(request) {
    await this.#loaded
    return await answer(request, this.env, this.#context())
  }

  async scheduled(event) {
    await this.#loaded
    return await runScheduled(event, this.env, this.#context())
  }

  #context() {
    return { waitUntil: (promise) => this.ctx.waitUntil(promise), passThroughOnException() {}, props: {} }
  }
}

function instanceOf(env) {
  return env[STATEFUL].get(env[STATEFUL].idFromName('app'))
}

export default {
  fetch(request, env, ctx) {
    return isStateful ? instanceOf(env).fetch(request) : answer(request, env, ctx)
  },
}

const STATUS = { ok: 200, missing: 404, exception: 500 }

/** What the host itself asks, on a socket of its own. */
export const control = {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url)
    if (pathname === '/awaited') return Response.json({ awaited })
    if (pathname === '/load') return Response.json({ failure: await instanceOf(env).load() })
    const event = await request.json()
    const result = isStateful ? await instanceOf(env).scheduled(event) : await runScheduled(event, env, ctx)
    return Response.json(result, { status: STATUS[result.outcome] })
  },
}
