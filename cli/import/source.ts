/** What is in a directory of hyper nano (hyper-api §10.4). Nothing in it is ever written, not even a lock. */
import { constants, copyFileSync, existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { HyperError } from '../../server/error.ts'

const DATABASES = { cache: 'cache.db', search: 'hyper-search.db', queue: 'hyper-queue.db' } as const
/** Downloaded MongoDB, with its database files in `data`. */
const MONGO = 'mongoms'

export interface NanoDirectory {
  /** Absolute, links resolved. */
  path: string
  databases: (keyof typeof DATABASES)[]
  /** Names of the directories that are buckets. */
  buckets: string[]
  /** Where MongoDB keeps its files, which only MongoDB can read. */
  mongo: string | undefined
}

/** @throws SOURCE_INVALID when there is no such directory, or hyper nano never kept anything there */
export function findNanoDirectory(given: string): NanoDirectory {
  if (!statSync(given, { throwIfNoEntry: false })?.isDirectory())
    throw new HyperError('SOURCE_INVALID', `there is no directory ${given}`, {
      hint: 'Name the __hyper__ directory that hyper nano made where it was started.',
    })
  const path = realpathSync(given)
  const databases = (Object.keys(DATABASES) as (keyof typeof DATABASES)[]).filter((kind) =>
    existsSync(join(path, DATABASES[kind])),
  )
  const directories = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  const mongo = [join(MONGO, 'data'), 'data'].map((name) => join(path, name)).find(isMongoData)
  const buckets = directories.filter((name) => name !== MONGO && join(path, name) !== mongo)
  if (databases.length === 0 && mongo === undefined && (buckets.length === 0 || basename(path) !== '__hyper__')) {
    const below = join(given, '__hyper__')
    throw new HyperError('SOURCE_INVALID', `${given} is no directory of hyper nano: it holds none of its databases`, {
      hint: existsSync(below)
        ? `Type: hyper-sandbox import ${below}`
        : 'Name the __hyper__ directory that hyper nano made where it was started.',
    })
  }
  return { path, databases, buckets, mongo }
}

function isMongoData(directory: string): boolean {
  return existsSync(join(directory, 'WiredTiger'))
}

export interface SourceDatabase extends Disposable {
  db: DatabaseSync
}

/**
 * One of the directory's databases, for reading. Left by a crash with a journal beside it, it is read from a copy, because
 * opening it would write; else in place as a file that nobody changes.
 */
export function openSource({ path }: NanoDirectory, kind: keyof typeof DATABASES): SourceDatabase {
  const file = join(path, DATABASES[kind])
  const journals = ['-wal', '-journal'].map((ending) => file + ending).filter(holdsSomething)
  if (journals.length === 0) {
    const url = pathToFileURL(file)
    url.searchParams.set('immutable', '1')
    const db = new DatabaseSync(url, { readOnly: true })
    return { db, [Symbol.dispose]: () => db.close() }
  }
  const directory = mkdtempSync(join(tmpdir(), 'hyper-sandbox-import-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  try {
    for (const one of [file, ...journals]) copyFileSync(one, join(directory, basename(one)), constants.COPYFILE_FICLONE)
    const db = new DatabaseSync(join(directory, basename(file)))
    return {
      db,
      [Symbol.dispose]() {
        db.close()
        remove()
      },
    }
  } catch (error) {
    remove()
    throw error
  }
}

function holdsSomething(file: string): boolean {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0
}

/** Names of the database's tables that have all these columns. */
export function tablesWith(db: DatabaseSync, columns: readonly string[]): string[] {
  const rows = db
    .prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND
         (SELECT count(*) FROM pragma_table_info(sqlite_schema.name) WHERE name IN (SELECT value FROM json_each(?))) = ?
       ORDER BY name`,
    )
    .all(JSON.stringify(columns), columns.length) as { name: string }[]
  return rows.map(({ name }) => name)
}
