/** hyper-api §§1.9 D3, 4.3: documents by id, by range, by keys. */
import assert from 'node:assert/strict'
import { inDomain } from './case.ts'
import { ids, letters } from './documents.ts'
import { answers, refuses } from './http.ts'

export const listCases = [
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
]
