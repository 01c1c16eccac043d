/** Requests to stop: the first ends gracefully, a second one at once. */

export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'shutdown' | 'orphaned'

/** npm passes Ctrl-C on although the terminal sent it to us too: that is one press, not two. */
const DEBOUNCE_MS = 500

const INTERRUPTED = 130

const SIGNALS: readonly ('SIGINT' | 'SIGTERM' | 'SIGHUP')[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Until disposed of, signals only ask. */
export interface StopRequests extends Disposable {
  /** Resolves with the first one. */
  readonly requested: Promise<StopReason>
  /** As a signal would. */
  stop(reason: StopReason): void
}

/**
 * @param force ends the process with an exit code, at once
 * @param signals that ask for it
 */
export function listenForStop(force: (exitCode: number) => void, signals = SIGNALS): StopRequests {
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
  for (const signal of signals) process.on(signal, stop)
  return {
    requested,
    stop,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, stop)
    },
  }
}

/** A person's Ctrl-C is an interruption; being told to stop is what was wanted. */
export function exitCodeOf(reason: StopReason): number {
  return reason === 'SIGINT' || reason === 'orphaned' ? INTERRUPTED : 0
}
