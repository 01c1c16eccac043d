/** Requests nobody should send, as the bytes that go onto the wire. Nothing here names the canary or an admin route. */
import { deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'

/** Text that has hurt some server once. */
const NASTY = [
  '',
  '.',
  '..',
  '../../etc/passwd',
  '%2e%2e%2f',
  '%00',
  'a%00b',
  '%',
  '%zz',
  '%ff',
  '%ed%a0%80',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '_query',
  '_bulk',
  '_index',
  'meta-cl1ld3td500003e68rc2f8o6x',
  "'; drop table docs; --",
  '"',
  '\\',
  '😀',
  '\u202e',
  '\ufeff',
  'a'.repeat(300),
  'a'.repeat(5_000),
  '*',
  '*a*a*a*a*a*a*a*a*b',
  '$where',
  '[object Object]',
  'null',
  'undefined',
  'NaN',
  '-1',
  '1e400',
  '1e300',
  '-1e300',
  '9007199254740993',
  '{{7*7}}',
  '<script>',
  '\r\nSet-Cookie: a=b',
]

const nasty = fc.constantFrom(...NASTY)
export const text = fc.oneof(
  nasty,
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ maxLength: 20 }),
  fc.webSegment(),
)

const OPERATORS = [
  ...['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$and', '$or', '$nor', '$not', '$exists', '$type'],
  ...['$regex', '$options', '$mod', '$expr', '$jsonSchema', '$where', '$all', '$elemMatch', '$size', '$text', '$near'],
  ...['$bitsAllSet', '$geoWithin', '$function', '$accumulator', '$unknown', '$', '$$ROOT', '$beginsWith', '$set'],
]
export const member = fc.oneof(
  fc.constantFrom(
    'a',
    'n',
    'a.b',
    'a.0',
    'a..b',
    '.',
    '',
    '_id',
    '__proto__',
    'constructor.prototype',
    'a.$',
    '$a',
    'a\0b',
  ),
  fc.constantFrom(...OPERATORS),
  text,
)

const scalar = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    1,
    -1,
    1.5,
    1e308,
    5e-324,
    2 ** 53,
    '',
    'a',
    '^(a+)$',
    '(',
    '[',
    '\\',
    '\0',
  ),
  text,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)

/** JSON with operators anywhere. */
export const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.array(fc.tuple(member, tie('tree')), { maxLength: 4 }).map(fromPairs),
  ),
}))

/** Object.fromEntries makes own members of `__proto__` too. */
function fromPairs(pairs: [string, unknown][]): unknown {
  return Object.fromEntries(pairs)
}

const query = fc
  .record(
    {
      selector: tree,
      fields: fc.oneof(tree, fc.array(member, { maxLength: 4 })),
      sort: fc.oneof(
        tree,
        fc.array(member, { maxLength: 3 }),
        fc.array(
          fc.tuple(member, fc.constantFrom('ASC', 'DESC', 'asc', 1)).map(([name, way]) => ({ [name]: way })),
          { maxLength: 3 },
        ),
      ),
      limit: scalar,
      skip: scalar,
      use_index: scalar,
    },
    { requiredKeys: [] },
  )
  .map((asked) => JSON.stringify(asked))

const index = fc
  .record(
    { name: text, fields: fc.oneof(tree, fc.array(member, { maxLength: 3 })), partialFilter: tree },
    { requiredKeys: [] },
  )
  .map((asked) => JSON.stringify(asked))

const bulk = fc
  .array(fc.oneof(tree, fc.record({ _id: scalar, _deleted: scalar, n: tree }, { requiredKeys: [] })), { maxLength: 5 })
  .map((docs) => JSON.stringify(docs))

const entry = fc
  .record({ key: fc.oneof(text, tree), value: tree, ttl: fc.oneof(scalar, tree) }, { requiredKeys: [] })
  .map((asked) => JSON.stringify(asked))

export const anyJson = tree.map((value) => JSON.stringify(value))

