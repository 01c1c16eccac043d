import { equal, hex, ok, rejects, sleep, throws } from './assert.js'

const FOX = 'The quick brown fox jumps over the lazy dog'
const FOX_MAC = 'f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8'
const bytes = (text) => new TextEncoder().encode(text)
const key = (usages) => crypto.subtle.importKey('raw', bytes('key'), { name: 'HMAC', hash: 'SHA-256' }, true, usages)

export const checks = {
  'URL: components, base, invalid, searchParams'() {
    const url = new URL('https://u:p@example.com:8080/a/b?x=1#h')
    const { protocol, username, password, host, hostname, port, pathname, search, hash, origin } = url
    equal([protocol, username, password, host, hostname], ['https:', 'u', 'p', 'example.com:8080', 'example.com'])
    equal([port, pathname, search, hash, origin], ['8080', '/a/b', '?x=1', '#h', 'https://example.com:8080'])
    equal(new URL('../c?d', 'http://e.com/a/b/').href, 'http://e.com/a/c?d')
    throws(() => new URL('nonsense'), 'TypeError')
    url.searchParams.set('x', '2')
    equal(url.search, '?x=2')
  },
  'URLSearchParams: get, getAll, has, set, append, delete, iteration, encoding'() {
    const params = new URLSearchParams('?a=1&a=2&b=x%20y&c')
    equal([params.get('a'), params.getAll('a'), params.get('b'), params.has('c')], ['1', ['1', '2'], 'x y', true])
    params.set('a', '3')
    params.append('d', 'ü&')
    params.delete('c')
    equal(
      [...params],
      [
        ['a', '3'],
        ['b', 'x y'],
        ['d', 'ü&'],
      ],
    )
    equal(params.toString(), 'a=3&b=x+y&d=%C3%BC%26')
  },
  TextEncoder() {
    const encoded = bytes('é€😀')
    ok(encoded instanceof Uint8Array)
    equal(encoded.length, 9)
  },
  'TextDecoder: buffers and views, split characters, fatal'() {
    const encoded = bytes('é€😀')
    equal(new TextDecoder().decode(encoded.buffer), 'é€😀')
    equal(new TextDecoder().decode(new DataView(encoded.buffer, 2, 3)), '€')
    const decoder = new TextDecoder()
    equal(decoder.decode(encoded.slice(0, 3), { stream: true }) + decoder.decode(encoded.slice(3)), 'é€😀')
    throws(() => new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([0xff])), 'TypeError')
  },
  'Headers: case, append, order, delete, getSetCookie'() {
    const headers = new Headers({ 'X-B': '1' })
    headers.append('x-b', '2')
    headers.set('X-A', 'a')
    equal([headers.get('X-b'), headers.has('x-a')], ['1, 2', true])
    equal([...headers.keys()], ['x-a', 'x-b'])
    headers.delete('x-a')
    equal(Object.fromEntries(headers), { 'x-b': '1, 2' })
    equal(new Headers(headers).get('x-b'), '1, 2')
    headers.append('set-cookie', 'a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT')
    headers.append('set-cookie', 'b=2')
    equal(headers.getSetCookie().length, 2)
  },
  async 'Request: properties, bodies, clone, second read'() {
    const make = () => new Request('http://e.com/p?q=1', { method: 'POST', headers: { 'x-a': '1' }, body: '{"a":[1]}' })
    const request = make()
    equal([request.url, request.method, request.headers.get('x-a')], ['http://e.com/p?q=1', 'POST', '1'])
    const copy = request.clone()
    equal(await request.json(), { a: [1] })
    equal(await copy.text(), '{"a":[1]}')
    await rejects(request.text(), /TypeError/)
    equal((await make().arrayBuffer()).byteLength, 9)
    const form = new FormData()
    form.append('f', 'v')
    equal((await new Request('http://e.com', { method: 'POST', body: form }).formData()).get('f'), 'v')
  },
  async 'Response: status, ok, headers, bodies, clone, json, redirect'() {
    const response = new Response('{"a":1}', { status: 201, headers: { 'x-a': '1' } })
    equal([response.status, response.ok, response.headers.get('x-a')], [201, true, '1'])
    equal(await response.clone().text(), '{"a":1}')
    equal(await response.json(), { a: 1 })
    const json = Response.json({ b: 2 }, { status: 202, headers: { 'x-b': '2' } })
    equal([json.status, json.headers.get('content-type'), json.headers.get('x-b')], [202, 'application/json', '2'])
    const moved = Response.redirect('http://e.com/')
    equal([moved.status, moved.headers.get('location')], [302, 'http://e.com/'])
    throws(() => new Response('', { status: 99 }), 'RangeError')
  },
  'Response: the reason phrase is the status text unless one is given'() {
    equal(new Response('', { status: 201 }).statusText, 'Created')
    equal(new Response('').statusText, 'OK')
    equal(new Response('', { statusText: 'Mine' }).statusText, 'Mine')
    equal(new Response('', { status: 599 }).statusText, '')
  },
  'Response.redirect: a relative URL'() {
    const response = Response.redirect('/there', 307)
    ok(response instanceof Response)
    equal([response.status, response.headers.get('location')], [307, '/there'])
  },
  async 'Blob: parts, size, type, text, arrayBuffer, slice, stream'() {
    const blob = new Blob(['ab', new Uint8Array([99]), new Blob(['d'])], { type: 'text/x' })
    equal([blob.size, blob.type, await blob.text()], [4, 'text/x', 'abcd'])
    equal((await blob.arrayBuffer()).byteLength, 4)
    equal(await blob.slice(1, 3).text(), 'bc')
    equal(await new Response(blob.stream()).text(), 'abcd')
  },
  File() {
    const file = new File(['x'], 'x.txt', { lastModified: 5 })
    ok(file instanceof Blob)
    equal([file.name, file.lastModified, file.size], ['x.txt', 5, 1])
  },
  async 'AbortController: aborted, reason, event, and an outstanding fetch'({ upstream }) {
    const controller = new AbortController()
    let heard = 0
    controller.signal.addEventListener('abort', () => {
      heard += 1
    })
    const pending = fetch(`${upstream}/slow?ms=5000`, { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    equal((await rejects(pending)).name, 'AbortError')
    equal([controller.signal.aborted, heard, controller.signal.reason.name], [true, 1, 'AbortError'])
  },
  async 'AbortSignal.timeout'({ upstream }) {
    const signal = AbortSignal.timeout(20)
    equal((await rejects(fetch(`${upstream}/slow?ms=5000`, { signal }))).name, 'TimeoutError')
    equal([signal.aborted, signal.reason.name], [true, 'TimeoutError'])
  },
  'crypto.randomUUID'() {
    ok(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(crypto.randomUUID()))
  },
  'crypto.getRandomValues: the same array, filled; not over 65536 bytes'() {
    const array = new Uint8Array(64)
    ok(crypto.getRandomValues(array) === array)
    ok(array.some((byte) => byte !== 0))
    throws(() => crypto.getRandomValues(new Uint8Array(65_537)), 'QuotaExceededError')
  },
  async 'crypto.subtle.digest: SHA-256, -384, -512, a megabyte'() {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    equal(hex(await crypto.subtle.digest('SHA-256', bytes('abc'))), abc)
    equal((await crypto.subtle.digest('SHA-384', bytes('abc'))).byteLength, 48)
    equal((await crypto.subtle.digest({ name: 'SHA-512' }, bytes('abc'))).byteLength, 64)
    const million = 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'
    equal(hex(await crypto.subtle.digest('SHA-256', bytes('a'.repeat(1_000_000)))), million)
  },
  async 'crypto.subtle.digest: text'() {
    const empty = 'da39a3ee5e6b4b0d3255bfef95601890afd80709'
    equal(hex(await crypto.subtle.digest('SHA-1', '')), empty)
  },
  async 'crypto.subtle.sign: HMAC, verified or not'() {
    const both = await key(['sign', 'verify'])
    const mac = await crypto.subtle.sign('HMAC', both, bytes(FOX))
    equal(hex(mac), FOX_MAC)
    equal(await crypto.subtle.verify('HMAC', both, mac, bytes(FOX)), true)
    equal(await crypto.subtle.verify('HMAC', both, mac, bytes('other')), false)
  },
  async 'crypto.subtle.sign/verify: a key as text or { raw }'() {
    for (const raw of ['key', { raw: 'key' }, { raw: bytes('key') }]) {
      const mac = await crypto.subtle.sign('HMAC', raw, FOX)
      equal(hex(mac), FOX_MAC)
      equal(await crypto.subtle.verify('HMAC', raw, mac, FOX), true)
      equal(await crypto.subtle.verify('HMAC', raw, mac, 'other'), false)
    }
  },
  'atob/btoa: round trip, what is not Latin-1, what is not base64, white space'() {
    equal(atob(btoa('\u0000ÿ abc')), '\u0000ÿ abc')
    equal(atob(' YW Jj\n'), 'abc')
    throws(() => btoa('€'), 'InvalidCharacterError')
    throws(() => atob('*'), 'InvalidCharacterError')
  },
  async 'WebAssembly: an imported module'() {
    const { default: module } = await import('./add.wasm')
    const { exports } = new WebAssembly.Instance(module)
    equal(exports.add(2, 3), 5)
  },
  async 'timers fire while a handler waits'() {
    let fired = false
    setTimeout(() => {
      fired = true
    }, 1)
    await sleep(30)
    ok(fired)
  },
}
