/** hyper-api §§1.9, 3.4, 4.1–4.3, 4.6: databases, documents, lists and bulk. */
import assert from 'node:assert/strict'
import { inDomain, inEmptyDomain, onSite } from './case.ts'
import { answers, type Reply, refuses } from './http.ts'

const RESERVED = 'meta-cl1ld3td500003e68rc2f8o6x'
const GENERATED_ID = /^c[0-9a-z]{24}$/

function ids(reply: Reply): string[] {
  assert.equal(reply.status, 200, reply.text)
  const { ok, docs } = reply.json() as { ok: boolean; docs: { _id: string }[] }
  assert.equal(ok, true)
  return docs.map(({ _id }) => _id)
}

function idOf(reply: Reply): string {
  assert.equal(reply.status, 201, reply.text)
  const body = reply.json() as { ok: boolean; id: string }
  assert.deepEqual(Object.keys(body).sort(), ['id', 'ok'])
  assert.equal(body.ok, true)
  return body.id
}

const letters = ['a', 'b', 'c', 'd', 'e'].map((_id) => ({ _id }))

export const dataCases = [
  // Databases

  ...inEmptyDomain('hyper-api 1.9 D1: PUT makes a database', async ({ onData }) => {
    answers(await onData('PUT'), 201, { ok: true })
    answers(await onData('GET'), 200, { ok: true, docs: [] })
  }),
  ...inDomain('hyper-api 1.9 D1: making a database twice is 409', async ({ onData, fill }) => {
    await fill(letters)
    refuses(await onData('PUT'), 409, 'database already exists')
    assert.equal(ids(await onData('GET')).length, 5)
  }),
  ...inEmptyDomain('hyper-api 1.9 D1, corner 43: the body of PUT is ignored', async ({ onData }) => {
    answers(await onData('PUT', '', { headers: { 'content-type': 'application/json' }, body: '{bad' }), 201, {
      ok: true,
    })
  }),
  ...inDomain('hyper-api 1.9 D2: DELETE removes the database and its documents', async ({ onData, fill }) => {
    await fill(letters)
    answers(await onData('DELETE'), 200, { ok: true })
    refuses(await onData('GET'), 404, 'database does not exist')
    await onData('PUT')
    answers(await onData('GET'), 200, { ok: true, docs: [] })
  }),
  ...inEmptyDomain('hyper-api 1.9: every call on a missing database is 404', async ({ onData }) => {
    const calls: [string, string, object?][] = [
      ['DELETE', ''],
      ['GET', ''],
      ['POST', '', { a: 1 }],
      ['GET', '/x'],
      ['PUT', '/x', { a: 1 }],
      ['DELETE', '/x'],
      ['POST', '/_query', {}],
      ['POST', '/_index', { name: 'i', fields: ['a'] }],
      ['POST', '/_bulk', [{ _id: 'a' }]],
      ['POST', '/_bulk', []],
    ]
    for (const [method, rest, json] of calls) {
      refuses(await onData(method, rest, json ? { json } : {}), 404, 'database does not exist')
    }
  }),
  ...onSite('hyper-api 1.9, 12.2 B39: the reserved name is 422 on every call, creation too', async ({ send }) => {
    const at = `/data/${RESERVED}`
    const calls: [string, string, object?][] = [
      ['PUT', at],
      ['DELETE', at],
      ['GET', at],
      ['POST', at, { a: 1 }],
      ['GET', `${at}/x`],
      ['PUT', `${at}/x`, { a: 1 }],
      ['DELETE', `${at}/x`],
      ['POST', `${at}/_query`, {}],
      ['POST', `${at}/_index`, { name: 'i', fields: ['a'] }],
      ['POST', `${at}/_bulk`, [{ _id: 'a' }]],
    ]
    for (const [method, path, json] of calls) {
      refuses(await send(method, path, json ? { json } : {}), 422, `${RESERVED} is a reserved db name`)
    }
  }),
  ...onSite('hyper-api 4.1, corner 46: database names differ by case', async ({ send, fresh }) => {
    const lower = fresh()
    const upper = lower.toUpperCase()
    answers(await send('PUT', `/data/${lower}`), 201, { ok: true })
    answers(await send('PUT', `/data/${upper}`), 201, { ok: true })
    await send('PUT', `/data/${upper}/x`, { json: {} })
    answers(await send('GET', `/data/${lower}`), 200, { ok: true, docs: [] })
    answers(await send('DELETE', `/data/${upper}`), 200, { ok: true })
    answers(await send('GET', `/data/${lower}`), 200, { ok: true, docs: [] })
  }),
  ...onSite('hyper-api 2.4, 4.1: a database name may hold spaces, slashes and any script', async ({ send, fresh }) => {
    for (const odd of [
      ' space',
      '/slash',
      'ünï☃😀',
      '"quote',
      "'; drop table x; --",
      '%25',
      '.dot',
      '_bulk',
      '+plus',
      '\\',
    ]) {
      const at = `/data/${encodeURIComponent(fresh() + odd)}`
      answers(await send('PUT', at), 201, { ok: true })
      answers(await send('PUT', `${at}/x`, { json: { n: 1 } }), 200, { ok: true, id: 'x' })
      answers(await send('GET', `${at}/x`), 200, { _id: 'x', n: 1 })
      answers(await send('DELETE', at), 200, { ok: true })
    }
  }),

  // Create

  ...inDomain('hyper-api 1.9 D4: POST stores a document under its _id', async ({ onData }) => {
    answers(await onData('POST', '', { json: { _id: 'x', n: 1 } }), 201, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x', n: 1 })
  }),
  ...inDomain('hyper-api 1.9 D4: an id that is taken is 409 and the document stays', async ({ onData }) => {
    await onData('POST', '', { json: { _id: 'x', n: 1 } })
    refuses(await onData('POST', '', { json: { _id: 'x', n: 2 } }), 409, 'document with _id x already exists')
    answers(await onData('GET', '/x'), 200, { _id: 'x', n: 1 })
  }),
  ...inDomain('hyper-api 1.9 D4, 4.2: an empty document or no body is 400', async ({ onData }) => {
    refuses(await onData('POST', '', { json: {} }), 400, 'document empty')
    refuses(await onData('POST'), 400, 'document empty')
    refuses(
      await onData('POST', '', { headers: { 'content-type': 'application/json' }, body: '' }),
      400,
      'document empty',
    )
    answers(await onData('GET'), 200, { ok: true, docs: [] })
  }),
  ...inDomain('hyper-api 4.2: a document of nothing but _id is fine', async ({ onData }) => {
    answers(await onData('POST', '', { json: { _id: 'x' } }), 201, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x' })
  }),
  ...inDomain('hyper-api 1.9 D4: an array is no document', async ({ onData }) => {
    refuses(await onData('POST', '', { json: [] }), 422, "Invalid Arguments 'doc': Expected object, received array.")
    refuses(
      await onData('POST', '', { json: [{ _id: 'x' }] }),
      422,
      "Invalid Arguments 'doc': Expected object, received array.",
    )
    answers(await onData('GET'), 200, { ok: true, docs: [] })
  }),
  ...inDomain('hyper-api 4.2, corner 9: an absent or falsy _id is generated', async ({ onData }) => {
    for (const doc of [{ n: 1 }, { id: 'x' }, { _id: '' }, { _id: 0 }, { _id: null }, { _id: false }]) {
      const id = idOf(await onData('POST', '', { json: doc }))
      assert.match(id, GENERATED_ID)
      const stored = (await onData('GET', `/${id}`)).json()
      assert.deepEqual(stored, { ...doc, _id: id })
    }
  }),
  ...inDomain('hyper-api 4.2: generated ids sort by creation', async ({ onData }) => {
    const made: string[] = []
    for (let n = 0; n < 20; n += 1) made.push(idOf(await onData('POST', '', { json: { n } })))
    assert.deepEqual(made, made.toSorted())
    assert.equal(new Set(made).size, 20)
  }),
  ...inDomain('hyper-api 1.9 D4, corner 9: a truthy _id that is no string is 422', async ({ onData }) => {
    refuses(
      await onData('POST', '', { json: { _id: 5 } }),
      422,
      "Invalid Arguments 'id': Expected string, received number.",
    )
    refuses(
      await onData('POST', '', { json: { _id: true } }),
      422,
      "Invalid Arguments 'id': Expected string, received boolean.",
    )
    refuses(
      await onData('POST', '', { json: { _id: {} } }),
      422,
      "Invalid Arguments 'id': Expected string, received object.",
    )
    refuses(
      await onData('POST', '', { json: { _id: ['x'] } }),
      422,
      "Invalid Arguments 'id': Expected string, received array.",
    )
    answers(await onData('GET'), 200, { ok: true, docs: [] })
  }),
  ...inDomain('hyper-api 4.2: _id comes first in what is returned', async ({ onData }) => {
    await onData('POST', '', { json: { z: 1, _id: 'x', a: 2 } })
    await onData('PUT', '/y', { json: { z: 1, _id: 'y', a: 2 } })
    for (const id of ['x', 'y']) {
      assert.deepEqual(Object.keys((await onData('GET', `/${id}`)).json() as object), ['_id', 'z', 'a'])
    }
  }),
  ...inDomain('hyper-api 4.2: ok, status, msg, _deleted and _update are plain data', async ({ onData }) => {
    const doc = { ok: false, status: 404, msg: 'm', _deleted: true, _update: true, id: 'other' }
    answers(await onData('POST', '', { json: { _id: 'x', ...doc } }), 201, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x', ...doc })
    answers(await onData('PUT', '/y', { json: doc }), 200, { ok: true, id: 'y' })
    answers(await onData('GET', '/y'), 200, { _id: 'y', ...doc })
  }),
  ...inDomain('hyper-api 4.2: numbers are doubles', async ({ onData }) => {
    const text =
      '{"_id":"x","big":9007199254740993,"small":5e-324,"max":1.7976931348623157e308,"tenth":0.1,"minus":-0.5}'
    await onData('POST', '', { headers: { 'content-type': 'application/json' }, body: text })
    answers(await onData('GET', '/x'), 200, JSON.parse(text))
  }),
  ...inDomain('hyper-api 4.2: any JSON comes back as it went in', async ({ onData }) => {
    const text =
      '{"_id":"x","a":{"b":[1,"two",null,true,{"c":[]}]},"":"empty","ünï":"☃😀","nul":"\\u0000","constructor":{"a":1}}'
    await onData('POST', '', { headers: { 'content-type': 'application/json' }, body: text })
    answers(await onData('GET', '/x'), 200, JSON.parse(text))
  }),

  // Read

  ...inDomain('hyper-api 1.9 D5: a missing document is 404 in both get modes', async ({ onData }) => {
    refuses(await onData('GET', '/x'), 404, 'document with _id x does not exist')
    refuses(
      await onData('GET', '/x', { headers: { 'x-hyper-legacy-get': 'false' } }),
      404,
      'document with _id x does not exist',
    )
  }),
  ...inDomain('hyper-api 3.4, corner 11: data get is raw by default, shaped on request', async ({ onData }) => {
    await onData('POST', '', { json: { _id: 'x', n: 1 } })
    const raw = { _id: 'x', n: 1 }
    const shaped = { ok: true, doc: raw }
    answers(await onData('GET', '/x'), 200, raw)
    for (const value of ['', 'true', ' true ']) {
      answers(await onData('GET', '/x', { headers: { 'x-hyper-legacy-get': value } }), 200, raw)
    }
    for (const value of ['false', '1', 'TRUE', '0', 'no']) {
      answers(await onData('GET', '/x', { headers: { 'X-HYPER-LEGACY-GET': value } }), 200, shaped)
    }
  }),
  ...inDomain('hyper-api 3.1: a document {"ok":false} is no error', async ({ onData }) => {
    await onData('PUT', '/x', { json: { ok: false } })
    answers(await onData('GET', '/x'), 200, { _id: 'x', ok: false })
    answers(await onData('GET', '/x', { headers: { 'x-hyper-legacy-get': 'false' } }), 200, {
      ok: true,
      doc: { _id: 'x', ok: false },
    })
  }),
  ...inDomain('hyper-api 1.9, corner 48: only POST makes _query, _index and _bulk special', async ({ onData }) => {
    for (const id of ['_query', '_index', '_bulk']) {
      refuses(await onData('GET', `/${id}`), 404, `document with _id ${id} does not exist`)
      answers(await onData('PUT', `/${id}`, { json: { n: 1 } }), 200, { ok: true, id })
      answers(await onData('GET', `/${id}`), 200, { _id: id, n: 1 })
      answers(await onData('DELETE', `/${id}`), 200, { ok: true, id })
    }
  }),

  // Replace

  ...inDomain('hyper-api 1.9 D6, 4.2: PUT replaces the whole document', async ({ onData }) => {
    await onData('POST', '', { json: { _id: 'x', a: 1, b: 2 } })
    answers(await onData('PUT', '/x', { json: { b: 3 } }), 200, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x', b: 3 })
    answers(await onData('PUT', '/x', { json: { b: 3 } }), 200, { ok: true, id: 'x' })
  }),
  ...inDomain('hyper-api 4.2, corner 10: PUT inserts what is missing, even empty', async ({ onData }) => {
    answers(await onData('PUT', '/new', { json: {} }), 200, { ok: true, id: 'new' })
    answers(await onData('GET', '/new'), 200, { _id: 'new' })
    answers(await onData('PUT', '/bodiless'), 200, { ok: true, id: 'bodiless' })
    answers(await onData('GET', '/bodiless'), 200, { _id: 'bodiless' })
  }),
  ...inDomain('hyper-api 1.9 D6: an array body is 422', async ({ onData }) => {
    refuses(await onData('PUT', '/x', { json: [] }), 422, "Invalid Arguments 'doc': Expected object, received array.")
    refuses(await onData('GET', '/x'), 404)
  }),
  ...inDomain('hyper-api 4.2, 12.2 B24: another _id in the body is 422, the same one fine', async ({ onData }) => {
    answers(await onData('PUT', '/x', { json: { _id: 'x', n: 1 } }), 200, { ok: true, id: 'x' })
    refuses(await onData('PUT', '/x', { json: { _id: 'y', n: 2 } }), 422)
    answers(await onData('GET', '/x'), 200, { _id: 'x', n: 1 })
    refuses(await onData('GET', '/y'), 404)
  }),
  ...inDomain('hyper-api 4.2, 12.3.9: a replacement that begins with an operator is refused', async ({ onData }) => {
    await onData('PUT', '/x', { json: { n: 1 } })
    refuses(
      await onData('PUT', '/x', { json: { $set: { n: 2 } } }),
      422,
      'Replacement document must not contain atomic operators',
    )
    answers(await onData('GET', '/x'), 200, { _id: 'x', n: 1 })
  }),
  ...inDomain('hyper-api 4.2: no revisions, the last write wins', async ({ onData }) => {
    for (let n = 0; n < 5; n += 1) answers(await onData('PUT', '/x', { json: { n } }), 200, { ok: true, id: 'x' })
    answers(await onData('GET', '/x'), 200, { _id: 'x', n: 4 })
  }),

  // Remove

  ...inDomain('hyper-api 1.9 D7: DELETE removes one document', async ({ onData, fill }) => {
    await fill([{ _id: 'x' }, { _id: 'y' }])
    answers(await onData('DELETE', '/x'), 200, { ok: true, id: 'x' })
    refuses(await onData('GET', '/x'), 404)
    assert.deepEqual(ids(await onData('GET')), ['y'])
  }),
  ...inDomain('hyper-api 1.9 D7, 4.2, corner 25: removing a missing document is 404', async ({ onData }) => {
    refuses(await onData('DELETE', '/missing'), 404, 'document with _id missing does not exist')
  }),

  // Ids in paths

  ...inDomain('hyper-api 1.5, 2.4: an id may be any text, percent-encoded', async ({ onData }) => {
    for (const id of [
      'a/b',
      'a b',
      'ünï☃😀',
      '"',
      "'--",
      'a?b#c',
      '%',
      '..',
      '.',
      'a+b',
      'constructor',
      '__proto__',
      'ID',
      'id',
    ]) {
      const at = `/${encodeURIComponent(id).replaceAll('.', '%2E')}`
      answers(await onData('PUT', at, { json: { n: 1 } }), 200, { ok: true, id })
      assert.deepEqual((await onData('GET', at)).json(), { _id: id, n: 1 })
      answers(await onData('DELETE', at), 200, { ok: true, id })
    }
  }),
  ...inDomain('hyper-api 1.5: + in a path is a plus sign', async ({ onData }) => {
    await onData('POST', '', { json: { _id: 'a+b' } })
    answers(await onData('GET', '/a+b'), 200, { _id: 'a+b' })
    refuses(await onData('GET', '/a%20b'), 404, 'document with _id a b does not exist')
  }),

  // List

  ...inDomain('hyper-api 1.9 D3, 4.3: list is ascending by the bytes of _id', async ({ onData, fill }) => {
    const names = ['B', 'a', 'ä', 'Z', '0', '-', '\uffee', '😀', 'aa', 'a b']
    await fill(names.map((_id) => ({ _id })))
    const expected = names.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    assert.deepEqual(ids(await onData('GET')), expected)
    assert.deepEqual(ids(await onData('GET', '?descending=true')), expected.toReversed())
  }),
  ...inDomain('hyper-api 4.3: list gives whole documents', async ({ onData, fill }) => {
    await fill([{ _id: 'x', a: { b: [1] } }])
    answers(await onData('GET'), 200, { ok: true, docs: [{ _id: 'x', a: { b: [1] } }] })
  }),
  ...inDomain('hyper-api 4.3: startkey and endkey are inclusive, whatever the direction', async ({ onData, fill }) => {
    await fill(letters)
    assert.deepEqual(ids(await onData('GET', '?startkey=b&endkey=d')), ['b', 'c', 'd'])
    assert.deepEqual(ids(await onData('GET', '?startkey=b')), ['b', 'c', 'd', 'e'])
    assert.deepEqual(ids(await onData('GET', '?endkey=b')), ['a', 'b'])
    assert.deepEqual(ids(await onData('GET', '?startkey=b&endkey=d&descending=true')), ['d', 'c', 'b'])
    assert.deepEqual(ids(await onData('GET', '?startkey=d&endkey=b&descending=true')), [])
    assert.deepEqual(ids(await onData('GET', '?startkey=aa&endkey=cc')), ['b', 'c'])
  }),
  ...inDomain('hyper-api 4.3: keys picks ids, in order of _id, absent ones silently', async ({ onData, fill }) => {
    await fill(letters)
    assert.deepEqual(ids(await onData('GET', '?keys=d,nope,a')), ['a', 'd'])
    assert.deepEqual(ids(await onData('GET', '?keys=d%2Ca')), ['a', 'd'])
    assert.deepEqual(ids(await onData('GET', '?keys=d,a,a&descending=1')), ['d', 'a'])
    assert.deepEqual(ids(await onData('GET', '?keys=a,b,c&startkey=b')), ['b', 'c'])
    assert.deepEqual(ids(await onData('GET', '?keys=a,b,c&endkey=b&limit=1')), ['a'])
    assert.deepEqual(ids(await onData('GET', '?keys=nope')), [])
  }),
  ...inDomain('hyper-api 4.3, corner 5: list limit 0 or absent is everything', async ({ onData, fill }) => {
    await fill(Array.from({ length: 40 }, (_, n) => ({ _id: String(n).padStart(2, '0') })))
    assert.equal(ids(await onData('GET')).length, 40)
    assert.equal(ids(await onData('GET', '?limit=0')).length, 40)
    assert.deepEqual(ids(await onData('GET', '?limit=3')), ['00', '01', '02'])
    assert.deepEqual(ids(await onData('GET', '?limit=2&descending=true')), ['39', '38'])
    assert.equal(ids(await onData('GET', '?limit=1000')).length, 40)
  }),
  ...inDomain('hyper-api 4.3, 12.3.9: a negative list limit counts as its absolute value', async ({ onData, fill }) => {
    await fill(letters)
    assert.deepEqual(ids(await onData('GET', '?limit=-2')), ['a', 'b'])
  }),
  ...inDomain('hyper-api 2.1, 1.9 D3: limit is number-like or 422', async ({ onData, fill }) => {
    await fill(letters)
    assert.equal(ids(await onData('GET', '?limit=2abc')).length, 2)
    assert.equal(ids(await onData('GET', '?limit=1e0')).length, 1)
    for (const limit of ['abc', '', 'undefined']) {
      refuses(
        await onData('GET', `?limit=${limit}`),
        422,
        "Invalid Arguments 'limit': Expected number, received string.",
      )
    }
  }),
  ...inDomain('hyper-api 1.5, 1.9 D3: repeated or nested parameters are 422', async ({ onData }) => {
    refuses(await onData('GET', '?keys=a&keys=b'), 422, "Invalid Arguments 'keys': Expected string, received array.")
    refuses(await onData('GET', '?keys[]=a'), 422, "Invalid Arguments 'keys': Expected string, received array.")
    refuses(
      await onData('GET', '?startkey[a]=b'),
      422,
      "Invalid Arguments 'startkey': Expected string, received object.",
    )
    refuses(
      await onData('GET', '?endkey=a&endkey=b'),
      422,
      "Invalid Arguments 'endkey': Expected string, received array.",
    )
    refuses(await onData('GET', '?limit=1&limit=2'), 422, "Invalid Arguments 'limit': Expected number, received array.")
  }),
  ...inDomain('hyper-api 2.2: several problems are joined', async ({ onData }) => {
    refuses(
      await onData('GET', '?limit=abc&keys=a&keys=b'),
      422,
      /^Invalid Arguments '(limit|keys)': [^|]+\. \| Invalid Arguments '(limit|keys)': [^|]+\.$/,
    )
  }),
  ...inDomain('hyper-api 4.3, 12.2 B13, corner 4: descending is true or 1', async ({ onData, fill }) => {
    await fill(letters.slice(0, 2))
    for (const yes of ['true', '1']) assert.deepEqual(ids(await onData('GET', `?descending=${yes}`)), ['b', 'a'])
    for (const no of ['false', '0', '']) assert.deepEqual(ids(await onData('GET', `?descending=${no}`)), ['a', 'b'])
    for (const odd of ['yes', 'TRUE', '2', 'true&descending=true'])
      refuses(await onData('GET', `?descending=${odd}`), 422, /'descending'/)
  }),
  ...inDomain('hyper-api 4.3: empty startkey, endkey and keys are ignored', async ({ onData, fill }) => {
    await fill(letters)
    assert.equal(ids(await onData('GET', '?startkey=&endkey=&keys=')).length, 5)
  }),
  ...inDomain(
    'hyper-api 1.9 D3, 12.2 B12, corner 3: other parameters are ignored, db too',
    async ({ onData, fill, cache }) => {
      await fill(letters.slice(0, 1))
      assert.deepEqual(ids(await onData('GET', '?db=other&skip=1&fields=a&x[y]=z')), ['a'])
      assert.deepEqual(ids(await onData('GET', `?db=${encodeURIComponent(cache)}`)), ['a'])
    },
  ),
  ...inDomain('hyper-api 4.3: list has no cap', async ({ onData, fill }) => {
    await fill(Array.from({ length: 3_000 }, (_, n) => ({ _id: String(n).padStart(5, '0'), pad: 'x'.repeat(600) })))
    const listed = ids(await onData('GET'))
    assert.equal(listed.length, 3_000)
    const head = await onData('HEAD')
    assert.deepEqual({ status: head.status, text: head.text }, { status: 200, text: '' })
    assert.deepEqual(listed, listed.toSorted())
  }),

  // Bulk

  ...inDomain('hyper-api 1.9 D10, 4.6: bulk inserts and replaces, one result per element', async ({ onData }) => {
    await onData('PUT', '/b', { json: { old: true } })
    answers(
      await onData('POST', '/_bulk', {
        json: [
          { _id: 'b', n: 2 },
          { _id: 'a', n: 1 },
        ],
      }),
      201,
      {
        ok: true,
        results: [
          { ok: true, id: 'b' },
          { ok: true, id: 'a' },
        ],
      },
    )
    answers(await onData('GET'), 200, {
      ok: true,
      docs: [
        { _id: 'a', n: 1 },
        { _id: 'b', n: 2 },
      ],
    })
  }),
  ...inDomain('hyper-api 4.6, corner 41: truthy _deleted removes, a missing one is fine', async ({ onData, fill }) => {
    await fill([{ _id: 'a' }, { _id: 'b' }])
    answers(
      await onData('POST', '/_bulk', {
        json: [
          { _id: 'a', _deleted: true },
          { _id: 'missing', _deleted: 1 },
        ],
      }),
      201,
      {
        ok: true,
        results: [
          { ok: true, id: 'a' },
          { ok: true, id: 'missing' },
        ],
      },
    )
    assert.deepEqual(ids(await onData('GET')), ['b'])
  }),
  ...inDomain('hyper-api 4.6, corner 41: _deleted:false is stored, _update is not', async ({ onData }) => {
    await onData('POST', '/_bulk', {
      json: [
        { _id: 'a', _deleted: false, _update: true },
        { _id: 'b', _update: false },
      ],
    })
    answers(await onData('GET'), 200, { ok: true, docs: [{ _id: 'a', _deleted: false }, { _id: 'b' }] })
  }),
  ...inDomain('hyper-api 4.6: bulk runs in order, the last of one id wins', async ({ onData }) => {
    await onData('POST', '/_bulk', {
      json: [
        { _id: 'a', n: 1 },
        { _id: 'a', n: 2 },
        { _id: 'b' },
        { _id: 'b', _deleted: true },
        { _id: 'c', _deleted: true },
        { _id: 'c', n: 3 },
      ],
    })
    answers(await onData('GET'), 200, {
      ok: true,
      docs: [
        { _id: 'a', n: 2 },
        { _id: 'c', n: 3 },
      ],
    })
  }),
  ...inDomain('hyper-api 12.2 B23, corner 42: an empty bulk is 201 with no results', async ({ onData }) => {
    answers(await onData('POST', '/_bulk', { json: [] }), 201, { ok: true, results: [] })
  }),
  ...inDomain(
    'hyper-api 12.2 B23: a bulk element without a string _id is 422 and nothing is written',
    async ({ onData, fill }) => {
      await fill([{ _id: 'kept' }])
      for (const bad of [{ n: 1 }, { _id: 5 }, { _id: null }, { _id: '' }, { _id: {} }, { _deleted: true }]) {
        refuses(await onData('POST', '/_bulk', { json: [{ _id: 'first' }, { _id: 'kept', _deleted: true }, bad] }), 422)
        refuses(await onData('POST', '/_bulk', { json: [bad] }), 422)
      }
      answers(await onData('GET'), 200, { ok: true, docs: [{ _id: 'kept' }] })
    },
  ),
  ...inDomain('hyper-api 1.9 D10: a bulk body that is no array of objects is 422', async ({ onData }) => {
    const notArray = "Invalid Arguments 'docs': Expected array, received object."
    refuses(await onData('POST', '/_bulk', { json: {} }), 422, notArray)
    refuses(await onData('POST', '/_bulk'), 422, notArray)
    refuses(
      await onData('POST', '/_bulk', { json: ['x'] }),
      422,
      "Invalid Arguments 'docs': Expected object, received string.",
    )
    refuses(
      await onData('POST', '/_bulk', { json: [{ _id: 'a' }, null] }),
      422,
      "Invalid Arguments 'docs': Expected object, received null.",
    )
    refuses(
      await onData('POST', '/_bulk', { json: [[]] }),
      422,
      "Invalid Arguments 'docs': Expected object, received array.",
    )
    answers(await onData('GET'), 200, { ok: true, docs: [] })
  }),
  ...inDomain('hyper-api 4.6: a bulk has no count limit', async ({ onData }) => {
    const docs = Array.from({ length: 20_000 }, (_, n) => ({ _id: `d${n}` }))
    const reply = await onData('POST', '/_bulk', { json: docs })
    assert.equal(reply.status, 201)
    const { results } = reply.json() as { results: { ok: boolean; id: string }[] }
    assert.deepEqual(
      results,
      docs.map(({ _id }) => ({ ok: true, id: _id })),
    )
  }),

  // Order of checks

  ...inEmptyDomain('hyper-api 1.9: parsing is before validation, validation before existence', async ({ onData }) => {
    const bad = { headers: { 'content-type': 'application/json' }, body: '{bad' }
    refuses(await onData('POST', '', bad), 400)
    refuses(await onData('POST', '/_bulk', { json: {} }), 422)
    refuses(await onData('POST', '/_query', { json: { limit: 'abc' } }), 422)
    refuses(await onData('GET', '?limit=abc'), 422)
    refuses(await onData('POST', '', { json: { _id: 5 } }), 422)
    refuses(await onData('PUT', '/%zz', bad), 400)
  }),
]
