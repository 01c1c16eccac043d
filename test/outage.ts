/** What tests do to the server behind an adapter, and what every adapter promises then. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, HyperError } from '../server/error.ts'
import type { RealServer } from './parts/servers.ts'

const ANSWER_MS = 2_000
const RECOVERY_MS = 5_000
const AGAIN_MS = 10

const WRITERS = 8
const ROUNDS = 3
/** Acknowledged writes before each outage and after the last one. */
const BETWEEN = 2 * WRITERS
const OUTAGE_MS = 200
const PATIENCE_MS = 60_000

export function isCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof HyperError && error.code === code
}

/** Tries again until the server is there: five seconds are promised. */
export async function eventually<T>(call: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + RECOVERY_MS
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isCode('BACKEND_UNAVAILABLE')(error) || performance.now() > deadline) throw error
      await sleep(AGAIN_MS)
    }
  }
}

/** Every one of these calls, all asked at once, fails within two seconds. */
export async function allUnavailable(...calls: readonly Promise<unknown>[]): Promise<void> {
  const started = performance.now()
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === 'fulfilled') assert.fail(`it was done: ${JSON.stringify(outcome.value)}`)
    if (!isCode('BACKEND_UNAVAILABLE')(outcome.reason)) throw outcome.reason
  }
  const took = performance.now() - started
  assert.ok(took < ANSWER_MS, `${Math.round(took)} ms`)
}

/**
 * Kills and restarts the server over and over while eight write: a write is acknowledged or fails as unavailable. Answers the names
 * of what was acknowledged, which must be there now.
 * @param write answers the names of what it wrote
 */
export async function killedUnderLoad(
  server: RealServer,
  write: (writer: number, n: number) => Promise<readonly string[]>,
): Promise<string[]> {
  const acknowledged: string[] = []
  let refused = 0
  let isOver = false
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let n = 0; !isOver; n += 1) {
      try {
        acknowledged.push(...(await write(writer, n)))
      } catch (error) {
        if (!isCode('BACKEND_UNAVAILABLE')(error)) throw error
        refused += 1
        await sleep(AGAIN_MS)
      }
    }
  })
  const work = Promise.all(writers)
  const underWay = async () => {
    const [wanted, deadline] = [acknowledged.length + BETWEEN, performance.now() + PATIENCE_MS]
    while (acknowledged.length < wanted) {
      assert.ok(performance.now() < deadline, `${acknowledged.length} acknowledged, ${refused} refused, and no more`)
      await sleep(AGAIN_MS)
    }
  }
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      await Promise.race([underWay(), work])
      server.kill('SIGKILL')
      await sleep(OUTAGE_MS)
      await server.restart()
    }
    await Promise.race([underWay(), work])
  } finally {
    isOver = true
  }
  await work
  assert.ok(refused > 0, 'the outages were not noticed')
  return acknowledged
}
