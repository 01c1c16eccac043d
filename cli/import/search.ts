/** hyper nano's search: one table of indexes and documents, a document's parent being its index. */
import type { DatabaseSync } from 'node:sqlite'
import type { Services } from '../../server/services.ts'
import { type ImportReport, inBatches, parseObject } from './report.ts'
import { tablesWith } from './source.ts'

interface Row {
  id: string
  doc: string | null
}

export async function importSearch(
  db: DatabaseSync,
  search: NonNullable<Services['search']>,
  report: ImportReport,
  wanted: (domain: string) => boolean,
): Promise<void> {
  if (!tablesWith(db, ['id', 'type', 'parent', 'doc']).includes('docs')) return
  const indexes = db.prepare(`SELECT id, doc FROM docs WHERE type = 'index' ORDER BY id`).all() as unknown as Row[]
  for (const { id: index, doc } of indexes.filter(({ id }) => wanted(id))) {
    const instance = report.instance('search', index)
    const create = async () => search.createIndex({ index, mappings: parseObject(doc).mappings })
    if (!(await report.create(instance, create))) continue
    const rows = db.prepare(`SELECT id, doc FROM docs WHERE type = 'doc' AND parent = ? ORDER BY id`).iterate(index)
    for (const batch of inBatches<Row>(rows, ({ doc }) => doc)) {
      const bring = (row: Row) =>
        report.count(instance, row.id, async () => search.indexDoc({ index, key: row.id, doc: parseObject(row.doc) }))
      await Promise.all(batch.map(bring))
    }
  }
  // hyper nano kept a document also when its index did not exist; nobody ever found it.
  const orphans = db
    .prepare(
      `SELECT parent, count(*) AS count FROM docs WHERE type = 'doc' AND parent NOT IN (SELECT id FROM docs WHERE type = 'index')
       GROUP BY parent`,
    )
    .all() as { parent: string; count: number }[]
  for (const { parent, count } of orphans.filter((one) => wanted(one.parent)))
    report.warn(`search '${parent}' was left out: ${count} of its documents are there, the index itself is not`)
}
