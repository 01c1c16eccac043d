import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSqliteStorage } from '../adapters/storage/sqlite.ts'
import { guard } from '../server/port.ts'
import { storagePort } from '../server/ports/storage.ts'
import { storageSuite } from './conformance/storage.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-storage-'))
after(() => rmSync(root, { recursive: true, force: true }))

storageSuite({
  test,
  create: async () => {
    const directory = mkdtempSync(join(root, 'case-'))
    const open = () => guard(storagePort, createSqliteStorage({ directory }))
    return { storage: open(), reopen: async () => open() }
  },
})
