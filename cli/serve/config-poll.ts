/** Tells when a file has changed and is at rest again, however it is written: by polling, as NANO does (worker-runtime §2.2). */
import { statSync } from 'node:fs'

export const POLL_MS = 1_000
const QUIET_MS = 500

/** @returns what ends it */
export function pollFile(file: string, onChange: () => void): Disposable {
  let acted = stamp(file)
  let timer = setTimeout(look, POLL_MS)

  function look(): void {
    const seen = stamp(file)
    if (seen === acted || seen === undefined) timer = setTimeout(look, POLL_MS)
    else timer = setTimeout(settle, QUIET_MS, seen)
  }

  function settle(seen: string): void {
    const now = stamp(file)
    if (now === seen) {
      acted = seen
      onChange()
    }
    timer = setTimeout(look, now === seen ? POLL_MS : 0)
  }

  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

/** @returns undefined while there is no such file, as in the middle of a save */
function stamp(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false, bigint: true })
  return found && `${found.ino} ${found.mtimeNs} ${found.size}`
}
