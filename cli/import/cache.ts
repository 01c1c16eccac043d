/** hyper nano's cache: a table per store, each row with its time to live and the moment that this counts from. */
import type { DatabaseSync } from 'node:sqlite'
import { identifier } from '../../adapters/shared/sqlite.ts'
import type { Services } from '../../server/services.ts'
import { type ImportReport, inBatches, parseObject } from './report.ts'
import { tablesWith } from './source.ts'

interface Row {
  key: string
  value: string | null
  /** Milliseconds; 0 and null: for ever. */
  ttl: number | null
  /** ISO 8601. */
  timestmp: string | null
}

export async function importCache(
  db: DatabaseSync,
  cache: NonNullable<Services['cache']>,
  report: ImportReport,
  wanted: (domain: string) => boolean,
): Promise<void> {
  const stores = tablesWith(db, ['id', 'key', 'value', 'ttl', 'timestmp'])
  for (const store of stores.filter(wanted)) {
    const instance = report.instance('cache', store)
    if (!(await report.create(instance, () => cache.createStore({ store })))) continue
    // The first of a key is the one that hyper nano reads.
    const rows = db.prepare(`SELECT key, value, ttl, timestmp FROM ${identifier(store)} ORDER BY id`).iterate()
    for (const batch of inBatches<Row>(rows, ({ value }) => value)) {
      const bring = async (row: Row) => {
        const ttlMs = remainingMs(row)
        if (ttlMs !== undefined && ttlMs <= 0) instance.expired += 1
        else
          await report.count(instance, row.key, async () =>
            cache.createDoc({ store, key: row.key, value: parseObject(row.value), ttlMs }),
          )
      }
      await Promise.all(batch.map(bring))
    }
  }
}

/** Milliseconds from now; undefined: for ever, as also with a time that cannot be read. */
function remainingMs({ ttl, timestmp }: Row): number | undefined {
  if (typeof ttl !== 'number' || ttl === 0) return undefined
  const remaining = Date.parse(timestmp ?? '') + ttl - Date.now()
  return Number.isNaN(remaining) ? undefined : remaining
}
