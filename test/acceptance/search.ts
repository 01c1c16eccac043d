/** hyper-api §§1.8, 1.11, 2, 7 with §12.2 B27, B28: search indexes, their documents and what finds them. */
import assert from 'node:assert/strict'
import { type Domain, inEmptyDomain, inIndex, MAPPINGS, onSite } from './case.ts'
import { answers, refuses } from './http.ts'
import { ask, type Match, matches } from './searching.ts'

const NO_INDEX = 'index does not exist'

async function add({ onSearch }: Domain, docs: Record<string, object>): Promise<void> {
  for (const [key, doc] of Object.entries(docs)) {
    answers(await onSearch('POST', '', { json: { key, doc } }), 201, { ok: true })
  }
}

/** Keys of what matches, in no order. */
async function found(domain: Domain, q: string | object): Promise<string[]> {
  return (await matches(domain, q)).map(({ id }) => id).sort()
}

export const searchCases = [
  // Indexes

  ...onSite('hyper-api 1.8: GET /search is a banner', async ({ send }) => {
    const banner = { name: 'hyper63 Search', version: '1.0', status: 'unstable' }
    answers(await send('GET', '/search'), 200, banner)
    answers(await send('GET', '/search/'), 200, banner)
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) refuses(await send(method, '/search'), 404, 'not found!')
  }),
  ...inEmptyDomain('hyper-api 1.11 S1: PUT makes an index', async (domain) => {
    answers(await domain.onSearch('PUT', '', { json: { fields: ['a'] } }), 201, { ok: true })
    await add(domain, { k: { a: 'word' } })
    assert.deepEqual(await found(domain, 'word'), ['k'])
  }),
  ...inIndex('hyper-api 1.11 S1: making an index twice is 409 and keeps documents and settings', async (domain) => {
    await add(domain, { k: { title: 'word' } })
    refuses(await domain.onSearch('PUT', '', { json: { fields: ['other'] } }), 409, 'index already exists')
    assert.deepEqual(await found(domain, 'word'), ['k'])
  }),
  ...inEmptyDomain('hyper-api 1.11 S1, 2.2: fields is a list of strings', async ({ onSearch }) => {
    const required = "Invalid Arguments 'mappings': Required."
    refuses(await onSearch('PUT'), 422, required)
    refuses(await onSearch('PUT', '', { json: {} }), 422, required)
    refuses(await onSearch('PUT', '', { json: { storeFields: ['a'] } }), 422, required)
    for (const [json, message] of [
      [{ fields: 'a' }, 'Expected array, received string'],
      [{ fields: { a: 1 } }, 'Expected array, received object'],
      [{ fields: [5] }, 'Expected string, received number'],
      [{ fields: null }, 'Expected array, received null'],
      [{ fields: ['a'], storeFields: 'a' }, 'Expected array, received string'],
      [{ fields: ['a'], storeFields: [{}] }, 'Expected string, received object'],
    ] as const) {
      refuses(await onSearch('PUT', '', { json }), 422, `Invalid Arguments 'mappings': ${message}.`)
    }
    refuses(await onSearch('PUT', '', { json: [] }), 422)
    refuses(await onSearch('DELETE'), 404, NO_INDEX)
  }),
  ...inEmptyDomain('hyper-api 11 corner 43, 12.2 B14: the body of PUT index is read', async ({ onSearch }) => {
    const bad = { headers: { 'content-type': 'application/json' }, body: '{bad' }
    refuses(await onSearch('PUT', '', bad), 400)
    refuses(await onSearch('DELETE'), 404, NO_INDEX)
  }),
  ...inEmptyDomain('hyper-api 7: fields and storeFields may be empty, other settings are ignored', async (domain) => {
    const json = { fields: [], storeFields: [], prefix: true, fuzzy: 1, idField: 'x' }
    answers(await domain.onSearch('PUT', '', { json }), 201, { ok: true })
    await add(domain, { k: { title: 'word' } })
    assert.deepEqual(await found(domain, 'word'), [])
    answers(await domain.onSearch('GET', '/k'), 200, { ok: true, key: 'k', doc: { _id: 'k', title: 'word' } })
  }),
  ...inIndex('hyper-api 1.11 S2, 7, corner 14: DELETE removes the index and its documents, 200', async (domain) => {
    await add(domain, { k: { title: 'word' } })
    answers(await domain.onSearch('DELETE'), 200, { ok: true })
    refuses(await ask(domain, { query: 'word' }), 404, NO_INDEX)
    refuses(await domain.onSearch('GET', '/k'), 404)
    answers(await domain.onSearch('PUT', '', { json: MAPPINGS }), 201, { ok: true })
    assert.deepEqual(await found(domain, 'word'), [])
    refuses(await domain.onSearch('GET', '/k'), 404, 'not found')
  }),
  ...inIndex('hyper-api 1.5, corner 13: DELETE with a slash at the end removes the index', async ({ onSearch }) => {
    answers(await onSearch('DELETE', '/'), 200, { ok: true })
    refuses(await onSearch('DELETE'), 404, NO_INDEX)
  }),
  ...inEmptyDomain('hyper-api 12.2 B27, corners 36 and 37: every call on a missing index is 404', async (domain) => {
    const { onSearch } = domain
    refuses(await onSearch('DELETE'), 404, NO_INDEX)
    refuses(await onSearch('POST', '', { json: { key: 'k', doc: {} } }), 404, NO_INDEX)
    refuses(await onSearch('GET', '/k'), 404)
    refuses(await onSearch('PUT', '/k', { json: {} }), 404, NO_INDEX)
    refuses(await onSearch('DELETE', '/k'), 404)
    refuses(await ask(domain, { query: 'word' }), 404, NO_INDEX)
    refuses(await onSearch('POST', '/_bulk', { json: [] }), 404, NO_INDEX)
    refuses(await onSearch('POST', '/_bulk', { json: [{ _id: 'a' }] }), 404, NO_INDEX)
  }),
  ...inEmptyDomain('hyper-api 12.2 B27, corner 33: what a missing index refused is not kept', async (domain) => {
    const { onSearch } = domain
    refuses(await onSearch('POST', '', { json: { key: 'a', doc: { title: 'word' } } }), 404, NO_INDEX)
    refuses(await onSearch('POST', '/_bulk', { json: [{ _id: 'b', title: 'word' }] }), 404, NO_INDEX)
    answers(await onSearch('PUT', '', { json: MAPPINGS }), 201, { ok: true })
    refuses(await onSearch('GET', '/a'), 404, 'not found')
    assert.deepEqual(await found(domain, 'word'), [])
    await add(domain, { a: {}, b: {} })
  }),
  ...onSite('hyper-api 2.4: index names know case and take any text', async ({ send, fresh }) => {
    const base = fresh()
    for (const suffix of ['', 'UP', ' space', '.dot', 'a/b', 'ü☃', '"quote\'; drop', '_query', '%', '..']) {
      const at = `/search/${encodeURIComponent(base + suffix)}`
      answers(await send('PUT', at, { json: { fields: ['t'] } }), 201, { ok: true })
      answers(await send('POST', at, { json: { key: 'k', doc: { t: 'word' } } }), 201, { ok: true })
      const reply = await send('POST', `${at}/_query`, { json: { query: 'word' } })
      assert.equal((reply.json() as { matches: Match[] }).matches.length, 1, suffix)
      if (suffix !== '') answers(await send('DELETE', at), 200, { ok: true })
    }
    refuses(await send('DELETE', `/search/${base.toUpperCase()}`), 404, NO_INDEX)
  }),
  ...inIndex('hyper-api 1.11, corner 15: GET of an index without a key has no route', async ({ onSearch }) => {
    refuses(await onSearch('GET'), 404, 'not found!')
  }),
  ...onSite('design 8.4: indexes in both structures are the same ones', async ({ send, fresh }) => {
    const app = fresh()
    for (const [cloud, oss] of [
      [`/${app}/search/default`, `/search/${app}`],
      [`/${app}/search/shelf`, `/search/${app}~shelf`],
    ] as const) {
      answers(await send('PUT', cloud, { json: MAPPINGS }), 201, { ok: true })
      refuses(await send('PUT', oss, { json: MAPPINGS }), 409, 'index already exists')
      answers(await send('POST', oss, { json: { key: 'k', doc: { title: oss } } }), 201, { ok: true })
      answers(await send('GET', `${cloud}/k`), 200, { ok: true, key: 'k', doc: { _id: 'k', title: oss } })
      answers(await send('DELETE', cloud), 200, { ok: true })
    }
  }),

  // Documents

  ...inIndex('hyper-api 1.11 S3 and S4, 7: a document is stored with its key as _id', async ({ onSearch }) => {
    const doc = { title: 'Word', deep: { n: [1.5, null] }, ok: false, status: 404 }
    answers(await onSearch('POST', '', { json: { key: 'k', doc } }), 201, { ok: true })
    answers(await onSearch('GET', '/k'), 200, { ok: true, key: 'k', doc: { ...doc, _id: 'k' } })
  }),
  ...inIndex('hyper-api 1.11 S3, 2.2: key and doc are needed, of the right type', async ({ onSearch }) => {
    const doc = "Invalid Arguments 'doc': Required."
    refuses(await onSearch('POST'), 422, `Invalid Arguments 'key': Required. | ${doc}`)
    refuses(await onSearch('POST', '', { json: {} }), 422, `Invalid Arguments 'key': Required. | ${doc}`)
    refuses(await onSearch('POST', '', { json: { key: 'k' } }), 422, doc)
    refuses(await onSearch('POST', '', { json: { doc: {} } }), 422, "Invalid Arguments 'key': Required.")
    for (const [key, type] of [
      [5, 'number'],
      [null, 'null'],
      [['k'], 'array'],
    ] as const) {
      const message = `Invalid Arguments 'key': Expected string, received ${type}.`
      refuses(await onSearch('POST', '', { json: { key, doc: {} } }), 422, message)
    }
    for (const [value, type] of [
      [[], 'array'],
      ['x', 'string'],
      [null, 'null'],
      [5, 'number'],
    ] as const) {
      const message = `Invalid Arguments 'doc': Expected object, received ${type}.`
      refuses(await onSearch('POST', '', { json: { key: 'k', doc: value } }), 422, message)
    }
    refuses(await onSearch('POST', '', { json: [] }), 422)
    refuses(await onSearch('POST', '', { json: { key: '', doc: {} } }), 422)
    refuses(await onSearch('GET', '/k'), 404, 'not found')
  }),
  ...inIndex('hyper-api 1.11 S3, 7: a key that is there is 409 and its document stays', async (domain) => {
    await add(domain, { k: { title: 'first' } })
    refuses(
      await domain.onSearch('POST', '', { json: { key: 'k', doc: { title: 'second' } } }),
      409,
      'document conflict',
    )
    assert.deepEqual(await found(domain, 'first'), ['k'])
    assert.deepEqual(await found(domain, 'second'), [])
  }),
  ...inIndex('hyper-api 12.2 B28, corner 34: the key is the identity, whatever _id says', async (domain) => {
    await add(domain, {
      k: { _id: 'other', title: 'word' },
      other: { _id: 'k', title: 'word' },
      third: { _id: 'other' },
    })
    answers(await domain.onSearch('GET', '/k'), 200, { ok: true, key: 'k', doc: { _id: 'other', title: 'word' } })
    assert.deepEqual(await found(domain, 'word'), ['k', 'other'])
    answers(await domain.onSearch('DELETE', '/k'), 200, { ok: true })
    assert.deepEqual(await found(domain, 'word'), ['other'])
    answers(await domain.onSearch('GET', '/other'), 200, { ok: true, key: 'other', doc: { _id: 'k', title: 'word' } })
    answers(await domain.onSearch('DELETE', '/third'), 200, { ok: true })
    assert.deepEqual(await found(domain, 'word'), ['other'])
  }),
  ...inIndex('hyper-api 1.11 S4, 3.4: get has one shape, with or without the legacy header', async (domain) => {
    await add(domain, { k: { title: 'word' } })
    for (const legacy of ['true', 'false', '']) {
      const reply = await domain.onSearch('GET', '/k', { headers: { 'x-hyper-legacy-get': legacy } })
      answers(reply, 200, { ok: true, key: 'k', doc: { _id: 'k', title: 'word' } })
    }
    refuses(await domain.onSearch('GET', '/missing'), 404, 'not found')
  }),
  ...inIndex('hyper-api 12.2 B27, design 14.2: update replaces the whole document', async (domain) => {
    await add(domain, { k: { title: 'old', year: 1 } })
    answers(await domain.onSearch('PUT', '/k', { json: { text: 'new' } }), 200, { ok: true })
    answers(await domain.onSearch('GET', '/k'), 200, { ok: true, key: 'k', doc: { _id: 'k', text: 'new' } })
    assert.deepEqual(await found(domain, 'old'), [])
    assert.deepEqual(await found(domain, 'new'), ['k'])
    answers(await domain.onSearch('PUT', '/k', { json: {} }), 200, { ok: true })
    assert.deepEqual(await found(domain, 'new'), [])
  }),
  ...inIndex('hyper-api 1.11 S5: update needs an object, and a document to replace', async (domain) => {
    const message = "Invalid Arguments 'doc': Expected object, received array."
    await add(domain, { k: { title: 'kept' } })
    refuses(await domain.onSearch('PUT', '/k', { json: [] }), 422, message)
    refuses(await domain.onSearch('PUT', '/missing', { json: { title: 'word' } }), 404, 'not found')
    refuses(await domain.onSearch('GET', '/missing'), 404, 'not found')
    assert.deepEqual(await found(domain, 'kept'), ['k'])
    assert.deepEqual(await found(domain, 'word'), [])
  }),
  ...inIndex('hyper-api 1.11 S6, 7: remove is 200, 404 for what is not there, and leaves no match', async (domain) => {
    await add(domain, { a: { title: 'word' }, b: { title: 'word' } })
    answers(await domain.onSearch('DELETE', '/a'), 200, { ok: true })
    refuses(await domain.onSearch('DELETE', '/a'), 404, 'not found')
    refuses(await domain.onSearch('GET', '/a'), 404, 'not found')
    assert.deepEqual(await found(domain, 'word'), ['b'])
    await add(domain, { a: { title: 'other' } })
    assert.deepEqual(await found(domain, 'word'), ['b'])
  }),
  ...inIndex('hyper-api 1.11, 2.4: a key may be any text, _query too', async (domain) => {
    for (const key of ['a b', 'a/b', 'ü☃😀', '"\';--', '_query', '_bulk', '%', 'K', '..', 'x'.repeat(500)]) {
      const at = `/${encodeURIComponent(key).replaceAll('.', '%2E')}`
      await add(domain, { [key]: { title: 'word' } })
      answers(await domain.onSearch('GET', at), 200, { ok: true, key, doc: { _id: key, title: 'word' } })
      assert.deepEqual(await found(domain, 'word'), [key])
      answers(await domain.onSearch('PUT', at, { json: { title: 'again' } }), 200, { ok: true })
      answers(await domain.onSearch('DELETE', at), 200, { ok: true })
    }
    refuses(await domain.onSearch('GET', '/_query'), 404, 'not found')
    refuses(await domain.onSearch('GET', '/_bulk'), 404, 'not found')
  }),

  // Bulk

  ...inIndex('hyper-api 1.11 S8, 7: bulk adds each under its _id, else its id', async (domain) => {
    const docs = [
      { _id: 'a', title: 'word' },
      { id: 'b', title: 'word' },
      { _id: 'c', id: 'not', title: 'word' },
    ]
    const results = ['a', 'b', 'c'].map((id) => ({ ok: true, id }))
    answers(await domain.onSearch('POST', '/_bulk', { json: docs }), 201, { ok: true, results })
    assert.deepEqual(await found(domain, 'word'), ['a', 'b', 'c'])
    const doc = { id: 'b', title: 'word', _id: 'b' }
    answers(await domain.onSearch('GET', '/b'), 200, { ok: true, key: 'b', doc })
    refuses(await domain.onSearch('GET', '/not'), 404, 'not found')
  }),
  ...inIndex('hyper-api 7, corner 42: an empty bulk is 201 with no results', async ({ onSearch }) => {
    answers(await onSearch('POST', '/_bulk', { json: [] }), 201, { ok: true, results: [] })
  }),
  ...inIndex('hyper-api 1.11 S8, 2.2: bulk is a list of objects', async ({ onSearch }) => {
    const message = (expected: string) => `Invalid Arguments 'docs': Expected ${expected}.`
    refuses(await onSearch('POST', '/_bulk', { json: {} }), 422, message('array, received object'))
    refuses(await onSearch('POST', '/_bulk'), 422, message('array, received object'))
    refuses(await onSearch('POST', '/_bulk', { json: ['x'] }), 422, message('object, received string'))
    refuses(await onSearch('POST', '/_bulk', { json: [{ _id: 'a' }, null] }), 422, message('object, received null'))
    refuses(await onSearch('GET', '/a'), 404, 'not found')
  }),
  ...inIndex('hyper-api 12.2 B27, B23: bulk writes all or nothing', async (domain) => {
    await add(domain, { taken: { title: 'first' } })
    for (const [last, status] of [
      [{ title: 'word' }, 422],
      [{ _id: 5, title: 'word' }, 422],
      [{ id: 5, title: 'word' }, 422],
      [{ _id: '', title: 'word' }, 422],
      [{ _id: 'taken', title: 'word' }, 409],
      [{ id: 'taken', title: 'word' }, 409],
      [{ _id: 'a', title: 'word' }, 409],
    ] as const) {
      const json = [{ _id: 'a', title: 'word' }, { _id: 'b', title: 'word' }, last]
      refuses(await domain.onSearch('POST', '/_bulk', { json }), status)
      assert.deepEqual(await found(domain, 'word'), [], JSON.stringify(last))
      refuses(await domain.onSearch('GET', '/a'), 404, 'not found')
    }
    assert.deepEqual(await found(domain, 'first'), ['taken'])
  }),
  ...inIndex('hyper-api 1.6: a bulk of thousands is one call', async (domain) => {
    const docs = Array.from({ length: 3_000 }, (_, n) => ({ _id: `d${n}`, title: `word w${n}` }))
    const reply = await domain.onSearch('POST', '/_bulk', { json: docs })
    answers(reply, 201, { ok: true, results: docs.map(({ _id }) => ({ ok: true, id: _id })) })
    assert.deepEqual(await found(domain, 'w2999'), ['d2999'])
  }),
]
