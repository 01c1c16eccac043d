/** Requests nobody should send to storage, search and queue. Nothing here names the canary. */
import fc from 'fast-check'
import {
  type Asked,
  aimed,
  anyJson,
  broken,
  bytes,
  headerValue,
  member,
  requestsFor,
  segment,
  text,
  tree,
} from './hostile-requests.ts'

const domain = fc.constantFrom('test', 'test', 'test', 'test', 'test', 'absent', 'te%73t')

// Storage

const LEADING_OUT = [
  '..',
  '%2e%2e',
  '%2e%2e%2f%2e%2e%2fescaped',
  '../../../escaped',
  'a/../../../../escaped',
  '..%5c..%5cescaped',
  '%2e',
  '.',
  '/',
  '//',
  '/etc/passwd',
  '%2fetc%2fescaped',
  'C:%5cescaped',
  '%00',
  'a%00.txt',
  '%252e%252e%252fescaped',
  '..;/escaped',
  '%c0%ae%c0%ae/escaped',
  '%ff',
  'a/'.repeat(1_000),
  '../'.repeat(1_000),
  '/'.repeat(1_000),
  `${'x/'.repeat(1_000)}end`,
  'n'.repeat(1_024),
  'n'.repeat(1_025),
  'CON',
  'aux.txt',
  'storage.db',
  'objects/tmp',
  'o',
  'o',
  'o',
]
const objectName = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...LEADING_OUT) },
  { weight: 2, arbitrary: fc.array(segment, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/')) },
)
const bucketName = fc.oneof({ weight: 6, arbitrary: domain }, { weight: 1, arbitrary: segment })

const RANGES = [
  'bytes=0-0',
  'bytes=-1',
  'bytes=5-',
  'bytes=9-2',
  'bytes=-0',
  'bytes=-',
  'bytes=a-b',
  'bytes=99999999999999999999-',
  `bytes=${'0-0,'.repeat(500)}1-1`,
  'bytes=0-18446744073709551616',
  'bytes=1e3-',
  'bytes=0-0,-1',
  'lines=1-2',
  'bytes=\t0-0',
  'bytes',
  '',
]
const condition = fc.tuple(
  fc.constantFrom('If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'If-Range', 'Accept'),
  fc.oneof(
    fc.constantFrom('*', '"x"', 'W/"x"', '"', '"x', ',,,', 'Sun, 06 Nov 1994 08:49:37 GMT', '-1', 'application/json'),
    headerValue,
  ),
)
const rangeHeaders = fc
  .tuple(fc.option(fc.oneof(fc.constantFrom(...RANGES), headerValue)), fc.array(condition, { maxLength: 2 }))
  .map(([range, conditions]): [string, string][] => [
    ...(range === null ? [] : [['Range', range] as [string, string]]),
    ...conditions,
  ])

const objectQuery = fc.constantFrom(
  ...[
    '',
    '',
    '',
    '?useSignedUrl=true',
    '?useSignedUrl=true&useSignedUrl=true',
    '?useSignedUrl[]=true',
    '?useSignedUrl=',
  ],
  ...[
    '?prefix=..',
    '?limit=1e9',
    '?limit=-1',
    '?startAfter=%00',
    '?prefix=%ff',
    '?limit[a]=1',
    '?useSignedUrl=%20true',
  ],
)

const BOUNDARY = 'hostile'
const disposition = fc.oneof(
  { weight: 4, arbitrary: fc.constant('form-data; name="file"; filename="f.txt"') },
  { weight: 2, arbitrary: text.map((name) => `form-data; name="file"; filename="${name.replace(/[\r\n]/g, '')}"`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'form-data; name="file"; filename="../../../escaped"',
      'form-data; name="file"; filename="..\\..\\escaped"',
      "form-data; name=file; filename*=UTF-8''%2e%2e%2fescaped",
      'form-data; name="path"',
      'form-data; name="path"',
      'form-data; name="__proto__"',
      'form-data; name="file"',
      'form-data; name="file"; filename="',
      'form-data',
      'attachment',
      '',
      'form-data; name="file"; filename="a\0b"',
      `form-data; name="file"; filename="${'x'.repeat(20_000)}"`,
    ),
  },
)
const part = fc
  .record({
    disposition,
    type: fc.option(headerValue),
    content: fc.oneof(
      bytes,
      fc
        .constantFrom('../../escaped', '..', '/etc', 'a/b', `--${BOUNDARY}`, '\r\n--', '', 'x'.repeat(100_000))
        .map((content) => Buffer.from(content)),
    ),
  })
  .map(({ disposition, type, content }) =>
    Buffer.concat([
      Buffer.from(
        `--${BOUNDARY}\r\nContent-Disposition: ${disposition}${type === null ? '' : `\r\nContent-Type: ${type}`}\r\n\r\n`,
      ),
      content,
      Buffer.from('\r\n'),
    ]),
  )
const formBody = fc
  .record({
    parts: fc.array(part, { maxLength: 4 }),
    end: fc.constantFrom(
      `--${BOUNDARY}--\r\n`,
      `--${BOUNDARY}--\r\n`,
      `--${BOUNDARY}--\r\n`,
      `--${BOUNDARY}`,
      '',
      'epilogue',
    ),
    kept: fc.oneof(fc.constant(1), fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  })
  .map(({ parts, end, kept }) => {
    const whole = Buffer.concat([...parts, Buffer.from(end)])
    return whole.subarray(0, Math.floor(whole.length * kept))
  })
const formType = fc.constantFrom(
  ...[1, 2, 3, 4].map(() => `multipart/form-data; boundary=${BOUNDARY}`),
  `multipart/form-data; boundary="${BOUNDARY}"`,
  'multipart/form-data',
  'multipart/form-data; boundary=',
  `multipart/form-data; boundary=${'b'.repeat(5_000)}`,
  'multipart/form-data; boundary=other',
  `multipart/form-data; boundary=${BOUNDARY}; boundary=other`,
  'multipart/form-data; charset="',
)

const storageAims: fc.Arbitrary<Asked>[] = [
  fc.record({
    method: fc.constantFrom('GET', 'GET', 'HEAD'),
    path: fc.constant('/storage/test/o'),
    search: fc.constant(''),
    payload: fc.constant(null),
    headers: fc.oneof(
      rangeHeaders,
      fc.constantFrom(...RANGES).map((range): [string, string][] => [['Range', range]]),
    ),
  }),
  fc.record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'DELETE', 'PUT', 'PATCH'),
    path: fc.tuple(bucketName, objectName).map(([bucket, name]) => `/storage/${bucket}/${name}`),
    search: objectQuery,
    payload: fc.constant(null),
    headers: rangeHeaders,
  }),
  fc.record({
    method: fc.constant('POST'),
    path: fc.tuple(bucketName, objectName).map(([bucket, name]) => `/storage/${bucket}/${name}`),
    search: objectQuery,
    payload: bytes.map((sent) => ({ sent, encoding: '' })),
    headers: fc.array(condition, { maxLength: 1 }),
    contentType: fc.oneof(headerValue, fc.constantFrom('text/plain', 'application/octet-stream', 'text/html')),
  }),
  fc.record({
    method: fc.constant('POST'),
    path: fc.oneof(
      bucketName.map((bucket) => `/storage/${bucket}`),
      fc.tuple(bucketName, objectName).map(([bucket, name]) => `/storage/${bucket}/${name}`),
    ),
    search: objectQuery,
    payload: formBody.map((sent) => ({ sent, encoding: '' })),
    contentType: formType,
    headers: fc.constant<[string, string][]>([]),
  }),
  fc.record({
    method: fc.constantFrom('PUT', 'DELETE', 'GET'),
    path: fc.oneof(objectName, segment).map((name) => `/storage/${name}`),
    search: objectQuery,
    payload: fc.constant(null),
  }),
  fc.record({
    method: fc.constantFrom('GET', 'PUT', 'HEAD', 'POST'),
    path: fc
      .array(fc.oneof(segment, objectName, fc.constantFrom('9999999999', 'get', 'put', 'test', 'o')), { maxLength: 6 })
      .map((parts) => `/_signed/${parts.join('/')}`),
    search: fc.constantFrom('', '', '?x'),
    payload: fc.constant(null),
  }),
]

