/** Documents in the order of their `_id`, page by page, each page continuing after the last `_id` of the one before. */
import type { Filter } from 'mongodb'
import { JsonText } from '../../../server/json-text.ts'
import type { Page } from '../../../server/ports/common.ts'
import type { Document } from '../../../server/ports/data.ts'
import { PAGE_ITEMS } from '../execute.ts'
import type { ListRange } from '../list.ts'
import type { Documents } from './databases.ts'
import type { Kept } from './documents.ts'
import { type FindMeans, takePage } from './find.ts'

export async function listPage(
  means: Pick<FindMeans, 'again'>,
  documents: Documents,
  range: ListRange,
): Promise<Page<Document>> {
  const { startkey = '', endkey, keys, descending, limit, after } = range
  // Only texts compare with a text: what others have put there under an id of another type is theirs.
  const id: Record<string, unknown> = { $gte: startkey }
  if (endkey !== undefined) id.$lte = endkey
  if (keys !== undefined) id.$in = keys
  if (after !== undefined) id[descending ? '$lt' : '$gt'] = after
  const count = Math.min(limit, PAGE_ITEMS)
  const cursor = documents
    .find({ _id: id } as Filter<Kept>, { limit: count, batchSize: count })
    .sort({ _id: descending ? -1 : 1 })
  const { texts, ids, isFull } = await takePage(cursor)
  const left = limit - texts.length
  return {
    items: texts.map((text) => new JsonText(text)),
    next:
      left <= 0 || !isFull
        ? undefined
        : () =>
            means.again((current) => listPage(means, current, { ...range, limit: left, after: ids.at(-1) as string })),
  }
}
