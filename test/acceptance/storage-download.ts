/**
 * hyper-api §6.3 with §12.1 B9, §12.2 B31 and design §14.4: media types, lengths, ranges and conditions (RFC 9110), listing.
 */
import assert from 'node:assert/strict'
import { type Domain, inBucket } from './case.ts'
import { file, form } from './form.ts'
import { answers, type Reply, refuses } from './http.ts'

const TEXT = { 'content-type': 'text/plain' }
const CONTENT = 'abcdefghij'
const UTF8 = '; charset=UTF-8'

/** hyper-api §6.3's table. */
const TYPES: Record<string, string> = {
  txt: `text/plain${UTF8}`,
  log: `text/plain${UTF8}`,
  html: `text/html${UTF8}`,
  css: `text/css${UTF8}`,
  js: `application/javascript${UTF8}`,
  mjs: `application/javascript${UTF8}`,
  json: `application/json${UTF8}`,
  map: `application/json${UTF8}`,
  xml: 'application/xml',
  csv: `text/csv${UTF8}`,
  md: `text/markdown${UTF8}`,
  yaml: `text/yaml${UTF8}`,
  yml: `text/yaml${UTF8}`,
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  svg: 'image/svg+xml',
  ico: 'image/vnd.microsoft.icon',
  pdf: 'application/pdf',
  zip: 'application/zip',
  gz: 'application/gzip',
  tar: 'application/x-tar',
  mp3: 'audio/mpeg',
  wav: 'audio/wave',
  mp4: 'video/mp4',
  webm: 'video/webm',
  ts: 'video/mp2t',
  woff2: 'font/woff2',
  ttf: 'font/ttf',
  wasm: 'application/wasm',
}

async function upload({ onStorage }: Domain, path: string, body: string | Uint8Array = CONTENT): Promise<void> {
  answers(await onStorage('POST', `/${path}`, { headers: TEXT, body }), 201, { ok: true })
}

function get({ onStorage }: Domain, path: string, headers: Record<string, string> = {}): Promise<Reply> {
  return onStorage('GET', `/${path}`, { headers })
}

async function typeOf(domain: Domain, path: string): Promise<string | undefined> {
  const reply = await get(domain, path)
  assert.equal(reply.status, 200, path)
  return reply.headers['content-type']
}

/** The whole object, as if nothing had been asked. */
function isWhole(reply: Reply, what: string): void {
  assert.deepEqual([reply.status, reply.text, reply.headers['content-range']], [200, CONTENT, undefined], what)
  assert.equal(reply.headers['content-length'], String(CONTENT.length), what)
}

/** One part of the object. */
function isPart(reply: Reply, start: number, end: number, what: string): void {
  assert.deepEqual(
    [reply.status, reply.text, reply.headers['content-range'], reply.headers['content-length']],
    [206, CONTENT.slice(start, end + 1), `bytes ${start}-${end}/${CONTENT.length}`, String(end - start + 1)],
    what,
  )
}

function isNotModified(reply: Reply, etag: string): void {
  assert.deepEqual([reply.status, reply.text, reply.headers.etag], [304, '', etag])
}

interface Listed {
  ok: boolean
  objects: string[]
  next?: string
}

async function list({ onStorage }: Domain, query = ''): Promise<Listed> {
  const reply = await onStorage('GET', query)
  const body = reply.json() as Listed
  answers(reply, 200, { ok: true, objects: body.objects, ...('next' in body && { next: body.next }) })
  return body
}

