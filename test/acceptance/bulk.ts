/** hyper-api §§1.9 D10, 4.6: many documents at once. */
import assert from 'node:assert/strict'
import { inDomain } from './case.ts'
import { ids } from './documents.ts'
import { answers, refuses } from './http.ts'

export const bulkCases = [
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
]
