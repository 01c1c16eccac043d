/**
 * Tells a slow server from a dead one. A query may take its time as long as the server answers a ping beside it; when it does
 * not, everything that waits for it fails at once with BACKEND_UNAVAILABLE, well within two seconds, and later calls try again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'

export interface Liveness {
  /** @throws what `operation` throws; BACKEND_UNAVAILABLE when the server stops answering meanwhile */
  watch<T>(operation: () => Promise<T>): Promise<T>
}

export interface LivenessOptions {
  /** What the error calls the server, such as `MongoDB at mongo:27017`. */
  server: string
  /** Asks the server for as little as possible, not behind the operations that are watched. */
  ping(): Promise<unknown>
}

const PATIENCE_MS = 400
const PING_MS = 1_000

export function createLiveness({ server, ping }: LivenessOptions): Liveness {
  const waiting = new Map<(error: HyperError) => void, number>()
  let timer: NodeJS.Timeout | undefined
  let isAsking = false
  let heard = 0

  async function look(): Promise<void> {
    if (waiting.size === 0) {
      clearInterval(timer)
      timer = undefined
      return
    }
    const [oldest = Number.POSITIVE_INFINITY] = waiting.values()
    if (isAsking || performance.now() - oldest < PATIENCE_MS) return
    isAsking = true
    const asked = performance.now()
    const answered = await answersInTime(ping)
    isAsking = false
    // A server under load may have answered others instead, and be slow to a newcomer.
    if (answered || heard > asked + PING_MS / 2) return
    const error = unavailable(server)
    // Who came while the server was silent need not wait for another ping.
    const lately = Math.max(asked, performance.now() - PATIENCE_MS)
    for (const [fail, since] of waiting) if (since <= lately) fail(error)
  }

  return {
    watch: (operation) =>
      new Promise((resolve, reject) => {
        const running = operation()
        waiting.set(reject, performance.now())
        // Ends by itself once nothing waits: making it anew for each operation would cost more than all else here.
        timer ??= setInterval(look, PATIENCE_MS / 2).unref()
        running.then(
          (result) => {
            heard = performance.now()
            waiting.delete(reject)
            resolve(result)
          },
          (error: unknown) => {
            waiting.delete(reject)
            reject(error)
          },
        )
      }),
  }
}

async function answersInTime(ping: () => Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    // A busy event loop of ours is not the server's silence: what has arrived meanwhile is read first.
    timer = setTimeout(async () => {
      await nextTurn()
      resolve(false)
    }, PING_MS)
  })
  const answer = ping().then(
    () => true,
    () => false,
  )
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

/** @param server such as `Redis at cache:6379` */
export function unavailable(server: string, cause?: unknown): HyperError {
  return new HyperError('BACKEND_UNAVAILABLE', `${server} does not answer`, { cause })
}