export const storageDownloadCases = [
  // Media types

  ...inBucket('design 14.4, hyper-api 6.3, 12 B31, corner 30: a known last extension decides', async (domain) => {
    for (const [extension, type] of Object.entries(TYPES)) {
      await upload(domain, `f.${extension}`)
      assert.equal(await typeOf(domain, `f.${extension}`), type)
    }
    const table: [string, string | undefined][] = [
      ['a.b.png', TYPES.png],
      ['x.tar.gz', TYPES.gz],
      ['a.PNG', TYPES.png],
      ['a.png.Html', TYPES.html],
      ['dir.v1/foo.png', TYPES.png],
      ['dir.png/foo.css', TYPES.css],
    ]
    for (const [path, type] of table) {
      await upload(domain, path)
      assert.equal(await typeOf(domain, path), type, path)
    }
  }),
  ...inBucket('design 14.4: else the type it came with', async (domain) => {
    for (const [type, served] of [
      ['image/x-proof', 'image/x-proof'],
      ['text/plain', `text/plain${UTF8}`],
      ['application/json', `application/json${UTF8}`],
      ['application/octet-stream', 'application/octet-stream'],
    ] as const) {
      for (const path of ['none', 'a.unknownext', 'dir.png/none', 'ends.']) {
        await domain.onStorage('POST', `/${path}`, { headers: { 'content-type': type }, body: CONTENT })
        assert.equal(await typeOf(domain, path), served, path)
      }
    }
  }),
  ...inBucket('design 14.4: else application/octet-stream', async (domain) => {
    for (const type of ['garbage', '/']) {
      await domain.onStorage('POST', '/none', { headers: { 'content-type': type }, body: CONTENT })
      assert.equal(await typeOf(domain, 'none'), 'application/octet-stream', type)
    }
    answers(await domain.onStorage('POST', '', form(file('formless'))), 201, { ok: true })
    assert.match(String(await typeOf(domain, 'formless')), /^(application\/octet-stream|text\/plain; charset=UTF-8)$/)
  }),
  ...inBucket('hyper-api 6.3: an error is JSON, whatever the name', async (domain) => {
    refuses(await get(domain, 'a.png'), 404, 'object does not exist')
    refuses(await get(domain, 'a.html'), 404, 'object does not exist')
  }),
  ...inBucket('hyper-api 12.1 B9, 1.3: an uploaded page is not sniffed, and runs nothing', async (domain) => {
    for (const path of ['page.html', 'page.svg', 'none']) {
      await upload(domain, path, '<script>alert(1)</script>')
      const { headers } = await get(domain, path)
      assert.equal(headers['x-content-type-options'], 'nosniff')
      assert.match(String(headers['content-security-policy']), /script-src 'self'|sandbox|default-src 'none'/)
      assert.equal(headers['access-control-allow-origin'], '*')
    }
  }),

  // The whole object

  ...inBucket('hyper-api 12 B31: a download tells its length, its tag and that ranges are served', async (domain) => {
    await upload(domain, 'o')
    const reply = await get(domain, 'o')
    isWhole(reply, 'plain')
    assert.equal(reply.headers['accept-ranges'], 'bytes')
    assert.match(String(reply.headers.etag), /^"[^"]+"$/)
    const modified = Date.parse(String(reply.headers['last-modified']))
    assert.ok(Math.abs(Date.now() - modified) < 60_000, String(reply.headers['last-modified']))
  }),
  ...inBucket('hyper-api 6.3, 12 B31: HEAD says what GET says', async (domain) => {
    for (const [path, body] of [
      ['small.txt', CONTENT],
      ['large', 'x'.repeat(300_000)],
      ['empty', ''],
    ] as const) {
      await upload(domain, path, body)
      const reply = await domain.onStorage('HEAD', `/${path}`)
      const { headers } = await get(domain, path)
      assert.deepEqual([reply.status, reply.text], [200, ''])
      for (const name of ['content-type', 'content-length', 'etag', 'last-modified', 'accept-ranges'] as const) {
        assert.equal(reply.headers[name], headers[name], name)
      }
    }
    assert.equal((await domain.onStorage('HEAD', '/missing')).status, 404)
  }),
  ...inBucket('hyper-api 6.3, 3.4: Accept and the legacy header change nothing', async (domain) => {
    await upload(domain, 'o')
    for (const headers of [
      { accept: 'application/json' },
      { accept: 'text/html' },
      { 'x-hyper-legacy-get': 'false' },
      { 'x-hyper-legacy-get': 'true' },
    ]) {
      isWhole(await get(domain, 'o', headers as Record<string, string>), JSON.stringify(headers))
    }
    for (const query of ['?useSignedUrl=false', '?useSignedUrl=TRUE', '?useSignedUrl=1', '?x=y']) {
      isWhole(await get(domain, `o${query}`), query)
    }
  }),

  // Ranges

  ...inBucket('hyper-api 12 B31, corner 31: one range is 206 with just these bytes', async (domain) => {
    await upload(domain, 'o')
    const table: [string, number, number][] = [
      ['bytes=0-0', 0, 0],
      ['bytes=0-9', 0, 9],
      ['bytes=2-4', 2, 4],
      ['bytes=5-', 5, 9],
      ['bytes=9-', 9, 9],
      ['bytes=-3', 7, 9],
      ['bytes=-10', 0, 9],
      ['bytes=-100', 0, 9],
      ['bytes=3-100', 3, 9],
      ['bytes=0-99999999999999999999', 0, 9],
      ['BYTES=2-4', 2, 4],
    ]
    for (const [range, start, end] of table) isPart(await get(domain, 'o', { range }), start, end, range)
  }),
  ...inBucket('hyper-api 12 B31: a range of a large object is exact', async (domain) => {
    const body = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 7) % 251))
    await upload(domain, 'large', body)
    for (const [start, end] of [
      [0, 0],
      [65_535, 65_536],
      [131_071, 262_145],
      [299_999, 299_999],
    ] as const) {
      const reply = await get(domain, 'large', { range: `bytes=${start}-${end}` })
      assert.equal(reply.status, 206)
      assert.equal(reply.headers['content-range'], `bytes ${start}-${end}/300000`)
      assert.ok(reply.bytes.equals(body.subarray(start, end + 1)))
    }
  }),
  ...inBucket('hyper-api 12 B31: a range outside the object is 416 with its size', async (domain) => {
    await upload(domain, 'o')
    await upload(domain, 'empty', '')
    for (const [path, range, size] of [
      ['o', 'bytes=10-', 10],
      ['o', 'bytes=100-200', 10],
      ['o', 'bytes=-0', 10],
      ['empty', 'bytes=0-0', 0],
      ['empty', 'bytes=0-', 0],
    ] as const) {
      const reply = await get(domain, path, { range })
      refuses(reply, 416)
      assert.equal(reply.headers['content-range'], `bytes */${size}`, range)
    }
  }),
  ...inBucket('hyper-api 12 B31: a Range that means nothing is ignored', async (domain) => {
    await upload(domain, 'o')
    for (const range of [
      'bytes=4-2',
      'bytes=a-b',
      'bytes=',
      'bytes=-',
      'bytes',
      '0-1',
      'items=0-1',
      'bytes=0x1-2',
      'bytes=1.5-2',
      'bytes=--1',
      'bytes=0-1-2',
      'nonsense',
      '=',
    ]) {
      isWhole(await get(domain, 'o', { range }), range)
    }
  }),
  ...inBucket('hyper-api 12 B31: several ranges get them all or the whole', async (domain) => {
    await upload(domain, 'o')
    for (const range of ['bytes=0-1,3-4', 'bytes=0-0,-1', `bytes=${'0-1,'.repeat(500)}2-3`]) {
      const reply = await get(domain, 'o', { range })
      if (reply.status === 200) isWhole(reply, range)
      else assert.match(`${reply.status} ${reply.headers['content-type']}`, /^206 multipart\/byteranges; boundary=/)
    }
  }),
  ...inBucket('hyper-api 12 B31: HEAD has no ranges', async (domain) => {
    await upload(domain, 'o')
    const reply = await domain.onStorage('HEAD', '/o', { headers: { range: 'bytes=0-1' } })
    assert.deepEqual([reply.status, reply.headers['content-length']], [200, '10'])
  }),

  // Conditions

  ...inBucket('hyper-api 12 B31, corner 45: who has the object’s tag gets 304', async (domain) => {
    for (const [path, body] of [
      ['small', CONTENT],
      ['large', 'x'.repeat(300_000)],
    ] as const) {
      await upload(domain, path, body)
      const etag = String((await get(domain, path)).headers.etag)
      for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
        isNotModified(await get(domain, path, { 'if-none-match': known }), etag)
        const head = await domain.onStorage('HEAD', `/${path}`, { headers: { 'if-none-match': known } })
        assert.equal(head.status, 304)
      }
      for (const known of ['"other"', etag.slice(1, -1)]) {
        assert.equal((await get(domain, path, { 'if-none-match': known })).status, 200, known)
      }
    }
    refuses(await get(domain, 'missing', { 'if-none-match': '*' }), 404)
  }),
  ...inBucket('hyper-api 12 B31: the tag changes with the bytes and with the media type', async (domain) => {
    const tags = new Set<unknown>()
    for (const [type, body] of [
      ['image/x-a', 'one'],
      ['image/x-a', 'two'],
      ['image/x-b', 'two'],
      ['image/x-b', ''],
    ] as const) {
      await domain.onStorage('POST', '/o', { headers: { 'content-type': type }, body })
      tags.add((await get(domain, 'o')).headers.etag)
    }
    assert.equal(tags.size, 4)
  }),
  ...inBucket('hyper-api 12 B31: If-Modified-Since, which If-None-Match outranks', async (domain) => {
    await upload(domain, 'o')
    const { etag, 'last-modified': modified } = (await get(domain, 'o')).headers
    const early = new Date(Date.parse(String(modified)) - 5_000).toUTCString()
    isNotModified(await get(domain, 'o', { 'if-modified-since': String(modified) }), String(etag))
    isWhole(await get(domain, 'o', { 'if-modified-since': early }), 'early')
    isWhole(await get(domain, 'o', { 'if-modified-since': 'no date' }), 'no date')
    const both = { 'if-modified-since': String(modified), 'if-none-match': '"other"' }
    isWhole(await get(domain, 'o', both), 'the tag decides')
  }),
  ...inBucket('hyper-api 12 B31: If-Match and If-Unmodified-Since that fail are 412', async (domain) => {
    await upload(domain, 'o')
    const { etag, 'last-modified': modified } = (await get(domain, 'o')).headers
    const early = new Date(Date.parse(String(modified)) - 5_000).toUTCString()
    for (const known of [String(etag), `"other", ${etag}`, '*'])
      isWhole(await get(domain, 'o', { 'if-match': known }), known)
    refuses(await get(domain, 'o', { 'if-match': '"other"' }), 412)
    refuses(await get(domain, 'o', { 'if-match': `W/${etag}` }), 412)
    isWhole(await get(domain, 'o', { 'if-unmodified-since': String(modified) }), 'unmodified')
    refuses(await get(domain, 'o', { 'if-unmodified-since': early }), 412)
  }),
  ...inBucket(
    'hyper-api 12 B31: conditions come before ranges; If-Range asks for the part or the whole',
    async (domain) => {
      await upload(domain, 'o')
      const { etag, 'last-modified': modified } = (await get(domain, 'o')).headers
      const range = 'bytes=2-4'
      isNotModified(await get(domain, 'o', { range, 'if-none-match': String(etag) }), String(etag))
      refuses(await get(domain, 'o', { range, 'if-match': '"other"' }), 412)
      isPart(await get(domain, 'o', { range, 'if-match': String(etag) }), 2, 4, 'if-match')
      isPart(await get(domain, 'o', { range, 'if-range': String(etag) }), 2, 4, 'if-range')
      isWhole(await get(domain, 'o', { range, 'if-range': '"other"' }), 'other tag')
      isWhole(await get(domain, 'o', { range, 'if-range': `W/${etag}` }), 'weak tag')
      const early = new Date(Date.parse(String(modified)) - 5_000).toUTCString()
      isWhole(await get(domain, 'o', { range, 'if-range': early }), 'other date')
      isWhole(await get(domain, 'o', { range: 'bytes=100-', 'if-range': '"other"' }), 'no 416 for another version')
    },
  ),
  ...inBucket('hyper-api 12 B31: an upload may depend on what is there', async (domain) => {
    const post = (body: string, headers: Record<string, string>) =>
      domain.onStorage('POST', '/o', { headers: { ...TEXT, ...headers }, body })
    refuses(await post('none', { 'if-match': '*' }), 412)
    answers(await post('one', { 'if-none-match': '*' }), 201, { ok: true })
    refuses(await post('two', { 'if-none-match': '*' }), 412)
    const etag = String((await get(domain, 'o')).headers.etag)
    refuses(await post('two', { 'if-match': '"other"' }), 412)
    assert.equal((await get(domain, 'o')).text, 'one')
    answers(await post('two', { 'if-match': etag }), 201, { ok: true })
    refuses(await post('three', { 'if-match': etag }), 412)
    assert.equal((await get(domain, 'o')).text, 'two')
  }),

  // Listing

  ...inBucket('hyper-api 12 B31: GET of a bucket lists its objects by the bytes of their names', async (domain) => {
    const names = ['b', 'a/b', 'a', 'B', 'a b', '%', 'ü', '\uffee', '😀', '10', '9', 'a0', 'a\u0001', '"']
    for (const name of names) await upload(domain, encodeURIComponent(name))
    const sorted = names.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    assert.deepEqual(await list(domain), { ok: true, objects: sorted })
  }),
  ...inBucket('hyper-api 12 B31: a prefix is taken as it stands', async (domain) => {
    for (const name of ['a', 'a/b', 'a/c', 'ab', 'A', 'b', 'a%', 'a*', 'a_', '😀x']) {
      await upload(domain, encodeURIComponent(name))
    }
    for (const [prefix, objects] of [
      ['a/', ['a/b', 'a/c']],
      ['a', ['a', 'a%', 'a*', 'a/b', 'a/c', 'a_', 'ab']],
      ['a%', ['a%']],
      ['a_', ['a_']],
      ['a*', ['a*']],
      ['😀', ['😀x']],
      ['/a', []],
      ['c', []],
      ['', ['A', 'a', 'a%', 'a*', 'a/b', 'a/c', 'a_', 'ab', 'b', '😀x']],
    ] as const) {
      assert.deepEqual(await list(domain, `?prefix=${encodeURIComponent(prefix)}`), { ok: true, objects }, prefix)
    }
  }),
  ...inBucket('hyper-api 12 B31: limit and startAfter page through all of them', async (domain) => {
    const names = Array.from({ length: 25 }, (_, at) => `k/${String(at).padStart(2, '0')}`)
    for (const name of [...names, 'other']) await upload(domain, name)
    const seen: string[] = []
    let pages = 0
    for (let query: string | undefined = '?prefix=k/&limit=10'; query; pages += 1) {
      const { objects, next } = await list(domain, query)
      seen.push(...objects)
      query = next === undefined ? undefined : `?prefix=k/&limit=10&startAfter=${encodeURIComponent(next)}`
    }
    assert.deepEqual(seen, names)
    assert.equal(pages, 3)
    assert.deepEqual((await list(domain, '?startAfter=k/23')).objects, ['k/24', 'other'])
    assert.deepEqual((await list(domain, '?startAfter=k/235')).objects, ['k/24', 'other'])
    assert.deepEqual(await list(domain, '?startAfter=zzz'), { ok: true, objects: [] })
    assert.deepEqual(await list(domain, '?prefix=k/&limit=25'), { ok: true, objects: names })
    assert.deepEqual((await list(domain, '?limit=1')).objects, ['k/00'])
  }),
  ...inBucket('hyper-api 12 B31: a page has 1 000 objects unless fewer are asked for', async (domain) => {
    const names = Array.from({ length: 1_001 }, (_, at) => `k${String(at).padStart(4, '0')}`)
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => upload(domain, name, '')))
    }
    const { objects, next } = await list(domain)
    assert.deepEqual(objects, names.slice(0, 1_000))
    assert.deepEqual(await list(domain, `?startAfter=${next}`), { ok: true, objects: ['k1000'] })
    assert.equal((await list(domain, '?limit=1000')).objects.length, 1_000)
  }),
  ...inBucket('hyper-api 12 B31: a listing that is not clear is 422', async ({ onStorage }) => {
    for (const query of [
      'limit=0',
      'limit=-1',
      'limit=1001',
      'limit=abc',
      'limit=',
      'limit=1&limit=2',
      'prefix=a&prefix=b',
      'prefix[a]=b',
      'startAfter=a&startAfter=b',
    ]) {
      refuses(await onStorage('GET', `?${query}`), 422)
    }
  }),
]
