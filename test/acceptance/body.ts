/** hyper-api §1.6 with §12.2 B14 and §12.3.2–3: how request bodies are read. */
import assert from 'node:assert/strict'
import { deflateSync, gzipSync } from 'node:zlib'
import { type Domain, inDomain, inWholeDomain, MAPPINGS, NOBODY } from './case.ts'
import { answers, refuses, send } from './http.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const MIB = 1024 * 1024

/** JSON text of exactly `size` bytes: a document, or with `array` a list of one. */
function sized(size: number, array = false): string {
  const [head, tail] = array ? ['[{"_id":"big","pad":"', '"}]'] : ['{"_id":"big","pad":"', '"}']
  return head + 'x'.repeat(size - head.length - tail.length) + tail
}

function nested(depth: number): string {
  return `{"_id":"deep","a":${'['.repeat(depth)}${']'.repeat(depth)}}`
}

/** Every route that reads a body, with one it would take. */
function bodyRoutes({ data, cache, search, queue }: Domain): [string, string, unknown][] {
  return [
    ['POST', data, { _id: 'x' }],
    ['PUT', `${data}/x`, {}],
    ['POST', `${data}/_query`, {}],
    ['POST', `${data}/_index`, { name: 'i', fields: ['a'] }],
    ['POST', `${data}/_bulk`, [{ _id: 'x' }]],
    ['POST', cache, { key: 'k', value: {} }],
    ['PUT', `${cache}/k`, {}],
    ['PUT', `${search}1`, MAPPINGS],
    ['POST', search, { key: 'k', doc: {} }],
    ['PUT', `${search}/k`, {}],
    ['POST', `${search}/_query`, { query: 'x' }],
    ['POST', `${search}/_bulk`, [{ _id: 'x' }]],
    ['PUT', `${queue}1`, { target: NOBODY }],
    ['POST', queue, {}],
  ]
}

