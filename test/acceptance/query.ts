/** hyper-api §§1.9 D8–D9, 2.1, 2.2, 4.4, 4.5: selectors, projection, sort and indexes. */
import assert from 'node:assert/strict'
import { type Domain, inDomain } from './case.ts'
import { answers, type Reply, refuses } from './http.ts'

type Doc = Record<string, unknown>

function query({ onData }: Domain, json: unknown): Promise<Reply> {
  return onData('POST', '/_query', { json })
}

async function docs(domain: Domain, json: unknown): Promise<Doc[]> {
  const reply = await query(domain, json)
  assert.equal(reply.status, 200, reply.text)
  const body = reply.json() as { ok: boolean; docs: Doc[] }
  assert.deepEqual(Object.keys(body).sort(), ['docs', 'ok'])
  assert.equal(body.ok, true)
  return body.docs
}

async function found(domain: Domain, selector: object): Promise<string> {
  return (await docs(domain, { selector, sort: ['_id'], limit: 100 })).map(({ _id }) => _id).join('')
}

/** Every selector of `table` finds the documents named by the letters beside it. */
async function finds(domain: Domain, table: readonly [object, string][]): Promise<void> {
  for (const [selector, expected] of table) {
    assert.equal(await found(domain, selector), expected, JSON.stringify(selector))
  }
}

/** Every kind of value at `v`, one of them absent. */
const kinds: Doc[] = [
  { _id: 'a', v: 1 },
  { _id: 'b', v: 2.5 },
  { _id: 'c', v: '1' },
  { _id: 'd', v: 'text' },
  { _id: 'e', v: null },
  { _id: 'f' },
  { _id: 'g', v: true },
  { _id: 'h', v: false },
  { _id: 'i', v: [1, 2, 'text'] },
  { _id: 'j', v: { n: 1, deep: { m: 'x' } } },
  { _id: 'k', v: [] },
  {
    _id: 'l',
    v: [
      { n: 1, m: 1 },
      { n: 2, m: 2 },
    ],
  },
  { _id: 'm', v: -7 },
]

const numbered = Array.from({ length: 30 }, (_, n) => ({ _id: `d${String(n).padStart(2, '0')}`, n }))

const BAD_SORTS: unknown[] = [[{ n: 'desc' }], [{ n: 1 }], 'n', { n: 'ASC' }, ['n', { m: 'ASC' }], [5]]
const BAD_SELECTORS: unknown[] = [
  { v: { $foo: 1 } },
  { $foo: [] },
  { $not: { v: 1 } },
  { v: { $allMatch: { $eq: 1 } } },
  { v: { $keyMapMatch: { $eq: 'n' } } },
  { v: { $beginsWith: 't' } },
  { $text: { $search: 'x' } },
  { v: { $near: [0, 0] } },
  { $and: {} },
  { $and: [] },
  { $or: [1] },
  { v: { $in: 1 } },
  { v: { $regex: '(' } },
  { v: { $mod: [0] } },
  { v: { $size: 'x' } },
  { v: { $type: 'boolean' } },
  { v: { $elemMatch: 1 } },
]

