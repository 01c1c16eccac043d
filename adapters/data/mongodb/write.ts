/** Writing documents: as they are, and as text where the server refuses them so. */
import type { AnyBulkWriteOperation, ClientSession } from 'mongodb'
import { MongoBulkWriteError } from 'mongodb'
import { HyperError } from '../../../server/error.ts'
import type { Document } from '../../../server/ports/data.ts'
import type { Documents } from './databases.ts'
import { isText, type Kept, keepAsText } from './documents.ts'
import { isDuplicate, isRefusal } from './server.ts'

/** Two that insert under one id at the same time may both be told that the other was first. */
const ATTEMPTS = 5

/** One document of a bulk, the last word on its id: what to keep, or nothing. */
export interface Change {
  id: string
  doc: Document
  kept: Kept | undefined
}

/** @throws DOCUMENT_EXISTS */
export async function insert(documents: Documents, id: string, doc: Document, kept: Kept): Promise<void> {
  try {
    await orAsText(id, doc, kept, (either) => documents.insertOne(either as never))
  } catch (error) {
    if (isDuplicate(error)) throw new HyperError('DOCUMENT_EXISTS', `document with _id ${id} already exists`)
    throw error
  }
}

export async function replace(documents: Documents, id: string, doc: Document, kept: Kept): Promise<void> {
  await insisting(() =>
    orAsText(id, doc, kept, (either) => documents.replaceOne({ _id: id as never }, either, { upsert: true })),
  )
}

/** The server's word counts: an index of its own may not be able to take the document, for one. */
async function orAsText<T>(id: string, doc: Document, kept: Kept, write: (kept: Kept) => Promise<T>): Promise<T> {
  try {
    return await write(kept)
  } catch (error) {
    if (!isRefusal(error) || isDuplicate(error) || isText(kept)) throw error
    return await write(await keepAsText(id, doc))
  }
}

async function insisting<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write()
    } catch (error) {
      if (!isDuplicate(error) || attempt === ATTEMPTS) throw error
    }
  }
}

/**
 * Applies the changes, one per id. With a session they are one transaction: all or nothing, whatever happens. Without one (a
 * stand-alone server has no transactions) everything that can be wrong with them has been found before, and they go to the
 * server in as few commands as it allows; only a server that dies or fills its disk within them leaves some done, unacknowledged.
 */
export async function applyAll(
  documents: Documents,
  changes: readonly Change[],
  session?: ClientSession,
): Promise<void> {
  const removals = changes.filter(({ kept }) => kept === undefined).map(({ id }) => id)
  let kept = changes.filter((change) => change.kept !== undefined)
  for (let attempt = 1; ; attempt++) {
    const operations: AnyBulkWriteOperation<Kept>[] = kept.map(({ id, kept }) => ({
      replaceOne: { filter: { _id: id as never }, replacement: kept as Kept, upsert: true },
    }))
    if (removals.length > 0) operations.push({ deleteMany: { filter: { _id: { $in: removals } } as never } })
    const write = () => documents.bulkWrite(operations, { ordered: false, ...(session ? { session } : {}) })
    try {
      if (operations.length > 0) await (session ? session.withTransaction(write) : write())
      return
    } catch (error) {
      if (!(error instanceof MongoBulkWriteError) || attempt > ATTEMPTS) throw error
      kept = await refusedAsText(kept, error, attempt)
    }
  }
}

/** The changes with those as text that the server has refused as they were; with all of them when it goes on refusing. */
async function refusedAsText(changes: Change[], error: MongoBulkWriteError, attempt: number): Promise<Change[]> {
  const errors = [error.writeErrors].flat()
  const refused = new Set(errors.filter(({ code }) => code !== 11000).map(({ index }) => index))
  if (errors.length === 0 || [...refused].some((index) => isText(changes[index]?.kept ?? {}))) throw error
  return await Promise.all(
    changes.map(async (change, index) => {
      const isMeant = refused.has(index) || (refused.size > 0 && attempt === ATTEMPTS - 1)
      if (!isMeant || change.kept === undefined || isText(change.kept)) return change
      return { ...change, kept: await keepAsText(change.id, change.doc) }
    }),
  )
}
