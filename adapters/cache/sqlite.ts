/** The cache port on SQLite: one table per store, expiry as an absolute time, expired rows swept in the background. */
import { join } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import type { CacheEntry, CachePort } from '../../server/ports/cache.ts'
import type { Page } from '../../server/ports/common.ts'
import { openSqlite, type SqliteFile } from '../shared/sqlite.ts'

export interface SqliteCacheOptions {
  /** Where `cache.db` is kept; made when missing. */
  directory: string
  /** Unix time in milliseconds. @default Date.now */
  now?: () => number
}

const LAYOUT_VERSION = 1
const LAYOUT = 'CREATE TABLE stores (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)'

/** A pattern with any other character matches no key; SQLite's GLOB would read some of them as wildcards or as its end. */
const MATCHABLE = /^[a-z0-9\-~_/$+*]*$/

const PAGE_ENTRIES = 1_000
const SWEEP_INTERVAL_MS = 30_000
/** Rows removed per sweep of a store; the next interval takes the rest. */
const SWEEP_ROWS = 5_000

interface Store {
  table: string
  /** Prepared on first use: a sandbox may hold thousands of stores and touch a few. */
  statements?: Statements
}

/** Where a statement reads by the time, it is the first parameter; `create` has it last. Node 22 binds no `?1`. */
interface Statements {
  get: StatementSync
  create: StatementSync
  update: StatementSync
  remove: StatementSync
  page: StatementSync
  sweep: StatementSync
}

interface Row {
  key: string
  value: string
}

export function createSqliteCache({ directory, now = Date.now }: SqliteCacheOptions): CachePort {
  let file: SqliteFile | undefined
  let sweeper: NodeJS.Timeout | undefined
  const stores = new Map<string, Store>()

  function opened(): SqliteFile {
    if (!file) throw new HyperError('CLOSED', 'the cache is not open')
    return file
  }

  function storeNamed(name: string): Store {
    const store = stores.get(name)
    if (!store) throw new HyperError('STORE_NOT_FOUND', 'cache not found')
    return store
  }

  function statementsOf(name: string): Statements {
    const store = storeNamed(name)
    store.statements ??= prepare(opened(), store.table)
    return store.statements
  }

  /** Makes the map say what the file says. */
  function readStores(): void {
    const rows = opened().db.prepare('SELECT number, name FROM stores').all() as { number: number; name: string }[]
    stores.clear()
    for (const { number, name } of rows) stores.set(name, { table: `store_${number}` })
  }

  function sweep(): void {
    if (!file || stores.size === 0) return
    void file
      .write(() => {
        for (const { statements } of stores.values()) statements?.sweep.run(now(), SWEEP_ROWS)
      })
      .catch(() => {}) // expired rows are invisible anyway; the next round tries again
  }

  return {
    async open() {
      file = openSqlite(join(directory, 'cache.db'), LAYOUT_VERSION, LAYOUT, { exclusive: true })
      readStores()
      sweeper = setInterval(sweep, SWEEP_INTERVAL_MS).unref()
    },

    async check() {
      opened().db.prepare('SELECT 1').get()
    },

    async close() {
      clearInterval(sweeper)
      await file?.close()
      file = undefined
      stores.clear()
    },

    async createStore({ store }) {
      const { db, restructure } = opened()
      await restructure(() => {
        if (stores.has(store)) throw new HyperError('STORE_EXISTS', 'cache already exists')
        const { lastInsertRowid } = db.prepare('INSERT INTO stores (name) VALUES (?)').run(store)
        const table = `store_${lastInsertRowid}`
        db.exec(layoutOf(table))
        stores.set(store, { table })
      }, readStores)
    },

    async destroyStore({ store }) {
      const { db, restructure } = opened()
      await restructure(() => {
        const { table } = storeNamed(store)
        db.prepare('DELETE FROM stores WHERE name = ?').run(store)
        db.exec(`DROP TABLE ${table}`)
        stores.delete(store)
      }, readStores)
    },

    async listStores() {
      return { names: [...stores.keys()].sort() }
    },

    async emptyStore({ store }) {
      const { db, write } = opened()
      return write(() => {
        const { table } = storeNamed(store)
        const { count } = db
          .prepare(`SELECT count(*) AS count FROM ${table} WHERE expires_at IS NULL OR expires_at > ?`)
          .get(now()) as { count: number }
        db.exec(`DELETE FROM ${table}`)
        return { count }
      })
    },

    async createDoc({ store, key, value, ttlMs }) {
      const text = JSON.stringify(value)
      await opened().write(() => {
        const time = now()
        const { changes } = statementsOf(store).create.run(key, text, expiry(time, ttlMs), time)
        if (changes === 0) throw new HyperError('KEY_EXISTS', 'document conflict')
      })
    },

    async getDoc({ store, key }) {
      const row = statementsOf(store).get.get(now(), key) as { value: string } | undefined
      if (!row) throw new HyperError('KEY_NOT_FOUND', 'document not found')
      return new JsonText(row.value)
    },

    async updateDoc({ store, key, value, ttlMs }) {
      const text = JSON.stringify(value)
      await opened().write(() => {
        const time = now()
        const { get, update } = statementsOf(store)
        const becomesPermanent = ttlMs === 0 && get.get(time, key) !== undefined
        update.run(key, text, becomesPermanent ? null : expiry(time, ttlMs))
      })
    },

    async deleteDoc({ store, key }) {
      await opened().write(() => {
        statementsOf(store).remove.run(key)
      })
    },

    async listDocs({ store, pattern = '*' }) {
      if (!MATCHABLE.test(pattern)) {
        storeNamed(store)
        return { items: [] }
      }
      const prefix = pattern.slice(0, pattern.indexOf('*') === -1 ? pattern.length : pattern.indexOf('*'))
      const pageAfter = (last: string): Page<CacheEntry> => {
        const rows = statementsOf(store).page.all(
          now(),
          last,
          prefix,
          afterPrefix(prefix),
          pattern,
          PAGE_ENTRIES,
        ) as unknown as Row[]
        const end = rows.length === PAGE_ENTRIES ? rows.at(-1)?.key : undefined
        return {
          items: rows.map(({ key, value }) => ({ key, value: new JsonText(value) })),
          next: end === undefined ? undefined : async () => pageAfter(end),
        }
      }
      return pageAfter('')
    },
  } satisfies CachePort
}

