// What NANO lists as known limitations must not be there.
import { equal, ok, rejects, sleep } from './assert.js'

const MB = 1024 * 1024
const { subtle } = crypto
const data = new TextEncoder().encode('data')

async function encrypts(algorithm, key) {
  const sealed = await subtle.encrypt(algorithm, key, data)
  equal(new TextDecoder().decode(await subtle.decrypt(algorithm, key, sealed)), 'data')
}

async function signs(algorithm, { privateKey, publicKey }) {
  const signature = await subtle.sign(algorithm, privateKey, data)
  equal(await subtle.verify(algorithm, publicKey, signature, data), true)
  equal(await subtle.verify(algorithm, publicKey, signature, new Uint8Array(4)), false)
}

export const checks = {
  async 'B-01: nothing is cut'({ upstream }) {
    const text = 'x'.repeat(MB)
    equal((await new Blob([text]).text()).length, MB)
    equal(atob(btoa(text)).length, MB)
    const { length } = await (await fetch(`${upstream}/count`, { method: 'POST', body: text })).json()
    equal(length, MB)
    const list = Array.from({ length: 20_000 }, (_, at) => `item ${at}`)
    equal((await new Response(JSON.stringify(list)).json()).length, 20_000)
    const { headers, url } = await (
      await fetch(`${upstream}/echo?${'u'.repeat(10_000)}`, { headers: { 'x-long': 'h'.repeat(8_192) } })
    ).json()
    equal([headers['x-long'].length, url.length], [8_192, 10_006])
    equal((await (await fetch(`${upstream}/large?mb=12`)).arrayBuffer()).byteLength, 12 * MB)
  },
  async 'B-02: fetch does not block'({ upstream }) {
    const started = Date.now()
    let timer
    setTimeout(() => {
      timer = Date.now() - started
    }, 20)
    await Promise.all([1, 2, 3].map(async () => await (await fetch(`${upstream}/slow?ms=300`)).text()))
    ok(Date.now() - started < 850, `${Date.now() - started} ms`)
    ok(timer < 280, `the timer fired after ${timer} ms`)
  },
  async 'B-03: a sink is awaited, and its refusal is told'() {
    const order = []
    const delays = [15, 10, 5]
    const writer = new WritableStream({
      async write(at) {
        await sleep(delays[at])
        order.push(at)
      },
    }).getWriter()
    for (const at of [0, 1, 2]) writer.write(at)
    await writer.close()
    equal(order, [0, 1, 2])
    const refusing = new WritableStream({ write: () => Promise.reject(new Error('refused')) }).getWriter()
    refusing.closed.catch(() => {})
    await rejects(refusing.write(1), /refused/)
  },
  async 'B-04: AES in three modes, and keys as JWK'() {
    const iv = new Uint8Array(16)
    for (const [name, algorithm] of [
      ['AES-GCM', { name: 'AES-GCM', iv }],
      ['AES-CBC', { name: 'AES-CBC', iv }],
      ['AES-CTR', { name: 'AES-CTR', counter: iv, length: 64 }],
    ]) {
      const key = await subtle.generateKey({ name, length: 256 }, true, ['encrypt', 'decrypt'])
      await encrypts(algorithm, key)
      const jwk = await subtle.exportKey('jwk', key)
      await encrypts(algorithm, await subtle.importKey('jwk', jwk, name, true, ['encrypt', 'decrypt']))
    }
  },
  async 'B-04: RSA-PSS, RSASSA-PKCS1-v1_5, ECDSA, Ed25519'() {
    const usages = ['sign', 'verify']
    const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
    await signs(
      { name: 'RSA-PSS', saltLength: 32 },
      await subtle.generateKey({ name: 'RSA-PSS', ...rsa }, true, usages),
    )
    const pkcs = { name: 'RSASSA-PKCS1-v1_5', ...rsa }
    await signs('RSASSA-PKCS1-v1_5', await subtle.generateKey(pkcs, true, usages))
    for (const namedCurve of ['P-256', 'P-384', 'P-521']) {
      const pair = await subtle.generateKey({ name: 'ECDSA', namedCurve }, true, usages)
      await signs({ name: 'ECDSA', hash: 'SHA-256' }, pair)
      const jwk = await subtle.exportKey('jwk', pair.publicKey)
      equal(jwk.crv, namedCurve)
    }
    await signs('Ed25519', await subtle.generateKey('Ed25519', true, usages))
  },
  async 'B-04: HKDF, PBKDF2 of 200000 rounds, ECDH'() {
    const raw = (name) => subtle.importKey('raw', data, name, false, ['deriveBits'])
    const salt = new Uint8Array(16)
    const hkdf = { name: 'HKDF', hash: 'SHA-256', salt, info: new Uint8Array() }
    equal((await subtle.deriveBits(hkdf, await raw('HKDF'), 256)).byteLength, 32)
    const pbkdf2 = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 200_000 }
    equal((await subtle.deriveBits(pbkdf2, await raw('PBKDF2'), 256)).byteLength, 32)
    const ecdh = { name: 'ECDH', namedCurve: 'P-256' }
    const [mine, yours] = await Promise.all([1, 2].map(() => subtle.generateKey(ecdh, false, ['deriveBits'])))
    const derive = async (own, other) => {
      const bits = await subtle.deriveBits({ name: 'ECDH', public: other.publicKey }, own.privateKey, 256)
      return [...new Uint8Array(bits)]
    }
    equal(await derive(mine, yours), await derive(yours, mine))
  },
  async 'B-05: both branches of tee() get every chunk'() {
    const stream = () =>
      new ReadableStream({
        start(controller) {
          controller.enqueue(1)
          controller.enqueue(2)
          controller.close()
        },
      })
    const read = async (branch) => {
      const chunks = []
      for await (const chunk of branch) chunks.push(chunk)
      return chunks
    }
    equal(await Promise.all(stream().tee().map(read)), [
      [1, 2],
      [1, 2],
    ])
    const [first, second] = stream().tee()
    equal(await read(first), [1, 2])
    equal(await read(second), [1, 2])
  },
  async 'B-06: structuredClone, queueMicrotask, performance, DOMException, events, navigator'() {
    equal(structuredClone(new Map([['a', { b: 1 }]])).get('a'), { b: 1 })
    const order = []
    queueMicrotask(() => order.push('micro'))
    order.push('now')
    const before = performance.now()
    await sleep(20)
    equal(order, ['now', 'micro'])
    ok(performance.now() > before)
    equal(new DOMException('m', 'AbortError').name, 'AbortError')
    const target = new EventTarget()
    let heard
    target.addEventListener('e', ({ type }) => {
      heard = type
    })
    target.dispatchEvent(new Event('e'))
    equal(heard, 'e')
    ok(navigator.userAgent.length > 0)
    equal([typeof WebSocket, typeof WebSocketPair], ['function', 'function'])
  },
  async 'B-06: CompressionStream and DecompressionStream'() {
    for (const format of ['gzip', 'deflate', 'deflate-raw']) {
      const packed = new Response('text '.repeat(1_000)).body.pipeThrough(new CompressionStream(format))
      const bytes = await new Response(packed).arrayBuffer()
      ok(bytes.byteLength < 500)
      const unpacked = new Response(bytes).body.pipeThrough(new DecompressionStream(format))
      equal((await new Response(unpacked).text()).length, 5_000)
    }
  },
  async 'B-06: caches keeps what may be kept, for as long as it may'() {
    const url = 'http://cached.example/a?b'
    const cache = caches.default
    equal(await cache.match(url), undefined)
    await cache.put(
      url,
      new Response('é kept', { status: 201, headers: { 'x-a': '1', 'cache-control': 'max-age=60' } }),
    )
    const hit = await cache.match(new Request(url))
    equal([hit.status, hit.headers.get('x-a'), await hit.text()], [201, '1', 'é kept'])
    equal(await (await caches.open('other')).match(url), undefined)
    const { readable, writable } = new TransformStream()
    const writer = writable.getWriter()
    writer.write(new TextEncoder().encode('in '))
    writer.write(new TextEncoder().encode('chunks'))
    writer.close()
    await cache.put(url, new Response(readable))
    equal(await (await cache.match(url)).text(), 'in chunks')
    equal([await cache.delete(url), await cache.delete(url), await cache.match(url)], [true, false, undefined])
    for (const headers of [
      { 'cache-control': 'no-store' },
      { 'set-cookie': 'a=1' },
      { expires: new Date(0).toUTCString() },
    ]) {
      await cache.put(url, new Response('not kept', { headers }))
      equal(await cache.match(url), undefined)
    }
    await cache.put(url, new Response('short', { headers: { 'cache-control': 's-maxage=1' } }))
    ok(await cache.match(url))
    await sleep(1_100)
    equal(await cache.match(url), undefined)
    const name = (at) => `http://cached.example/large/${at}`
    for (let at = 0; at < 5; at += 1) await cache.put(name(at), new Response(new Uint8Array(4 * MB)))
    equal(await cache.match(name(0)), undefined)
    equal((await (await cache.match(name(4))).arrayBuffer()).byteLength, 4 * MB)
  },
  async 'B-07: requests to one app are answered together'() {
    await sleep(300)
  },
  'B-08: what is set on a URL is in its href'() {
    const url = new URL('http://e.com/')
    Object.assign(url, {
      protocol: 'https:',
      username: 'u',
      host: 'f.org:99',
      pathname: '/p',
      search: '?s',
      hash: '#h',
    })
    equal(url.href, 'https://u@f.org:99/p?s#h')
    url.port = '98'
    equal(url.href, 'https://u@f.org:98/p?s#h')
  },
}
