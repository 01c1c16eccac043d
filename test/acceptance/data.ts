/** hyper-api §§1.9, 3.4, 4.1, 4.2: databases and documents. */
import assert from 'node:assert/strict'
import { inDomain, inEmptyDomain, onSite } from './case.ts'
import { ids, letters } from './documents.ts'
import { answers, type Reply, refuses } from './http.ts'

const RESERVED = 'meta-cl1ld3td500003e68rc2f8o6x'
const GENERATED_ID = /^c[0-9a-z]{24}$/

function idOf(reply: Reply): string {
  assert.equal(reply.status, 201, reply.text)
  const body = reply.json() as { ok: boolean; id: string }
  assert.deepEqual(Object.keys(body).sort(), ['id', 'ok'])
  assert.equal(body.ok, true)
  return body.id
}

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

  ...inDomain('hyper-api 4.2: a member name with a NUL is 422, as MongoDB refuses it', async ({ onData }) => {
    for (const doc of [{ 'a\0b': 1 }, { a: [{ '\0': 1 }] }]) {
      refuses(await onData('POST', '', { json: { _id: 'x', ...doc } }), 422)
      refuses(await onData('PUT', '/x', { json: doc }), 422)
      refuses(await onData('POST', '/_bulk', { json: [{ _id: 'y' }, { _id: 'x', ...doc }] }), 422)
    }
    answers(await onData('GET'), 200, { ok: true, docs: [] })
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