export const bodyCases = [
  ...inDomain('hyper-api 1.6, corner 2: any valid media type is read as JSON', async ({ onData }) => {
    const types = [
      'application/json',
      'application/json; charset=utf-8',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/octet-stream',
      'APPLICATION/JSON;charset="UTF-8"',
    ]
    for (const [number, type] of types.entries()) {
      const reply = await onData('POST', '', { headers: { 'content-type': type }, body: `{"_id":"f${number}"}` })
      answers(reply, 201, { ok: true, id: `f${number}` })
    }
  }),
  ...inDomain('hyper-api 1.6, corner 1: no Content-Type means no body', async ({ onData, onCache }) => {
    refuses(await onData('POST', '', { body: '{"a":1}' }), 400, 'document empty')
    answers(await onData('PUT', '/x', { body: '{"a":1}' }), 200, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x' })
    answers(await onCache('PUT', '/k', { body: '{bad' }), 200, { ok: true })
    answers(await onCache('GET', '/k'), 200, {})
    answers(await onData('PUT', '/y', { headers: { 'content-encoding': 'br' }, body: 'x' }), 200, { ok: true, id: 'y' })
  }),
  ...inDomain('hyper-api 1.6: an invalid media type means no body', async ({ onData }) => {
    for (const type of ['garbage', 'a/b/c', '/', 'application/', ';', 'text plain']) {
      refuses(await onData('POST', '', { headers: { 'content-type': type }, body: '{"a":1}' }), 400, 'document empty')
    }
  }),
  ...inDomain('hyper-api 1.6: no body, an empty one and an empty chunked one are {}', async ({ onData }) => {
    answers(await onData('PUT', '/a', { headers: JSON_TYPE }), 200, { ok: true, id: 'a' })
    answers(await onData('PUT', '/b', { headers: JSON_TYPE, body: '' }), 200, { ok: true, id: 'b' })
    answers(await onData('PUT', '/c', { headers: JSON_TYPE, chunks: [] }), 200, { ok: true, id: 'c' })
  }),
  ...inWholeDomain(
    'hyper-api 1.6, 12.2 B14: malformed JSON is 400 on every route that reads a body',
    async (domain) => {
      for (const [method, url] of bodyRoutes(domain)) {
        for (const body of [
          '{bad',
          '{"a":1',
          ' ',
          '\n',
          '{}{}',
          "{'a':1}",
          '{"a":NaN}',
          '{"a":1,}',
          '\u0000',
          '{"a":01}',
        ]) {
          refuses(await send(method, url, { headers: JSON_TYPE, body }), 400)
        }
      }
      answers(await domain.onData('GET'), 200, { ok: true, docs: [] })
    },
  ),
  ...inWholeDomain('hyper-api 1.6, 12.2 B14: a scalar body is 400', async (domain) => {
    for (const [method, url] of bodyRoutes(domain)) {
      for (const body of ['"x"', '5', 'null', 'true']) {
        refuses(await send(method, url, { headers: JSON_TYPE, body }), 400)
      }
    }
  }),
  ...inDomain('hyper-api 1.6: BOM accepted', async ({ onData }) => {
    answers(await onData('POST', '', { headers: JSON_TYPE, body: '\ufeff{"_id":"x"}' }), 201, { ok: true, id: 'x' })
  }),
  ...inDomain('hyper-api 1.6: utf-16 is read', async ({ onData }) => {
    const body = Buffer.from('{"_id":"x","t":"ü☃😀"}', 'utf16le')
    const headers = { 'content-type': 'application/json; charset=utf-16le' }
    answers(await onData('POST', '', { headers, body }), 201, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x', t: 'ü☃😀' })
  }),
  ...inDomain('hyper-api 1.6, 12.2 B14: another charset is 415', async ({ onData }) => {
    for (const charset of ['latin1', 'iso-8859-1', 'us-ascii', 'windows-1252']) {
      refuses(
        await onData('POST', '', {
          headers: { 'content-type': `application/json; charset=${charset}` },
          body: '{"_id":"x"}',
        }),
        415,
        `unsupported charset "${charset.toUpperCase()}"`,
      )
    }
    refuses(await onData('GET', '/x'), 404)
  }),
  ...inDomain('hyper-api 1.6: gzip and deflate are decoded', async ({ onData }) => {
    for (const [encoding, encode] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
      ['GZIP', gzipSync],
    ] as const) {
      const headers = { ...JSON_TYPE, 'content-encoding': encoding }
      const reply = await onData('PUT', `/${encoding}`, { headers, body: encode(JSON.stringify({ encoding })) })
      answers(reply, 200, { ok: true, id: encoding })
      answers(await onData('GET', `/${encoding}`), 200, { _id: encoding, encoding })
    }
    answers(
      await onData('PUT', '/x', { headers: { ...JSON_TYPE, 'content-encoding': 'identity' }, body: '{"n":1}' }),
      200,
      {
        ok: true,
        id: 'x',
      },
    )
  }),
  ...inDomain('hyper-api 1.6, 12.2 B14: another encoding is 415, a broken one 400', async ({ onData }) => {
    for (const encoding of ['br', 'compress', 'zstd', 'nonsense']) {
      refuses(
        await onData('PUT', '/x', { headers: { ...JSON_TYPE, 'content-encoding': encoding }, body: '{}' }),
        415,
        `unsupported content encoding "${encoding}"`,
      )
    }
    for (const encoding of ['gzip', 'deflate']) {
      refuses(
        await onData('PUT', '/x', { headers: { ...JSON_TYPE, 'content-encoding': encoding }, body: '{"a":1}' }),
        400,
      )
    }
    const cut = gzipSync(JSON.stringify({ a: 'x'.repeat(1000) })).subarray(0, -10)
    refuses(await onData('PUT', '/x', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: cut }), 400)
    refuses(await onData('GET', '/x'), 404)
  }),
  ...inDomain('hyper-api 1.6: 8 MiB is the limit of a document, inclusive', async ({ onData }) => {
    answers(await onData('POST', '', { headers: JSON_TYPE, body: sized(8 * MIB) }), 201, { ok: true, id: 'big' })
    answers(await onData('PUT', '/big', { headers: JSON_TYPE, body: sized(8 * MIB) }), 200, { ok: true, id: 'big' })
    refuses(
      await onData('POST', '', { headers: JSON_TYPE, body: sized(8 * MIB + 1) }),
      413,
      /^request entity too large/,
    )
    refuses(
      await onData('PUT', '/y', { headers: JSON_TYPE, body: sized(8 * MIB + 1) }),
      413,
      /^request entity too large/,
    )
  }),
  ...inDomain(
    'hyper-api 1.6, 12.2 B14, corner 44: 9 MiB is 413 for a document, fine for a bulk',
    async ({ onData }) => {
      refuses(await onData('POST', '', { headers: JSON_TYPE, body: sized(9 * MIB) }), 413)
      assert.equal((await onData('POST', '/_bulk', { headers: JSON_TYPE, body: sized(9 * MIB, true) })).status, 201)
    },
  ),
  ...inWholeDomain('hyper-api 1.6: 10 MiB is the limit of every other body, inclusive', async (domain) => {
    const { onData, onCache, onSearch, onQueue } = domain
    const full = { headers: JSON_TYPE, body: sized(10 * MIB) }
    const fullList = { headers: JSON_TYPE, body: sized(10 * MIB, true) }
    assert.equal((await onData('POST', '/_bulk', fullList)).status, 201)
    answers(await onCache('PUT', '/k', full), 200, { ok: true })
    assert.equal((await onSearch('POST', '/_bulk', fullList)).status, 201)
    answers(await onSearch('PUT', '/big', full), 200, { ok: true })
    assert.equal((await onQueue('POST', '', full)).status, 201)
    const over = { headers: JSON_TYPE, body: sized(10 * MIB + 1) }
    const overList = { headers: JSON_TYPE, body: sized(10 * MIB + 1, true) }
    refuses(await onData('POST', '/_bulk', overList), 413)
    refuses(await onData('POST', '/_query', over), 413)
    refuses(await onData('POST', '/_index', over), 413)
    refuses(await onCache('POST', '', over), 413)
    refuses(await onCache('PUT', '/k2', over), 413)
    refuses(await onCache('GET', '/k2'), 404)
    refuses(await onSearch('PUT', '', over), 413)
    refuses(await onSearch('POST', '', over), 413)
    refuses(await onSearch('PUT', '/big', over), 413)
    refuses(await onSearch('POST', '/_query', over), 413)
    refuses(await onSearch('POST', '/_bulk', overList), 413)
    refuses(await onQueue('PUT', '', over), 413)
    refuses(await onQueue('POST', '', over), 413)
  }),
  ...inDomain('hyper-api 12.3.2: the limit counts after decompression', async ({ onData, onCache }) => {
    for (const [encoding, encode] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
    ] as const) {
      const headers = { ...JSON_TYPE, 'content-encoding': encoding }
      refuses(await onData('POST', '', { headers, body: encode(sized(8 * MIB + 1)) }), 413)
      refuses(await onCache('PUT', '/k', { headers, body: encode(sized(60 * MIB)) }), 413)
      answers(await onData('PUT', '/big', { headers, body: encode(sized(8 * MIB)) }), 200, { ok: true, id: 'big' })
    }
  }),
  ...inWholeDomain('hyper-api 12.3.3: nesting too deep is 400 on every route that reads a body', async (domain) => {
    for (const [method, url] of bodyRoutes(domain)) {
      for (const depth of [5_000, 100_000]) {
        refuses(await send(method, url, { headers: JSON_TYPE, body: nested(depth) }), 400)
        refuses(await send(method, url, { headers: JSON_TYPE, body: '['.repeat(depth) + ']'.repeat(depth) }), 400)
      }
    }
    answers(await domain.onData('POST', '', { headers: JSON_TYPE, body: nested(90) }), 201, { ok: true, id: 'deep' })
    assert.equal((await domain.onData('GET', '/deep')).text, nested(90))
  }),
  ...inDomain(
    'hyper-api 1.6, 9.6: a refused body is taken in, so that its sender reads the answer',
    async ({ onData }) => {
      const body = 'x'.repeat(20 * MIB)
      refuses(await onData('POST', '', { headers: JSON_TYPE, body }), 413)
      refuses(await onData('POST', '', { headers: JSON_TYPE, chunks: [body] }), 413)
      refuses(await onData('POST', '', { headers: { 'content-type': 'text/plain; charset=latin1' }, body }), 415)
      refuses(await onData('POST', '', { headers: { ...JSON_TYPE, 'content-encoding': 'br' }, body }), 415)
      refuses(await onData('GET', '/nope', { headers: JSON_TYPE, body }), 404)
    },
  ),
  ...inDomain('hyper-api 1.6: chunked bodies work', async ({ onData }) => {
    const reply = await onData('POST', '', {
      headers: JSON_TYPE,
      chunks: ['{"_id":', '"x","t":"', Buffer.from('ü').subarray(0, 1), Buffer.from('ü').subarray(1), '"}'],
    })
    answers(reply, 201, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x', t: 'ü' })
    refuses(await onData('POST', '', { headers: JSON_TYPE, chunks: [sized(8 * MIB), ' '] }), 413)
  }),
  ...inDomain('hyper-api 1.6: routes that read no body ignore any', async ({ onData, onCache }) => {
    const bad = { headers: JSON_TYPE, body: '{bad' }
    await onData('PUT', '/x', { json: {} })
    answers(await onData('GET', '', bad), 200, { ok: true, docs: [{ _id: 'x' }] })
    answers(await onData('GET', '/x', bad), 200, { _id: 'x' })
    answers(await onData('DELETE', '/x', bad), 200, { ok: true, id: 'x' })
    answers(await onCache('GET', '/_query', bad), 200, { ok: true, docs: [] })
    answers(await onCache('POST', '/_query', bad), 200, { ok: true, docs: [] })
    answers(await onCache('DELETE', '/x', bad), 200, { ok: true })
    refuses(await onCache('PUT', '', bad), 409, 'cache already exists')
    answers(await onData('DELETE', '', bad), 200, { ok: true })
  }),
  ...inWholeDomain('hyper-api 1.6: routes of search and queue that read no body ignore any', async (domain) => {
    const { onSearch, onQueue } = domain
    const bad = { headers: JSON_TYPE, body: '{bad' }
    await onSearch('POST', '', { json: { key: 'k', doc: {} } })
    const { id } = (await onQueue('POST', '', { json: {} })).json() as { id: number }
    assert.equal((await onSearch('GET', '/k', bad)).status, 200)
    answers(await onSearch('DELETE', '/k', bad), 200, { ok: true })
    answers(await onSearch('DELETE', '', bad), 200, { ok: true })
    assert.equal((await onQueue('GET', '?status=READY', bad)).status, 200)
    answers(await onQueue('POST', `/${id}/_retry`, bad), 201, { ok: true })
    answers(await onQueue('POST', `/${id}/_cancel`, bad), 201, { ok: true })
    answers(await onQueue('DELETE', '', bad), 201, { ok: true })
  }),
  ...inDomain('hyper-api 1.6: what cannot be stored as it stands is 400', async ({ onData, onCache }) => {
    for (const text of [
      '{"_id":"x","a":1e400}',
      '{"_id":"x","a":-1e999}',
      '{"_id":"x","a":"\\ud800"}',
      '{"_id":"x","\\udc00":1}',
    ]) {
      refuses(await onData('POST', '', { headers: JSON_TYPE, body: text }), 400)
      refuses(await onCache('PUT', '/k', { headers: JSON_TYPE, body: text }), 400)
    }
    refuses(
      await onData('POST', '', { headers: JSON_TYPE, body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }),
      400,
    )
    refuses(await onData('GET', '/x'), 404)
  }),
]
