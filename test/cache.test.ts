import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSqliteCache } from '../adapters/cache/sqlite.ts'
import { guard } from '../server/port.ts'
import { cachePort } from '../server/ports/cache.ts'
import { cacheSuite } from './conformance/cache.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-cache-'))
after(() => rmSync(root, { recursive: true, force: true }))

cacheSuite({
  test,
  create: async () => {
    const directory = mkdtempSync(join(root, 'case-'))
    let now = Date.now()
    const open = () => guard(cachePort, createSqliteCache({ directory, now: () => now }))
    return {
      cache: open(),
      advance: (ms) => {
        now += ms
      },
      reopen: async () => open(),
    }
  },
})
