/** What the system tells of a process. Linux; elsewhere nothing is known. */
import { readFileSync } from 'node:fs'

const PAGE_BYTES = 4096

/** Memory that it holds; 0 where that is not told. */
export function residentBytes(pid: number): number {
  const [, resident = '0'] = figures(`/proc/${pid}/statm`)
  return Number(resident) * PAGE_BYTES
}

/** How long its main thread has run so far, which is less than how long it wanted to on a busy machine. */
export function processorMs(pid: number): number | undefined {
  const [nanoseconds] = figures(`/proc/${pid}/schedstat`)
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6
}

// Read at once: such a file is no disk's, and a queue of reads would tell of the past.
function figures(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trim().split(' ')
  } catch {
    return []
  }
}
