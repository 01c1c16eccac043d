// The main module of every app: calls it as NANO does, and says in NANO's words what went wrong (worker-runtime §§4.2-4.4).
import './prelude.js'
import * as app from './app.js'
import settings from './settings.json'

const { wallMs } = settings
const LATE = Symbol('late')
const APPS = '__APP_'

const handlers = app.default ?? globalThis.__default
if (handlers === null || (typeof handlers !== 'object' && typeof handlers !== 'function')) {
  throw new TypeError('InvalidExports: the default export must be an object with a fetch function')
}
// `scheduled` alone is an app too.
if (handlers.fetch === undefined && handlers.scheduled === undefined) {
  throw new TypeError('MissingFetch: the default export has no fetch function')
}
if (handlers.fetch !== undefined && typeof handlers.fetch !== 'function') {
  throw new TypeError('FetchNotFunction: fetch of the default export is not a function')
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
    if (name.startsWith(APPS)) apps[name.slice(APPS.length)] = value
    else own[name] = value
  }
  own.APPS = apps
  return own
}

function plain(text, status) {
  return new Response(text, { status, headers: { 'content-type': 'text/plain' } })
}

function failed(error) {
  console.error(`Uncaught ${error instanceof Error ? (error.stack ?? error) : String(error)}`)
  return plain(String(error).slice(0, 1024), 500)
}

export default {
  async fetch(request, env, ctx) {
    let timer
    try {
      const late = new Promise((resolve) => {
        timer = setTimeout(resolve, wallMs, LATE)
      })
      const answer = handlers.fetch === undefined ? undefined : handlers.fetch(request, envOf(env), track(ctx))
      const response = await Promise.race([answer, late])
      if (response === LATE) return plain('Promise did not resolve in time', 500)
      if (response instanceof Response) return response
      return plain('fetch handler must return a Response', 500)
    } catch (error) {
      return failed(error)
    } finally {
      clearTimeout(timer)
    }
  },
}

/** What the host itself asks, on a socket of its own. */
export const control = {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url)
    if (pathname === '/awaited') return Response.json({ awaited })
    if (handlers.scheduled === undefined) return Response.json({ outcome: 'missing' }, { status: 404 })
    const { cron, scheduledTime } = await request.json()
    try {
      await handlers.scheduled({ cron, scheduledTime, type: 'scheduled', noRetry() {} }, envOf(env), track(ctx))
      return Response.json({ outcome: 'ok' })
    } catch (error) {
      await failed(error).text()
      return Response.json({ outcome: 'exception', error: String(error) }, { status: 500 })
    }
  },
}
