/** What the embedded adapters rely on when the disk fails them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { atomically, openSqlite } from '../adapters/shared/sqlite.ts'

const directory = mkdtempSync(join(tmpdir(), 'hyper-sqlite-'))
after(() => rmSync(directory, { recursive: true, force: true }))

test('a full disk refuses every write of its group, and keeps none of them', async () => {
  const file = openSqlite(join(directory, 'full.db'), 1, 'CREATE TABLE t (n INTEGER, bytes BLOB)', { exclusive: true })
  const insert = file.db.prepare('INSERT INTO t VALUES (?, ?)')
  const write = (n: number, size: number) => file.write(() => insert.run(n, Buffer.alloc(size)))
  file.db.exec('PRAGMA max_page_count = 20')
  const atomicWrite = () => file.write(() => atomically(file.db, () => insert.run(2, Buffer.alloc(200_000))))
  const full = { code: 'BACKEND_UNAVAILABLE', message: 'the disk is full' }
  for (const tooLarge of [() => write(2, 200_000), atomicWrite]) {
    for (const one of await Promise.allSettled([write(1, 10), tooLarge(), write(3, 10)])) {
      assert.ok(one.status === 'rejected')
      assert.deepEqual({ code: one.reason.code, message: one.reason.message }, full)
    }
  }
  await write(4, 10)
  assert.deepEqual(
    file.db
      .prepare('SELECT n FROM t')
      .all()
      .map(({ n }) => n),
    [4],
  )
  await file.close()
})
