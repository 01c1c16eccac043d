/** Requests to stop: the first ends gracefully, a second one at once. */

export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'shutdown' | 'orphaned'

/** npm passes Ctrl-C on although the terminal sent it to us too: that is one press, not two. */
const DEBOUNCE_MS = 500

const INTERRUPTED = 130

export interface StopRequests {
  /** Resolves with the first one. */
  readonly requested: Promise<StopReason>
  /** As a signal would. */
  stop(reason: StopReason): void
}

/** @param force ends the process with an exit code, at once */
export function listenForStop(force: (exitCode: number) => void): StopRequests {
  let first: number | undefined
  let resolve: (reason: StopReason) => void
  const requested = new Promise<StopReason>((resolved) => {
    resolve = resolved
  })
  const stop = (reason: StopReason) => {
    const now = performance.now()
    first ??= now
    resolve(reason)
    if (now - first > DEBOUNCE_MS) force(INTERRUPTED)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
  return { requested, stop }
}

/** A person's Ctrl-C is an interruption; being told to stop is what was wanted. */
export function exitCodeOf(reason: StopReason): number {
  return reason === 'SIGINT' || reason === 'orphaned' ? INTERRUPTED : 0
}