function layoutOf(table: string): string {
  return `
    CREATE TABLE ${table} (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at REAL);
    CREATE INDEX ${table}_expiry ON ${table} (expires_at) WHERE expires_at IS NOT NULL`
}

// A bare parameter after GLOB or LIMIT makes SQLite plan for its value: it would prepare the statement anew for each one.
function prepare({ db }: SqliteFile, table: string): Statements {
  const live = '(expires_at IS NULL OR expires_at > ?)'
  return {
    get: db.prepare(`SELECT value FROM ${table} WHERE ${live} AND key = ?`),
    create: db.prepare(
      `INSERT INTO ${table} (key, value, expires_at) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at WHERE ${table}.expires_at <= ?`,
    ),
    update: db.prepare(
      `INSERT INTO ${table} (key, value, expires_at) VALUES (?, ?, ?)
       ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`,
    ),
    remove: db.prepare(`DELETE FROM ${table} WHERE key = ?`),
    page: db.prepare(
      `SELECT key, value FROM ${table} WHERE ${live} AND key > ? AND key >= ? AND key < ? AND key GLOB (? || '') ORDER BY key LIMIT ? + 0`,
    ),
    sweep: db.prepare(`DELETE FROM ${table} WHERE rowid IN (SELECT rowid FROM ${table} WHERE expires_at <= ? LIMIT ?)`),
  }
}

function expiry(time: number, ttlMs: number | undefined): number | null {
  return ttlMs === undefined ? null : time + ttlMs
}

/** Greater than every key that begins with `prefix`; keys are ASCII (hyper-api §2.4). */
function afterPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`
}