export const broken = fc.oneof(
  fc.constantFrom(
    '{',
    '}',
    '{"a":',
    '[1,',
    '"',
    '\u0000',
    '{"a":1e400}',
    '{"a":"\\ud800"}',
    '{"\\udfff":1}',
    '{"a":01}',
    '\ufeff',
    '\ufeff{}',
    '{}x',
  ),
  fc.constantFrom(
    nest('[', ']', 300),
    nest('[', ']', 5_000),
    nest('{"a":', '}', 5_000),
    '['.repeat(100_000),
    '{"a":'.repeat(20_000),
  ),
  anyJson.map((json) => json.slice(0, -1)),
  fc.string({ unit: 'binary', maxLength: 200 }),
)

function nest(open: string, close: string, depth: number): string {
  return `${open.repeat(depth)}${open === '[' ? '' : '1'}${close.repeat(depth)}`
}

const body = fc.oneof(query, index, bulk, entry, anyJson, broken).map((json) => Buffer.from(json))
export const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))

const encoded = fc.oneof(
  { weight: 8, arbitrary: fc.oneof(body, bytes).map((sent) => ({ sent, encoding: '' })) },
  { weight: 1, arbitrary: body.map((plain) => ({ sent: gzipSync(plain), encoding: 'gzip' })) },
  { weight: 1, arbitrary: body.map((plain) => ({ sent: deflateSync(plain), encoding: 'deflate' })) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(bytes, fc.constantFrom('gzip', 'deflate', 'br', 'x', 'gzip, gzip'))
      .map(([sent, encoding]) => ({ sent, encoding })),
  },
)

/** Mostly percent-encoded as a client would; sometimes as it comes, without what ends the request line. */
export const segment = fc.oneof(
  { weight: 4, arbitrary: text.map((raw) => (raw.isWellFormed() ? encodeURIComponent(raw) : '%ed%a0%80')) },
  { weight: 1, arbitrary: text.map((raw) => raw.replace(/[\s\0]/g, '')) },
)
const service = fc.constantFrom('data', 'cache', 'data', 'cache', 'DATA', 'storage', 'search', 'queue', 'nope')
const domain = fc.constantFrom('test', 'test', 'test', 'test', 'absent', 'te%73t')
const action = fc.constantFrom('_query', '_index', '_bulk', '_query')