export const queryCases = [
  ...inDomain('hyper-api 1.9 D8, 4.4: no selector finds everything', async (domain) => {
    await domain.fill(kinds)
    assert.equal((await docs(domain, {})).length, kinds.length)
    assert.equal((await docs(domain, { selector: {} })).length, kinds.length)
    const bodiless = await domain.onData('POST', '/_query')
    assert.equal((bodiless.json() as { docs: unknown[] }).docs.length, kinds.length)
  }),
  ...inDomain('hyper-api 4.4: whole documents by default, _id first', async (domain) => {
    await domain.fill([{ z: 1, _id: 'x', a: { b: 1 } }])
    const reply = await query(domain, { selector: { z: 1 } })
    answers(reply, 200, { ok: true, docs: [{ _id: 'x', z: 1, a: { b: 1 } }] })
    assert.match(reply.text, /\{"_id":"x","z":1,"a":\{"b":1\}\}/)
  }),

  // Selectors

  ...inDomain('hyper-api 4.4: equality', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ _id: 'c' }, 'c'],
      [{ v: 1 }, 'ai'],
      [{ v: '1' }, 'c'],
      [{ v: 'text' }, 'di'],
      [{ v: null }, 'ef'],
      [{ v: true }, 'g'],
      [{ v: false }, 'h'],
      [{ v: [1, 2, 'text'] }, 'i'],
      [{ v: [2, 1, 'text'] }, ''],
      [{ v: [] }, 'k'],
      [{ v: { n: 1, deep: { m: 'x' } } }, 'j'],
      [{ v: { deep: { m: 'x' }, n: 1 } }, ''],
      [{ v: { n: 2, m: 2 } }, 'l'],
      [{ v: { $eq: 1 } }, 'ai'],
      [{ v: -7 }, 'm'],
      [{ nope: null }, 'abcdefghijklm'],
      [{ v: 1, _id: 'i' }, 'i'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $ne and $nin match what lacks the field', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ v: { $ne: 1 } }, 'bcdefghjklm'],
      [{ v: { $ne: null } }, 'abcdghijklm'],
      [{ v: { $nin: [1, 'text', null] } }, 'bcghjklm'],
      [{ v: { $nin: [] } }, 'abcdefghijklm'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $in', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ v: { $in: [1, 'text'] } }, 'adi'],
      [{ v: { $in: [null] } }, 'ef'],
      [{ v: { $in: [] } }, ''],
      [{ _id: { $in: ['m', 'a', 'z'] } }, 'am'],
      [{ v: { $in: [true, false] } }, 'gh'],
    ])
  }),
  ...inDomain('hyper-api 4.4: ranges stay within a type', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ v: { $gt: 1 } }, 'bi'],
      [{ v: { $gte: 1 } }, 'abi'],
      [{ v: { $lt: 1 } }, 'm'],
      [{ v: { $lte: 1 } }, 'aim'],
      [{ v: { $gt: 0, $lt: 2 } }, 'ai'],
      [{ v: { $gte: '' } }, 'cdi'],
      [{ v: { $gt: '1' } }, 'di'],
      [{ v: { $gte: true } }, 'g'],
      [{ v: { $lt: true } }, 'h'],
      [{ _id: { $gt: 'k' } }, 'lm'],
      [{ _id: { $gte: 'b', $lte: 'c' } }, 'bc'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $and, $or, $nor and field-level $not', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ $and: [{ v: { $gt: 0 } }, { v: { $lt: 2 } }] }, 'ai'],
      [{ $or: [{ v: 1 }, { v: true }] }, 'agi'],
      [{ $or: [{ v: 1 }, { v: true }], _id: 'g' }, 'g'],
      [{ $nor: [{ v: 1 }, { v: null }] }, 'bcdghjklm'],
      [{ v: { $not: { $gt: 1 } } }, 'acdefghjklm'],
      [{ v: { $not: { $in: [1, null] } } }, 'bcdghjklm'],
      [{ $and: [{ $or: [{ _id: 'a' }, { _id: 'b' }] }, { v: 1 }] }, 'a'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $exists and $type', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ v: { $exists: true } }, 'abcdeghijklm'],
      [{ v: { $exists: false } }, 'f'],
      [{ v: { $type: 'string' } }, 'cdi'],
      [{ v: { $type: 'number' } }, 'abim'],
      [{ v: { $type: 'bool' } }, 'gh'],
      [{ v: { $type: 'null' } }, 'e'],
      [{ v: { $type: 'array' } }, 'ikl'],
      [{ v: { $type: 'object' } }, 'jl'],
      [{ v: { $type: ['bool', 'null'] } }, 'egh'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $regex, $options and $mod', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ v: { $regex: '^te' } }, 'di'],
      [{ v: { $regex: '^TE' } }, ''],
      [{ v: { $regex: '^TE', $options: 'i' } }, 'di'],
      [{ v: { $regex: '.' } }, 'cdi'],
      [{ v: { $mod: [2, 1] } }, 'ai'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $all, $elemMatch and $size', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ v: { $all: [1, 'text'] } }, 'i'],
      [{ v: { $all: [1] } }, 'ai'],
      [{ v: { $size: 0 } }, 'k'],
      [{ v: { $size: 3 } }, 'i'],
      [{ v: { $elemMatch: { n: 1, m: 1 } } }, 'l'],
      [{ v: { $elemMatch: { n: 1, m: 2 } } }, ''],
      [{ v: { $elemMatch: { $gt: 1, $lt: 3 } } }, 'i'],
    ])
  }),
  ...inDomain('hyper-api 4.4: dotted paths reach into objects and arrays', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ 'v.n': 1 }, 'jl'],
      [{ 'v.n': { $gt: 1 } }, 'l'],
      [{ 'v.deep.m': 'x' }, 'j'],
      [{ 'v.0': 1 }, 'i'],
      [{ 'v.1.n': 2 }, 'l'],
      [{ 'v.nope': { $exists: false } }, 'abcdefghijklm'],
      [{ 'v.n': 1, 'v.m': 2 }, 'l'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $expr and $jsonSchema', async (domain) => {
    await domain.fill([
      { _id: 'a', n: 1, m: 2 },
      { _id: 'b', n: 3, m: 2 },
      { _id: 'c', n: 'x' },
    ])
    await finds(domain, [
      [{ $expr: { $gt: ['$n', '$m'] }, m: 2 }, 'b'],
      [{ $jsonSchema: { required: ['m'], properties: { n: { minimum: 2 } } } }, 'b'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $bitsAllSet and its kin', async (domain) => {
    await domain.fill(kinds)
    await finds(domain, [
      [{ v: { $bitsAllSet: 1 } }, 'aim'],
      [{ v: { $bitsAllSet: [0, 1] } }, ''],
      [{ v: { $bitsAnySet: [0, 1] } }, 'aim'],
      [{ v: { $bitsAllClear: 1 } }, 'i'],
      [{ v: { $bitsAnyClear: 3 } }, 'aim'],
    ])
  }),
  ...inDomain('hyper-api 4.4: $geoWithin and $geoIntersects', async (domain) => {
    const ring = [
      [0, 0],
      [9, 0],
      [9, 9],
      [0, 9],
      [0, 0],
    ]
    const $geometry = { type: 'Polygon', coordinates: [ring] }
    const road = {
      type: 'LineString',
      coordinates: [
        [3, 4],
        [30, 31],
      ],
    }
    await domain.fill([
      { _id: 'a', v: { type: 'Point', coordinates: [2, 5] } },
      { _id: 'b', v: [7, 5] },
      { _id: 'c', v: [{ type: 'Point', coordinates: [70, 5] }] },
      { _id: 'd', v: road },
      { _id: 'e', v: 'here' },
    ])
    await finds(domain, [
      [{ v: { $geoWithin: { $geometry } } }, 'ab'],
      [{ v: { $geoWithin: { $box: [ring[0], [8, 8]] } } }, 'ab'],
      [{ v: { $geoWithin: { $polygon: ring.slice(0, 3) } } }, 'b'],
      [{ v: { $geoWithin: { $center: [[70, 0], 6] } } }, 'c'],
      [{ v: { $geoWithin: { $centerSphere: [[0, 5], 0.05] } } }, 'a'],
      [{ v: { $geoIntersects: { $geometry } } }, 'abd'],
    ])
    refuses(await query(domain, { selector: { v: { $geoWithin: { $box: ring } } } }), 422, /\$geoWithin/)
    refuses(await query(domain, { selector: { v: { $geoIntersects: { $geometry: {} } } } }), 422, /\$geoIntersects/)
    refuses(await query(domain, { selector: { v: { $near: [0, 0] } } }), 422, /\$near/)
  }),
  ...inDomain('hyper-api 12.1 B7: $where and code are 422', async (domain) => {
    await domain.fill(kinds)
    const code: object[] = [
      { $where: 'true' },
      { $where: 'function () { return true }' },
      { $and: [{ $where: 'true' }] },
      { $or: [{ v: 1 }, { $where: 'sleep(10000)' }] },
      { $expr: { $function: { body: 'function () { return true }', args: [], lang: 'js' } } },
      { $nor: [{ $expr: { $eq: [{ $function: { body: 'x', args: [], lang: 'js' } }, 1] } }] },
    ]
    for (const selector of code) refuses(await query(domain, { selector }), 422)
  }),
  ...inDomain('hyper-api 4.4, 12.3.10, corner 8: an operator that is unknown or misused is 422', async (domain) => {
    await domain.fill(kinds)
    for (const selector of BAD_SELECTORS) {
      const reply = await query(domain, { selector })
      assert.equal(reply.status, 422, `${JSON.stringify(selector)} ${reply.text}`)
      refuses(reply, 422)
    }
  }),
  ...inDomain('hyper-api 12.3.10: a bad operator is 422 on an empty database too', async (domain) => {
    for (const selector of BAD_SELECTORS.slice(0, 4)) refuses(await query(domain, { selector }), 422)
  }),

  // Limits

  ...inDomain('hyper-api 4.4, corners 5 and 6: limit is 25 when absent or 0', async (domain) => {
    await domain.fill(numbered)
    assert.equal((await docs(domain, {})).length, 25)
    assert.equal((await docs(domain, { limit: 0 })).length, 25)
    assert.equal((await docs(domain, { limit: '0' })).length, 25)
  }),
  ...inDomain(
    'hyper-api 4.4, 12.3.9: limit counts, has no cap, and a negative one is its absolute value',
    async (domain) => {
      await domain.fill(numbered)
      assert.equal((await docs(domain, { limit: 3 })).length, 3)
      assert.equal((await docs(domain, { limit: '4' })).length, 4)
      assert.equal((await docs(domain, { limit: -2 })).length, 2)
      assert.equal((await docs(domain, { limit: 1_000_000 })).length, 30)
    },
  ),
  ...inDomain('hyper-api 4.4: skip leaves out, with sort and limit', async (domain) => {
    await domain.fill(numbered)
    const page = await docs(domain, { sort: ['n'], skip: 10, limit: 2 })
    assert.deepEqual(
      page.map(({ n }) => n),
      [10, 11],
    )
    assert.deepEqual(
      (await docs(domain, { sort: ['n'], skip: '28' })).map(({ n }) => n),
      [28, 29],
    )
    assert.deepEqual(await docs(domain, { skip: 30 }), [])
    assert.equal((await docs(domain, { skip: 0 })).length, 25)
  }),
  ...inDomain('hyper-api 4.4, design 8: a negative skip is 422', async (domain) => {
    refuses(await query(domain, { skip: -1 }), 422, /'query'/)
  }),

  // Projection

  ...inDomain('hyper-api 4.4, corner 7: fields is what comes back, _id only if listed', async (domain) => {
    await domain.fill([{ _id: 'x', n: 1, m: 2, o: { p: 3, q: 4 }, list: [{ r: 1, s: 2 }, { r: 3 }] }])
    assert.deepEqual(await docs(domain, { fields: ['n'] }), [{ n: 1 }])
    assert.deepEqual(await docs(domain, { fields: ['_id', 'n'] }), [{ _id: 'x', n: 1 }])
    assert.deepEqual(await docs(domain, { fields: [] }), [
      { n: 1, m: 2, o: { p: 3, q: 4 }, list: [{ r: 1, s: 2 }, { r: 3 }] },
    ])
    assert.deepEqual(await docs(domain, { fields: ['o.p'] }), [{ o: { p: 3 } }])
    assert.deepEqual(await docs(domain, { fields: ['list.r'] }), [{ list: [{ r: 1 }, { r: 3 }] }])
    assert.deepEqual(await docs(domain, { fields: ['nope'] }), [{}])
  }),

  // Sort

  ...inDomain('hyper-api 4.4: sort by names or by objects with a direction', async (domain) => {
    await domain.fill([
      { _id: 'a', n: 2, m: 1 },
      { _id: 'b', n: 1, m: 1 },
      { _id: 'c', n: 1, m: 2 },
    ])
    const order = async (sort: unknown) => (await docs(domain, { sort })).map(({ _id }) => _id).join('')
    assert.equal(await order(['n', 'm']), 'bca')
    assert.equal(await order([{ n: 'ASC' }, { m: 'DESC' }]), 'cba')
    assert.equal(await order([{ n: 'DESC' }, { m: 'ASC' }]), 'abc')
    assert.equal(await order([{ m: 'DESC', n: 'DESC' }, { _id: 'ASC' }]), 'cab')
    assert.equal(await order(['_id']), 'abc')
    assert.equal(await order([{ _id: 'DESC' }]), 'cba')
    assert.equal((await order([])).length, 3)
  }),
  ...inDomain('hyper-api 4.4: types sort null, numbers, strings, objects, booleans', async (domain) => {
    const mixed = [
      { _id: 'a' },
      { _id: 'b', v: null },
      { _id: 'c', v: -1 },
      { _id: 'd', v: 2 },
      { _id: 'e', v: 'B' },
      { _id: 'f', v: 'a' },
      { _id: 'g', v: { x: 1 } },
      { _id: 'h', v: false },
      { _id: 'i', v: true },
    ]
    await domain.fill(mixed.toReversed())
    const order = async (sort: unknown) => (await docs(domain, { sort })).map(({ _id }) => _id).join('')
    assert.equal(await order([{ v: 'ASC' }, { _id: 'ASC' }]), 'abcdefghi')
    assert.equal(await order([{ v: 'DESC' }, { _id: 'ASC' }]), 'ihgfedcab')
  }),
  ...inDomain('hyper-api 4.4: an array sorts by its least or greatest element', async (domain) => {
    await domain.fill([
      { _id: 'a', v: [5, 9] },
      { _id: 'b', v: 6 },
      { _id: 'c', v: [] },
      { _id: 'd', v: null },
    ])
    const order = async (direction: string) =>
      (await docs(domain, { sort: [{ v: direction }] })).map(({ _id }) => _id).join('')
    assert.equal(await order('ASC'), 'cdab')
    assert.equal(await order('DESC'), 'abdc')
  }),
  ...inDomain('hyper-api 2.2, 12.2 B26, corner 8: a bad sort is 400 with the union text', async (domain) => {
    for (const sort of BAD_SORTS) {
      const reply = await query(domain, { sort })
      refuses(reply, 400, /^Invalid Union 'query': .+?\.( \| Invalid Union 'query': .+?\.)+$/)
    }
  }),

  // Other members

  ...inDomain('hyper-api 4.4: use_index is checked and ignored, other members too', async (domain) => {
    await domain.fill(kinds)
    assert.equal((await docs(domain, { use_index: 'nope', selector: { _id: 'a' } })).length, 1)
    assert.equal((await docs(domain, { bookmark: 'x', execution_stats: true })).length, kinds.length)
    refuses(await query(domain, { use_index: 5 }), 422, "Invalid Arguments 'query': Expected string, received number.")
  }),
  ...inDomain('hyper-api 1.9 D8, 2.1: wrongly typed members are reported under query', async (domain) => {
    const invalid = (text: string) => `Invalid Arguments 'query': ${text}.`
    refuses(await query(domain, []), 422, invalid('Expected object, received array'))
    refuses(await query(domain, { fields: 'n' }), 422, invalid('Expected array, received string'))
    refuses(await query(domain, { fields: [1] }), 422, invalid('Expected string, received number'))
    refuses(await query(domain, { limit: 'abc' }), 422, invalid('Expected number, received string'))
    refuses(await query(domain, { limit: '' }), 422, invalid('Expected number, received string'))
    refuses(await query(domain, { limit: null }), 422, invalid('Expected number, received null'))
    refuses(await query(domain, { skip: {} }), 422, invalid('Expected number, received object'))
    refuses(await query(domain, { selector: [] }), 422, invalid('Expected object, received array'))
    refuses(await query(domain, { selector: 'x' }), 422, invalid('Expected object, received string'))
    refuses(
      await query(domain, { fields: 'n', limit: 'abc' }),
      422,
      /^Invalid Arguments 'query': [^|]+ \| Invalid Arguments 'query': [^|]+$/,
    )
  }),
  ...inDomain('hyper-api 2.2: 422 outranks 400 when both are broken', async (domain) => {
    refuses(await query(domain, { sort: [{ n: 'desc' }], limit: 'abc' }), 422)
  }),

  // Indexes

  ...inDomain('hyper-api 1.9 D9, 4.5: _index answers 201, again and again', async ({ onData }) => {
    for (const json of [
      { name: 'names', fields: ['a', 'b'] },
      { name: 'names', fields: ['a', 'b'] },
      { name: 'objects', fields: [{ c: 'ASC' }, { d: 'DESC' }] },
      { name: 'dotted', fields: ['x.y'], type: 'JSON' },
      { name: 'partial', fields: ['e'], partialFilter: { e: { $gt: 5 } } },
    ]) {
      answers(await onData('POST', '/_index', { json }), 201, { ok: true })
    }
  }),
  ...inDomain('hyper-api 4.5: the same name with other fields is 409', async ({ onData }) => {
    const msg = 'index i fields do not match the existing index with the same name'
    answers(await onData('POST', '/_index', { json: { name: 'i', fields: ['a'] } }), 201, { ok: true })
    refuses(await onData('POST', '/_index', { json: { name: 'i', fields: ['b'] } }), 409, msg)
    refuses(await onData('POST', '/_index', { json: { name: 'i', fields: [{ a: 'DESC' }] } }), 409, msg)
    answers(await onData('POST', '/_index', { json: { name: 'i', fields: ['a'] } }), 201, { ok: true })
  }),
  ...inDomain('hyper-api 12.2 B25: the same fields under another name are fine', async ({ onData }) => {
    answers(await onData('POST', '/_index', { json: { name: 'i', fields: ['a'] } }), 201, { ok: true })
    answers(await onData('POST', '/_index', { json: { name: 'j', fields: ['a'] } }), 201, { ok: true })
  }),
  ...inDomain('hyper-api 1.9 D9: what is wrong with an index request is said', async ({ onData }) => {
    const ask = (json: object) => onData('POST', '/_index', { json })
    refuses(await ask({ fields: ['a'] }), 422, "Invalid Arguments 'name': Required.")
    refuses(await onData('POST', '/_index'), 422, /^Invalid Arguments 'name': Required\./)
    refuses(await ask({ name: 5, fields: ['a'] }), 422, "Invalid Arguments 'name': Expected string, received number.")
    refuses(await ask({ name: 'i' }), 400, "Invalid Union 'fields': Required. | Invalid Union 'fields': Required.")
    refuses(await ask({ name: 'i', fields: 'a' }), 400, /^Invalid Union 'fields': /)
    refuses(await ask({ name: 'i', fields: [{ a: 'asc' }] }), 400, /^Invalid Union 'fields': /)
    refuses(await ask({ name: 'i', fields: ['a', { b: 'ASC' }] }), 400, /^Invalid Union 'fields': /)
    refuses(
      await ask({ name: 'i', fields: ['a'], partialFilter: [] }),
      422,
      "Invalid Arguments 'partialFilter': Expected object, received array.",
    )
    refuses(await ask([]), 422)
  }),
  ...inDomain(
    'hyper-api 4.5, 12.2 B14: empty fields or a bad partialFilter is the client’s mistake',
    async ({ onData }) => {
      refuses(await onData('POST', '/_index', { json: { name: 'i', fields: [] } }), 422)
      refuses(
        await onData('POST', '/_index', { json: { name: 'i', fields: ['a'], partialFilter: { a: { $foo: 1 } } } }),
        422,
      )
      refuses(
        await onData('POST', '/_index', { json: { name: 'i', fields: ['a'], partialFilter: { $where: 'true' } } }),
        422,
      )
    },
  ),
  ...inDomain('hyper-api 4.5: an index never changes what a query finds', async (domain) => {
    await domain.fill(kinds)
    const selectors = [
      { v: 1 },
      { v: { $gt: 0 } },
      { v: null },
      { v: { $in: ['text', true] } },
      { 'v.n': 1 },
      { v: { $exists: false } },
      { v: { $type: 'string' } },
      { v: { $gte: 2 }, _id: { $gt: 'a' } },
    ]
    const before = []
    for (const selector of selectors) before.push(await found(domain, selector))
    for (const [name, fields, partialFilter] of [
      ['v', ['v']],
      ['vn', ['v.n']],
      ['part', [{ v: 'DESC' }], { v: { $gt: 1 } }],
      ['both', ['v', '_id']],
    ]) {
      answers(await domain.onData('POST', '/_index', { json: { name, fields, partialFilter } }), 201, { ok: true })
    }
    const after = []
    for (const selector of selectors) after.push(await found(domain, selector))
    assert.deepEqual(after, before)
    await domain.onData('PUT', '/z', { json: { v: 1 } })
    await domain.onData('DELETE', '/a')
    await domain.onData('PUT', '/i', { json: { v: 'other' } })
    assert.equal(await found(domain, { v: 1 }), 'z')
  }),
]
