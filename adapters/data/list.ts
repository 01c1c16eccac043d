/** Documents in the order of their `_id`, page by page, each page continuing after the last `_id` of the one before. */
import { setImmediate } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'
import { JsonText } from '../../server/json-text.ts'
import type { Page } from '../../server/ports/common.ts'
import type { Document } from '../../server/ports/data.ts'
import type { Database } from './catalogue.ts'
import { PAGE_BYTES, PAGE_ITEMS } from './execute.ts'
import { Sql, sql } from './sql.ts'
import type { Statements } from './statements.ts'

export interface ListRange {
  startkey?: string | undefined
  endkey?: string | undefined
  keys?: string[] | undefined
  descending?: boolean | undefined
  limit: number
  /** The last `_id` of the page before. */
  after?: string
}

export function listPage(statements: Statements, database: Database, range: ListRange): Page<Document> {
  if (database.removed) throw new HyperError('DATABASE_NOT_FOUND', 'database does not exist')
  const { where, params, order } = compile(range)
  const rows = statements
    .get(`SELECT id, text FROM d${database.number} WHERE ${where} ORDER BY id ${order} LIMIT ? + 0`)
    .iterate(...params, Math.min(range.limit, PAGE_ITEMS))
  const items: JsonText[] = []
  let bytes = 0
  let last = ''
  for (const [id, column] of rows) {
    const text = column as string
    items.push(new JsonText(text))
    last = id as string
    bytes += text.length
    if (bytes >= PAGE_BYTES) break
  }
  const limit = range.limit - items.length
  const isLast = limit <= 0 || (items.length < PAGE_ITEMS && bytes < PAGE_BYTES)
  return {
    items,
    next: isLast
      ? undefined
      : async () => {
          await setImmediate() // pages are work for the main thread: let others have their turn
          return listPage(statements, database, { ...range, limit, after: last })
        },
  }
}

function compile({ startkey, endkey, keys, descending, after }: ListRange) {
  const parts: Sql[] = []
  // SQLite uses one bound on each side; the position reached is the narrower of two.
  if (startkey !== undefined && (descending || after === undefined)) parts.push(sql`id >= ${startkey}`)
  if (endkey !== undefined && (!descending || after === undefined)) parts.push(sql`id <= ${endkey}`)
  if (after !== undefined) parts.push(descending ? sql`id < ${after}` : sql`id > ${after}`)
  if (keys !== undefined) parts.push(sql`id IN (SELECT value FROM json_each(${JSON.stringify(keys)}))`)
  const where = Sql.join(parts, ' AND ')
  return { where: where.text || 'TRUE', params: where.params, order: descending ? 'DESC' : 'ASC' }
}
