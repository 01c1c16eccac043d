/** A page of a bucket's objects, as R2 lists them: in order of keys, those below a delimiter as one prefix. */
import { decode } from '../json-text.ts'
import type { ObjectInfo } from '../ports/storage.ts'
import type { Services } from '../services.ts'
import { headOf } from './r2-head.ts'
import type { R2Request } from './r2-request.ts'

const MAX_LISTED = 1_000

export async function listR2(
  storage: NonNullable<Services['storage']>,
  bucket: string,
  { limit = MAX_LISTED, prefix = '', cursor, delimiter, startAfter }: R2Request<'list'>,
): Promise<object> {
  const most = Math.min(Math.max(limit, 1), MAX_LISTED)
  /** The last key that was told of, itself or by its prefix. */
  let after = later(startAfter, cursor && Buffer.from(cursor, 'base64url').toString())
  const objects: object[] = []
  const prefixes = new Set<string>()
  let page = await storage.listObjects({ bucket, prefix, startAfter: after })
  for (;;) {
    for (const item of page.items) {
      const info = decode<ObjectInfo>(item)
      const below = delimiter ? commonPrefix(info.object, prefix, delimiter) : undefined
      const isTold = below !== undefined && prefixes.has(below)
      if (!isTold) {
        if (objects.length + prefixes.size === most) {
          return {
            objects,
            truncated: true,
            cursor: Buffer.from(after ?? '').toString('base64url'),
            delimitedPrefixes: [...prefixes],
          }
        }
        if (below === undefined) objects.push(headOf(info))
        else prefixes.add(below)
      }
      after = info.object
    }
    if (!page.next) return { objects, truncated: false, delimitedPrefixes: [...prefixes] }
    page = await page.next()
  }
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

function later(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Buffer.compare(Buffer.from(one), Buffer.from(other)) < 0 ? other : one
}
