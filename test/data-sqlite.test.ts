/** The data adapter on SQLite keeps the data port's promises. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSqliteData } from '../adapters/data/sqlite.ts'
import { guard } from '../server/port.ts'
import { type DataPort, dataPort } from '../server/ports/data.ts'
import { dataSuite } from './conformance/data.ts'

const directory = mkdtempSync(join(tmpdir(), 'data-sqlite-'))
after(() => rmSync(directory, { recursive: true, force: true }))

dataSuite({ test, create: () => guard<DataPort>(dataPort, createSqliteData({ directory })) })