const path = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(service, domain, segment).map((parts) => `/${parts.join('/')}`) },
  { weight: 4, arbitrary: fc.tuple(service, domain, action).map((parts) => `/${parts.join('/')}`) },
  { weight: 3, arbitrary: fc.tuple(service, domain).map((parts) => `/${parts.join('/')}`) },
  { weight: 2, arbitrary: fc.tuple(service, domain, segment).map(([of, at, id]) => `/app/${of}/${at}/${id}`) },
  { weight: 1, arbitrary: fc.tuple(service, segment).map((parts) => `/${parts.join('/')}`) },
  { weight: 2, arbitrary: fc.array(segment, { maxLength: 6 }).map((parts) => `/${parts.join('/')}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '//',
      '/data//',
      '*',
      'http://evil.example.com/data',
      '/data/test?',
      '/?',
      '/#',
      '/data/./test',
      '/data/../data/test',
    ),
  },
)

const parameter = fc.tuple(
  fc.constantFrom(
    'limit',
    'startkey',
    'endkey',
    'keys',
    'descending',
    'pattern',
    'ttl',
    'db',
    '__proto__',
    'constructor',
    'a[b][c][d][e][f][g]',
    'keys[]',
    'ttl[a]',
    'limit[__proto__]',
  ),
  text,
)
const search = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  {
    weight: 3,
    arbitrary: fc
      .array(parameter, { minLength: 1, maxLength: 4 })
      .map(
        (pairs) => `?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(value.toWellFormed())}`).join('&')}`,
      ),
  },
  { weight: 1, arbitrary: segment.map((raw) => `?${raw}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '?&&&',
      '?=',
      '?a',
      `?${'a=1&'.repeat(2_000)}`,
      `?${'a[]=1&'.repeat(500)}`,
      `?a${'[b]'.repeat(500)}=1`,
      '?%',
      '?%zz=%zz',
    ),
  },
)

export const headerValue = text.map((raw) => raw.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?'))
const contentType = fc.oneof(
  { weight: 6, arbitrary: fc.constant('application/json') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'text/plain',
      'garbage',
      '',
      'application/json; charset=latin1',
      'application/json; charset=utf-16',
      'application/json;charset=utf-7',
      'a/b; charset="',
      ';;;',
      'multipart/form-data',
    ),
  },
  { weight: 1, arbitrary: headerValue },
)
const extraHeader = fc.tuple(
  fc.constantFrom(
    'X-HYPER-LEGACY-GET',
    'If-None-Match',
    'Authorization',
    'Cookie',
    'Range',
    'Expect',
    'Accept',
    'Accept-Encoding',
    'X-Forwarded-For',
    'Content-Language',
    'Upgrade',
    'TE',
    'Trailer',
  ),
  headerValue,
)
const method = fc.constantFrom(
  'GET',
  'PUT',
  'POST',
  'DELETE',
  'GET',
  'PUT',
  'POST',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'TRACE',
  'SEARCH',
)
const host = fc.oneof({ weight: 12, arbitrary: fc.constant('localhost') }, { weight: 1, arbitrary: headerValue })

/** Requests that reach an operation, with a body meant for it. */
export function aimed(at: string, verb: string, meant: fc.Arbitrary<string>, named = false) {
  return fc.record({
    method: fc.constant(verb),
    path: named ? segment.map((id) => `${at}/${id}`) : fc.constant(at),
    search,
    payload: fc
      .oneof({ weight: 6, arbitrary: meant }, { weight: 1, arbitrary: broken })
      .map((json) => ({ sent: Buffer.from(json), encoding: '' })),
  })
}

const aim = fc.oneof(
  { weight: 6, arbitrary: aimed('/data/test/_query', 'POST', query) },
  { weight: 2, arbitrary: aimed('/data/test/_index', 'POST', index) },
  { weight: 3, arbitrary: aimed('/data/test/_bulk', 'POST', bulk) },
  { weight: 3, arbitrary: aimed('/data/test', 'POST', anyJson) },
  { weight: 2, arbitrary: aimed('/data/test', 'PUT', anyJson, true) },
  { weight: 2, arbitrary: aimed('/data/test', 'GET', anyJson) },
  { weight: 3, arbitrary: aimed('/cache/test', 'POST', entry) },
  { weight: 2, arbitrary: aimed('/cache/test', 'PUT', anyJson, true) },
  { weight: 2, arbitrary: aimed('/cache/test/_query', 'GET', anyJson) },
)

const wild = fc.record({ method, path, search, payload: fc.option(encoded, { freq: 6 }) })

export interface HostileRequest {
  method: string
  target: string
  wire: Buffer
}

/** What is asked, before it has headers. */
export interface Asked {
  method: string
  path: string
  search: string
  payload: { sent: Buffer; encoding: string } | null
  /** In place of the generated ones. */
  contentType?: string
  headers?: [string, string][]
}

/** Well-framed requests whose contents are hostile. */
export function requestsFor(asked: fc.Arbitrary<Asked>): fc.Arbitrary<HostileRequest> {
  return fc
    .record({
      what: asked,
      host,
      contentType,
      extra: fc.array(extraHeader, { maxLength: 2 }),
      chunked: fc.integer({ min: 0, max: 5 }).map((dice) => dice === 0),
    })
    .map(({ what, ...asked }) => {
      const target = what.path + what.search
      const lines = [`${what.method} ${target} HTTP/1.1`, `Host: ${asked.host}`, 'Connection: close']
      for (const [name, value] of what.headers ?? asked.extra) lines.push(`${name}: ${value}`)
      const { payload } = what
      if (!payload) return { method: what.method, target, wire: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`) }
      lines.push(`Content-Type: ${what.contentType ?? asked.contentType}`)
      if (payload.encoding !== '') lines.push(`Content-Encoding: ${payload.encoding}`)
      lines.push(asked.chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${payload.sent.length}`)
      const framed = asked.chunked
        ? [
            payload.sent.length === 0 ? '' : `${payload.sent.length.toString(16)}\r\n`,
            payload.sent,
            payload.sent.length === 0 ? '' : '\r\n',
            '0\r\n\r\n',
          ]
        : [payload.sent]
      const wire = Buffer.concat([
        Buffer.from(`${lines.join('\r\n')}\r\n\r\n`),
        ...framed.map((part) => Buffer.from(part)),
      ])
      return { method: what.method, target, wire }
    })
}

export const hostileRequest = requestsFor(fc.oneof<fc.Arbitrary<Asked>[]>(aim, wild))

const HEAD = 'Host: localhost\r\nContent-Type: application/json\r\n'

/** Bytes that are no request, or one that two servers could read in two ways; each must be refused, never carried out. */
export const malformed: [string, string | Buffer][] = [
  ['garbage', 'garbage\r\n\r\n'],
  ['binary', Buffer.from(Array.from({ length: 512 }, (_, at) => (at * 7) % 256))],
  ['a TLS hello', Buffer.from('16030100a5010000a10303', 'hex')],
  ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/9.9', `PUT /data/smuggled HTTP/9.9\r\n${HEAD}\r\n`],
  ['no Host', 'PUT /data/smuggled HTTP/1.1\r\n\r\n'],
  ['a method that does not exist', `FROB /data/smuggled HTTP/1.1\r\n${HEAD}\r\n`],
  [
    'two lengths that differ',
    `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: 2\r\nContent-Length: 14\r\n\r\n{"smuggled":1}`,
  ],
  [
    'two equal lengths',
    `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: 14\r\nContent-Length: 14\r\n\r\n{"smuggled":1}`,
  ],
  ['a list of lengths', `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: 14, 14\r\n\r\n{"smuggled":1}`],
  [
    'length and chunked',
    `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nPUT /data/smuggled HTTP/1.1\r\n${HEAD}\r\n`,
  ],
  [
    'chunked twice',
    `POST /data/test HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
  ],
  [
    'an unknown transfer coding',
    `POST /data/test HTTP/1.1\r\n${HEAD}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\nPUT /data/smuggled HTTP/1.1\r\n${HEAD}\r\n`,
  ],
  ['a length below 0', `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: -1\r\n\r\n{}`],
  ['a length with a sign', `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: +14\r\n\r\n{"smuggled":1}`],
  ['a length in words', `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: ten\r\n\r\n{"smuggled":1}`],
  ['a length beyond reason', `POST /data/test HTTP/1.1\r\n${HEAD}Content-Length: 99999999999999999999999\r\n\r\n{`],
  [
    'a chunk size in words',
    `POST /data/test HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
  ],
  [
    'a chunk longer than it says',
    `POST /data/test HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n{"smuggled":1}\r\n0\r\n\r\n`,
  ],
  [
    'a chunk size beyond reason',
    `POST /data/test HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{`,
  ],
  ['NUL in a header', `PUT /data/smuggled HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n`],
  ['a space before the colon', 'PUT /data/smuggled HTTP/1.1\r\nHost : localhost\r\n\r\n'],
  ['a folded header', 'PUT /data/smuggled HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n'],
  ['a header without a name', 'PUT /data/smuggled HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n'],
  ['a space in the path', 'PUT /data/smug gled HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['headers of 100 KB', `PUT /data/smuggled HTTP/1.1\r\nHost: localhost\r\nX-A: ${'a'.repeat(100_000)}\r\n\r\n`],
  ['a path of 100 KB', `PUT /data/${'a'.repeat(100_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ['5 000 headers', `PUT /data/smuggled HTTP/1.1\r\nHost: localhost\r\n${'X-A: b\r\n'.repeat(5_000)}\r\n`],
]
