/** What cases about documents share. */
import assert from 'node:assert/strict'
import type { Reply } from './http.ts'

export const letters = ['a', 'b', 'c', 'd', 'e'].map((_id) => ({ _id }))

/** The ids a successful list found, in its order. */
export function ids(reply: Reply): string[] {
  assert.equal(reply.status, 200, reply.text)
  const { ok, docs } = reply.json() as { ok: boolean; docs: { _id: string }[] }
  assert.equal(ok, true)
  return docs.map(({ _id }) => _id)
}
