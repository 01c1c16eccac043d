import { equal, ok, rejects, sleep, throws } from './assert.js'

/** Code may be made of text while a module is loaded, and not later. */
const atStart = new Function('return 1')()

export const checks = {
  'console.log/warn/error/info/debug: each with mixed values'() {
    for (const level of ['log', 'warn', 'error', 'info', 'debug']) {
      console[level](level, { a: 1 }, [1, 'x'], null, undefined, 5, '%d')
    }
  },
  async 'eval, new Function and WebAssembly from bytes: at the start alone, as on Workers'() {
    equal(atStart, 1)
    throws(() => new Function('return 1'), 'EvalError')
    const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    await rejects(WebAssembly.compile(empty), /CompileError/)
    throws(() => new WebAssembly.Module(empty), 'CompileError')
  },
  async 'setTimeout: once, after the delay, in order, with arguments, and an id that is a number'() {
    const order = []
    const started = Date.now()
    const id = setTimeout((...args) => order.push(args), 30, 'c', 3)
    setTimeout(() => order.push('a'), 10)
    setTimeout(() => order.push('b'), 20)
    equal(typeof id, 'number')
    await new Promise((resolve) => setTimeout(resolve, 60))
    ok(Date.now() - started >= 55)
    equal(order, ['a', 'b', ['c', 3]])
  },
  async 'setInterval: ticks until it is cleared'() {
    let ticks = 0
    const id = setInterval(() => {
      ticks += 1
    }, 10)
    while (ticks < 3) await sleep(5)
    clearInterval(id)
    const seen = ticks
    await sleep(40)
    equal(ticks, seen)
  },
  async 'clearTimeout/clearInterval: what is cancelled never runs; no id is no trouble'() {
    let ran = false
    const id = setTimeout(() => {
      ran = true
    }, 5)
    clearTimeout(id)
    for (const none of [undefined, null]) {
      clearTimeout(none)
      clearInterval(none)
    }
    await sleep(20)
    equal(ran, false)
  },
  async 'fetch: a promise of a Response; method, headers and body arrive'({ upstream }) {
    const pending = fetch(`${upstream}/echo`, { method: 'PUT', headers: { 'x-a': '1' }, body: 'text' })
    ok(pending instanceof Promise)
    const response = await pending
    ok(response instanceof Response)
    const { method, headers, body } = await response.json()
    equal([method, headers['x-a'], body], ['PUT', '1', 'text'])
  },
  async 'fetch: takes a URL and a Request'({ upstream }) {
    equal((await (await fetch(new URL(`${upstream}/echo`))).json()).method, 'GET')
    const request = new Request(`${upstream}/echo`, { method: 'DELETE', headers: { 'x-b': '2' } })
    const { method, headers } = await (await fetch(request)).json()
    equal([method, headers['x-b']], ['DELETE', '2'])
  },
  async 'fetch: follows redirects, or not'({ upstream }) {
    const followed = await fetch(`${upstream}/redirect`)
    equal([followed.status, followed.redirected], [200, true])
    const manual = await fetch(`${upstream}/redirect`, { redirect: 'manual' })
    equal([manual.status, manual.headers.get('location')], [302, '/echo'])
  },
  async 'fetch: a refused connection rejects with an Error'() {
    const error = await rejects(fetch('http://127.0.0.1:1/'), /BlockedHost|ConnectionFailed/)
    ok(error instanceof Error)
  },
}
