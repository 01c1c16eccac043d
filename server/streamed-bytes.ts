/**
 * Keeps the memory of streams small. A chunk is garbage once it was passed on, but V8 sees only a small object that points to
 * it and waits for some 64 MB of chunks before it collects them; a collection of young objects by hand takes a millisecond.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const COLLECT_BYTES = 16 * 1024 * 1024

let streamed = 0
let collect: ((options: { type: 'minor' }) => void) | undefined

/** To be told of every chunk that a stream passes on. */
export function countStreamed(bytes: number): void {
  streamed += bytes
  if (streamed < COLLECT_BYTES) return
  streamed = 0
  collect ??= collector()
  collect({ type: 'minor' })
}

function collector(): NonNullable<typeof collect> {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
}
