/** A directory as hyper nano leaves it, in the layouts of its adapters: sqlite 2.0, minisearch 2.1, queue 0.3 and fs 3.0. */
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface CacheRow {
  key: string
  value: string
  /** Milliseconds; 0: for ever. */
  ttl?: number | null
  /** Unix milliseconds of the write. */
  at?: number
}

export function nanoCache(directory: string, stores: Record<string, CacheRow[]>): void {
  using db = database(directory, 'cache.db')
  for (const [store, rows] of Object.entries(stores)) {
    db.exec(
      `CREATE TABLE "${store}" (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, value TEXT, ttl INTEGER, timestmp TEXT)`,
    )
    const insert = db.prepare(`insert into "${store}" (key,value,ttl,timestmp) values (?, ?, ?, ?)`)
    for (const { key, value, ttl = 0, at = Date.now() } of rows) insert.run(key, value, ttl, new Date(at).toISOString())
  }
}

export interface SearchIndex {
  mappings: object
  docs: Record<string, object>
}

/** @param orphans documents by key whose index `gone` does not exist */
export function nanoSearch(
  directory: string,
  indexes: Record<string, SearchIndex>,
  orphans: Record<string, object> = {},
): void {
  using db = database(directory, 'hyper-search.db')
  db.exec(`CREATE TABLE docs (id TEXT, type TEXT, parent TEXT, doc TEXT, ts TEXT, PRIMARY KEY (type, parent, id));
           CREATE INDEX type_idx ON docs ( type )`)
  const insert = db.prepare('INSERT INTO docs (id, type, parent, doc, ts) VALUES (?, ?, ?, ?, ?)')
  const post = (id: string, type: string, parent: string, doc: object) =>
    insert.run(id, type, parent, JSON.stringify(doc), new Date().toISOString())
  for (const [id, { mappings, docs }] of Object.entries(indexes)) {
    post(id, 'index', 'root', { id, mappings })
    for (const [key, doc] of Object.entries(docs)) post(key, 'doc', id, { _id: key, ...doc })
  }
  for (const [key, doc] of Object.entries(orphans)) post(key, 'doc', 'gone', { _id: key, ...doc })
}

export interface NanoQueue {
  target: string
  secret?: string
  jobs: { job: unknown; status: 'READY' | 'ERROR' }[]
}

export function nanoQueue(directory: string, queues: Record<string, NanoQueue>): void {
  using db = database(directory, 'hyper-queue.db')
  db.exec(`CREATE TABLE hyper_adapter_queue (id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT, timestmp TEXT,
             queue TEXT, target TEXT, secret TEXT, job TEXT, status TEXT)`)
  const now = new Date().toISOString()
  const create = db.prepare(
    'INSERT INTO hyper_adapter_queue (type,queue,target,secret,timestmp) VALUES (?, ?, ?, ?, ?)',
  )
  const post = db.prepare('INSERT INTO hyper_adapter_queue (type,queue,job,status,timestmp) VALUES (?, ?, ?, ?, ?)')
  for (const [name, { target, secret = null, jobs }] of Object.entries(queues)) {
    create.run('queue', name, target, secret, now)
    for (const { job, status } of jobs) post.run('job', name, JSON.stringify(job), status, now)
  }
}

/** Files by path below the directory: `bucket/a/b.txt`. */
export function nanoFiles(directory: string, files: Record<string, string | Buffer>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), content)
  }
}

/** Every path with what is there, to see whether anything changed. */
export function fingerprint(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      if (entry.isSymbolicLink()) return [path, `link to ${readlinkSync(path)}`]
      return [path, entry.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'no file']
    }),
  )
}

function database(directory: string, name: string): DatabaseSync & Disposable {
  mkdirSync(directory, { recursive: true })
  const db = new DatabaseSync(join(directory, name))
  // Like upstream's, but quick: nobody crashes while a fixture is made.
  db.exec('PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY')
  return db
}
