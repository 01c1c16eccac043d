/** hyper nano's queues: one table of queues and of the jobs that wait (READY) or failed (ERROR). */
import type { DatabaseSync } from 'node:sqlite'
import type { Services } from '../../server/services.ts'
import { type ImportReport, inBatches, parseObject } from './report.ts'
import { tablesWith } from './source.ts'

const TABLE = 'hyper_adapter_queue'

/** hyper nano did not keep why. */
const FAILED = 'it failed in hyper nano'

interface Queue {
  name: string
  target: string
  secret: string | null
}

interface Job {
  id: number
  job: string | null
  status: string
}

/** Which jobs came in before: a job has no name by which a second import could find it here. */
export interface JobLedger {
  /** Highest id of a queue's job that came in; 0: none. */
  last(queue: string): number
  /** Remembers it, surviving this process. */
  advance(queue: string, id: number): void
  /** Of a queue that is no longer here, no job is. */
  forget(queue: string): void
}

export async function importQueue(
  db: DatabaseSync,
  queue: NonNullable<Services['queue']>,
  report: ImportReport,
  wanted: (domain: string) => boolean,
  ledger: JobLedger,
): Promise<void> {
  if (!tablesWith(db, ['id', 'type', 'queue', 'target', 'secret', 'job', 'status']).includes(TABLE)) return
  const queues = db
    .prepare(`SELECT queue AS name, target, secret FROM ${TABLE} WHERE type = 'queue' ORDER BY id`)
    .all() as unknown as Queue[]
  const jobsOf = db.prepare(`SELECT id, job, status FROM ${TABLE} WHERE type = 'job' AND queue = ? ORDER BY id`)
  const { names: here } = await queue.list({})
  for (const { name, target, secret } of queues.filter((one) => wanted(one.name))) {
    const instance = report.instance('queue', name)
    if (!here.includes(name)) ledger.forget(name)
    const create = () => queue.create({ name, target, secret: secret ?? undefined })
    if (!(await report.create(instance, create))) continue
    const last = ledger.last(name)
    for (const batch of inBatches<Job>(jobsOf.iterate(name), ({ job }) => job)) {
      const bring = async ({ id, job, status }: Job) => {
        const error = status === 'ERROR' ? FAILED : undefined
        if (id <= last) instance.existing += 1
        else await report.count(instance, String(id), async () => queue.post({ name, job: parseObject(job), error }))
      }
      await Promise.all(batch.map(bring))
      const end = batch.at(-1)?.id ?? 0
      if (end > last) ledger.advance(name, end)
    }
  }
}
