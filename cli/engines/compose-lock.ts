/** Containers outlive the commands that start them, so the project's lock is held only while a command changes them. */
import { existsSync } from 'node:fs'
import { HyperError } from '../../server/error.ts'
import { acquireLock, type Lock } from '../lock.ts'
import { until } from '../running.ts'
import { stateFiles } from '../state.ts'

/** @throws NOT_READY when another command keeps it for that long */
export async function lockWithin(stateDirectory: string, timeoutMs: number, signal?: AbortSignal): Promise<Lock> {
  const { lock } = stateFiles(stateDirectory)
  return await until(
    () => {
      signal?.throwIfAborted()
      return acquireLock(lock)
    },
    timeoutMs,
    () =>
      new HyperError('NOT_READY', `another command was busy with this sandbox for ${timeoutMs / 1000} s`, {
        hint: 'Try again in a moment; see what runs with: hyper-sandbox status',
      }),
  )
}

/** Where there is no state directory, there is nobody to keep away from. */
export async function withLock<T>(stateDirectory: string, timeoutMs: number, work: () => Promise<T>): Promise<T> {
  using _ = existsSync(stateDirectory) ? await lockWithin(stateDirectory, timeoutMs) : undefined
  return await work()
}