// Search

const mappings = fc
  .record(
    {
      fields: fc.oneof(tree, fc.array(member, { maxLength: 5 })),
      storeFields: fc.oneof(tree, fc.array(member, { maxLength: 5 })),
    },
    { requiredKeys: [] },
  )
  .map((asked) => JSON.stringify(asked))
const words = fc.oneof(
  text,
  fc.constantFrom(
    'a OR b',
    '"a',
    'NEAR(a b, 2)',
    'title:*',
    '^a',
    '(((',
    'a* b*',
    '-- "',
    "'; drop table docs",
    '\0',
    '{a}:b',
    'x'.repeat(50_000),
  ),
  fc.array(text, { maxLength: 8 }).map((parts) => parts.join(' ')),
)
const searchQuery = fc
  .record(
    {
      query: fc.oneof({ weight: 4, arbitrary: words }, { weight: 1, arbitrary: tree }),
      fields: fc.oneof(tree, fc.array(member, { maxLength: 3 })),
      filter: tree,
    },
    { requiredKeys: ['query'] },
  )
  .map((asked) => JSON.stringify(asked))
const searchDocument = fc
  .record(
    { key: fc.oneof(text, tree), doc: fc.oneof(tree, fc.record({ title: tree, text: words })) },
    { requiredKeys: [] },
  )
  .map((asked) => JSON.stringify(asked))
