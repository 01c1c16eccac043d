/** Which jobs came in from where, beside the data that they are in. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { writeWhole } from '../../compose/whole-file.ts'
import type { JobLedger } from './queue.ts'

/** Source directory to queue to the highest id of a job that came in. */
const ledgers = z.record(z.string(), z.record(z.string(), z.int()))

/** Only for the holder of the project's lock. */
export function jobLedger(dataDirectory: string, source: string): JobLedger {
  const file = join(dataDirectory, 'imports.json')
  const all = read(file)
  const own = new Map(Object.entries(all[source] ?? {}))
  const write = () => writeWhole(file, `${JSON.stringify({ ...all, [source]: Object.fromEntries(own) })}\n`)
  return {
    last: (queue) => own.get(queue) ?? 0,
    advance(queue, id) {
      own.set(queue, id)
      write()
    },
    forget(queue) {
      if (own.delete(queue)) write()
    },
  }
}

function read(file: string): z.infer<typeof ledgers> {
  try {
    return ledgers.parse(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    return {}
  }
}
