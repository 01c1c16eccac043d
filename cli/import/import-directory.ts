/** Brings what a directory of hyper nano holds into services. */
import { HyperError } from '../../server/error.ts'
import type { ServiceName, Services } from '../../server/services.ts'
import { importCache } from './cache.ts'
import { jobLedger } from './job-ledger.ts'
import { importQueue } from './queue.ts'
import { type Imported, ImportReport } from './report.ts'
import { importSearch } from './search.ts'
import { findNanoDirectory, openSource } from './source.ts'
import { importStorage } from './storage.ts'

export interface ImportRequest {
  directory: string
  /** Which kinds; absent: all there are. */
  kinds?: readonly ServiceName[] | undefined
  /** One domain; absent: every one. */
  domain?: string | undefined
}

export interface ImportResult {
  imported: Imported[]
  /** What was left out, and why. */
  warnings: string[]
}

/**
 * What is there already stays as it is, so it can be done again.
 * @param dataDirectory the services', where it is remembered which jobs came in
 * @param report counted into while it goes on
 * @throws SOURCE_INVALID, also for a database that is damaged; what the services throw
 */
export async function importDirectory(
  services: Services,
  { directory, kinds, domain }: ImportRequest,
  dataDirectory: string,
  report = new ImportReport(),
): Promise<ImportResult> {
  const source = findNanoDirectory(directory)
  const wanted = (name: string) => domain === undefined || name === domain
  const asked = (kind: ServiceName) => kinds === undefined || kinds.includes(kind)

  if (asked('data') && source.mongo !== undefined) report.warn(readsOnlyMongo(source.mongo))
  for (const kind of source.databases.filter(asked)) {
    try {
      using opened = openSource(source, kind)
      const { db } = opened
      if (kind === 'cache' && services.cache) await importCache(db, services.cache, report, wanted)
      else if (kind === 'search' && services.search) await importSearch(db, services.search, report, wanted)
      else if (kind === 'queue' && services.queue)
        await importQueue(db, services.queue, report, wanted, jobLedger(dataDirectory, source.path))
      else report.warn(`${kind} does not run here, so what is there of it was left out`)
    } catch (cause) {
      // The services' own failures come as HyperErrors.
      if ((cause as { code?: unknown }).code !== 'ERR_SQLITE_ERROR') throw cause
      throw new HyperError('SOURCE_INVALID', `the ${kind} database in ${source.path} cannot be read`, {
        hint: 'Stop hyper nano, if it still runs there, and try again; else the file is damaged: leave it out with --only.',
        cause,
      })
    }
  }
  if (asked('storage') && source.buckets.length > 0) {
    if (services.storage) await importStorage(source, services.storage, report, wanted)
    else report.warn('storage does not run here, so what is there of it was left out')
  }
  return { imported: report.instances, warnings: report.warnings }
}

function readsOnlyMongo(directory: string): string {
  return (
    `no data document was imported: ${directory} holds MongoDB's own files, which only MongoDB can read. To copy them, start ` +
    'hyper nano where you used it, on another port (PORT=6364 ./hyper-nano), and this sandbox with: up --data --domain NAME; ' +
    'then, for each NAME of a database: curl -s http://127.0.0.1:6364/data/NAME | jq -c .docs | ' +
    'curl http://127.0.0.1:6363/data/NAME/_bulk --data-binary @-'
  )
}