const searchBulk = fc
  .array(fc.oneof(tree, fc.record({ _id: fc.oneof(text, tree), id: tree, text: words }, { requiredKeys: [] })), {
    maxLength: 5,
  })
  .map((docs) => JSON.stringify(docs))

const searchAims: fc.Arbitrary<Asked>[] = [
  aimed('/search/test/_query', 'POST', searchQuery),
  aimed('/search/test', 'POST', searchDocument),
  aimed('/search/test/_bulk', 'POST', searchBulk),
  aimed('/search/test', 'PUT', anyJson, true),
  aimed('/search/test', 'GET', anyJson, true),
  aimed('/search/test', 'DELETE', anyJson, true),
  aimed('/search', 'PUT', mappings, true),
]

// Queue: no target here is any machine but this one

const target = fc.oneof(
  text,
  tree,
  fc.constantFrom(
    'http://127.0.0.1:9/',
    'http://127.0.0.1:9/%zz',
    'http://a:b@127.0.0.1:9/',
    'http://[::1]:9/',
    'http://0x7f.1:9/',
    'http://127.0.0.1:99999/',
    'http://',
    'https://127.0.0.1:9/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'ftp://127.0.0.1/',
    'unix:/tmp/x',
    '//127.0.0.1',
  ),
)
const queueSettings = fc
  .record({ target, secret: fc.oneof(text, tree) }, { requiredKeys: [] })
  .map((asked) => JSON.stringify(asked))
const status = fc.constantFrom('READY', 'ERROR', 'ready', '', 'READY&status=ERROR', '%00', "' or 1=1", '__proto__')
const jobId = fc.oneof(segment, fc.constantFrom('1', '-1', '0', '1e9', '99999999999999999999', '1.5', 'NaN', '%31'))

const queueAims: fc.Arbitrary<Asked>[] = [
  aimed('/queue/test', 'POST', anyJson),
  aimed('/queue', 'PUT', queueSettings, true),
  fc.record({
    method: fc.constant('GET'),
    path: domain.map((name) => `/queue/${name}`),
    search: status.map((value) => `?status=${value.replaceAll(' ', '%20')}`),
    payload: fc.constant(null),
  }),
  fc.record({
    method: fc.constant('POST'),
    path: fc
      .tuple(domain, jobId, fc.constantFrom('_cancel', '_retry', '_nope', ''))
      .map(([name, id, action]) => `/queue/${name}/${id}/${action}`),
    search: fc.constant(''),
    payload: fc.oneof(anyJson, broken).map((json) => ({ sent: Buffer.from(json), encoding: '' })),
  }),
]

export const hostileServiceRequest = requestsFor(
  fc.oneof(
    { weight: 4, arbitrary: fc.oneof(...storageAims) },
    { weight: 2, arbitrary: fc.oneof(...searchAims) },
    { weight: 2, arbitrary: fc.oneof(...queueAims) },
  ),
)
