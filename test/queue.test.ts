import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSqliteQueue } from '../adapters/queue/sqlite.ts'
import { guard } from '../server/port.ts'
import { queuePort } from '../server/ports/queue.ts'
import { queueSuite } from './conformance/queue.ts'

const root = mkdtempSync(join(tmpdir(), 'hyper-queue-'))
after(() => rmSync(root, { recursive: true, force: true }))

queueSuite({
  test,
  create: async (tuning) => {
    const directory = mkdtempSync(join(root, 'case-'))
    const open = () => guard(queuePort, createSqliteQueue({ directory, ...tuning }))
    return { queue: open(), reopen: async () => open() }
  },
})
