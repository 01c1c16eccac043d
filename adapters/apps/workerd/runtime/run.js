// The main module of a script that runs once: as long as it waits for something, so does this.
import './prelude.js'
import { load } from './app.js'

let failure

const fail = (error) => {
  failure ??= error instanceof Error ? (error.stack ?? String(error)) : String(error)
}
addEventListener('unhandledrejection', ({ reason }) => fail(reason))

// workerd tells nobody what a timer throws.
for (const name of ['setTimeout', 'setInterval']) {
  const native = globalThis[name]
  globalThis[name] = (callback, ms, ...values) => {
    const guarded = () => {
      try {
        callback(...values)
      } catch (error) {
        fail(error)
      }
    }
    return native(guarded, ms)
  }
}

export default {
  async fetch(request) {
    if (new URL(request.url).pathname === '/failure') return Response.json({ failure })
    await load().catch(fail)
    // It cannot settle: workerd ends this when no timer and no fetch is left that could.
    return failure === undefined ? await new Promise(() => {}) : new Response(null)
  },
}
