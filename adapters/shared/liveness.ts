/**
 * Tells a slow server from a dead one. A query may take its time as long as the server answers a ping beside it; when it does
 * not, everything that waits for it fails at once with BACKEND_UNAVAILABLE, well within two seconds.
 *
 * A paused server still has in hand what was answered so, and does it once it goes on. So nothing more is sent to a silent server,
 * and when it answers pings again nothing passes before what was left on its way has ended: no old write comes after a newer one.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { HyperError } from '../../server/error.ts'

export interface Liveness {
  /**
   * @param abandon cuts the operation off: it was left on its way, and is not answered although the server answers others again
   * @throws what `operation` throws; BACKEND_UNAVAILABLE when the server stops answering meanwhile, and at once while it is silent
   */
  watch<T>(operation: () => Promise<T>, abandon?: () => void): Promise<T>
  /** Something that was sent has been given up beside this, and may still be done: the server counts as silent until it answers. */
  doubt(): void
  /** Asks no more, and cuts off what is still on its way. */
  close(): void
}

export interface LivenessOptions {
  /** What the error calls the server, such as `MongoDB at mongo:27017`. */
  server: string
  /** Asks the server for as little as possible, not behind the operations that are watched. */
  ping(): Promise<unknown>
}

interface Call {
  since: number
  fail(error: HyperError): void
  abandon: (() => void) | undefined
}

const PATIENCE_MS = 400
const PING_MS = 1_000
/** How long what was left on its way may take once the server answers again. */
const LEFT_MS = 1_000
const LEFT_LOOK_MS = 20
/** What came on a connection that is closed by now is seen no more: a server that is back has read it after so long. */
const UNSEEN_MS = 250

export function createLiveness({ server, ping }: LivenessOptions): Liveness {
  const waiting = new Set<Call>()
  /** Answered with BACKEND_UNAVAILABLE, and on their way still. */
  const left = new Set<Call>()
  let timer: NodeJS.Timeout | undefined
  let isAsking = false
  let isSilent = false
  let heard = 0

  function beginLooking(): void {
    // Ends by itself once nothing waits: making it anew for each operation would cost more than all else here.
    timer ??= setInterval(look, PATIENCE_MS / 2).unref()
  }

  function endLooking(): void {
    clearInterval(timer)
    timer = undefined
  }

  async function look(): Promise<void> {
    if (isAsking) return
    const [oldest] = waiting
    if (!isSilent) {
      if (!oldest) return endLooking()
      if (performance.now() - oldest.since < PATIENCE_MS) return
    }
    isAsking = true
    const asked = performance.now()
    const answered = await answersInTime(ping)
    // A server under load may have answered others instead, and be slow to a newcomer.
    if (answered || heard > asked + PING_MS / 2) {
      // A server that never answered, and was sent nothing that is still on its way, has nothing of ours in hand.
      if (isSilent && (heard > 0 || left.size > 0)) await untilOthersEnd()
      isSilent = false
    } else {
      isSilent = true
      // Who came while the server was silent need not wait for another ping.
      failSince(Math.max(asked, performance.now() - PATIENCE_MS))
    }
    isAsking = false
  }

  function failSince(lately: number): void {
    const error = unavailable(server)
    for (const call of waiting) {
      if (call.since > lately) continue
      waiting.delete(call)
      left.add(call)
      call.fail(error)
    }
  }

  async function untilOthersEnd(): Promise<void> {
    const deadline = performance.now() + LEFT_MS
    while (left.size > 0 && performance.now() < deadline) await sleep(LEFT_LOOK_MS, undefined, { ref: false })
    abandonLeft()
    await sleep(UNSEEN_MS, undefined, { ref: false })
  }

  function abandonLeft(): void {
    for (const { abandon } of left) abandon?.()
    left.clear()
  }

  return {
    watch: (operation, abandon) =>
      new Promise((resolve, reject) => {
        if (isSilent) return reject(unavailable(server))
        const running = operation()
        const call = { since: performance.now(), fail: reject, abandon }
        waiting.add(call)
        beginLooking()
        const end = () => waiting.delete(call) || left.delete(call)
        running.then(
          (result) => {
            heard = performance.now()
            end()
            resolve(result)
          },
          (error: unknown) => {
            end()
            reject(error)
          },
        )
      }),
    doubt() {
      isSilent = true
      beginLooking()
    },
    close() {
      endLooking()
      abandonLeft()
    },
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
  // Also one that throws before it asks is no answer: looking must never end by it.
  const answer = (async () => await ping())().then(
    () => true,
    () => false,
  )
  return await Promise.race([answer, late]).finally(() => clearTimeout(timer))
}

/** @param server such as `Redis at cache:6379` */
export function unavailable(server: string, cause?: unknown): HyperError {
  return new HyperError('BACKEND_UNAVAILABLE', `${server} does not answer`, { cause })
}
