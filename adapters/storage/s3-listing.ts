/** Objects of a generation in order, a page of S3's at a time. */
import { groupOfKey, isLong, keyBefore, keyPrefixOf, nameOf } from './s3-names.ts'
import type { Places } from './s3-places.ts'
import type { ObjectRecord, S3Records } from './s3-records.ts'
import type { S3Server } from './s3-server.ts'

/** S3 lists no more of an object than its key; what else is asked for is asked of so many at once. */
const AT_ONCE = 32

interface Store {
  server: S3Server
  places: Places
  records: S3Records
}

export interface Range {
  prefix: string
  /** A name. */
  startAfter: string
}

/** An object's name and its key. */
interface Listed {
  name: string
  key: string
}

export interface ListedPage {
  items: Listed[]
  /** Where the next page begins; absent on the last. */
  last: string | undefined
}

/** @param from `last` of the page before */
export async function listPage(store: Store, generation: string, range: Range, from?: string): Promise<ListedPage> {
  const place = store.places.objects(generation)
  const after = from ?? (range.startAfter === '' ? '' : keyBefore(range.startAfter))
  const listed = await store.server.list(place + keyPrefixOf(range.prefix), after && place + after)
  const keys = listed.keys.map((key) => key.slice(place.length))
  const last = keys.at(-1)
  if (!listed.isLast && last !== undefined && isLong(last)) keys.push(...(await restOfGroup(store, place, last)))

  const startAfter = Buffer.from(range.startAfter)
  const items = (await named(store, place, keys))
    .filter(({ name }) => name.startsWith(range.prefix) && Buffer.compare(Buffer.from(name), startAfter) > 0)
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  return { items, last: listed.isLast ? undefined : keys.at(-1) }
}

/** What the records at these keys say; those that have gone meanwhile are left out. */
export async function recordsAt({ records }: Pick<Store, 'records'>, keys: readonly string[]): Promise<ObjectRecord[]> {
  const found: (ObjectRecord | undefined)[] = []
  for (let start = 0; start < keys.length; start += AT_ONCE) {
    found.push(...(await Promise.all(keys.slice(start, start + AT_ONCE).map((key) => records.at(key)))))
  }
  return found.filter((record) => record !== undefined)
}

/** A page ends with a group of long keys or before it, so that the names of each can be put in order. */
async function restOfGroup({ server }: Store, place: string, last: string): Promise<string[]> {
  const rest: string[] = []
  for (let after = last, isLast = false; !isLast; ) {
    const listed = await server.list(place + groupOfKey(last), place + after)
    rest.push(...listed.keys.map((key) => key.slice(place.length)))
    after = rest.at(-1) ?? after
    isLast = listed.isLast
  }
  return rest
}

async function named(store: Store, place: string, keys: readonly string[]): Promise<Listed[]> {
  const short = keys.filter((key) => !isLong(key)).map((key) => ({ name: nameOf(key), key: place + key }))
  const long = keys.filter(isLong).map((key) => place + key)
  if (long.length === 0) return short
  const records = await Promise.all(long.map(async (key) => ({ key, record: (await recordsAt(store, [key])).at(0) })))
  return [...short, ...records.flatMap(({ key, record }) => (record ? [{ name: record.object, key }] : []))]
}
