/** Stops a project's sandbox: asked over HTTP, then by signal, in the end by force. */
import { existsSync, rmSync } from 'node:fs'
import { HyperError } from '../server/error.ts'
import type { Running } from './engines/engine.ts'
import { acquireLock } from './lock.ts'
import { unregisterSandbox } from './registry.ts'
import { inspectProcess, shutdownRunning, until } from './running.ts'
import { type EmbeddedRun, stateFiles } from './state.ts'

/** Nothing when none was running. */
export async function stopSandbox(
  stateDirectory: string,
  timeoutMs: number,
): Promise<{ pid: number; forced: boolean; run: EmbeddedRun } | undefined> {
  const run = await runOf(stateDirectory, inspectProcess(stateDirectory), timeoutMs)
  if (!run) return undefined
  if (run.phase === 'ready') {
    const asked = await shutdownRunning(run, stateDirectory).then(
      () => true,
      () => false,
    )
    if (asked && (await isGone(stateDirectory, timeoutMs))) return { pid: run.pid, forced: false, run }
  }
  // What we read first may have been a dead run's last word, with its process id someone else's by now.
  const now = inspectProcess(stateDirectory)
  if (now.state === 'stopped') return { pid: run.pid, forced: false, run }
  if (now.run?.pid !== run.pid) return await stopSandbox(stateDirectory, timeoutMs)
  signal(run.pid, 'SIGTERM')
  if (await isGone(stateDirectory, timeoutMs)) return { pid: run.pid, forced: false, run }
  signal(run.pid, 'SIGKILL')
  if (await isGone(stateDirectory, timeoutMs)) return { pid: run.pid, forced: true, run }
  throw new HyperError('NOT_READY', `process ${run.pid} does not end`, { hint: `End it by hand: kill -9 ${run.pid}` })
}

/** Data, settings, logs: all the project's `.hyper-sandbox`. False when there was none. @throws NOT_READY when a start came between */
export function removeEverything(stateDirectory: string, env: NodeJS.ProcessEnv): boolean {
  if (!existsSync(stateDirectory)) return false
  const lock = acquireLock(stateFiles(stateDirectory).lock)
  if (!lock) throw new HyperError('NOT_READY', 'the sandbox was started again meanwhile; nothing was removed')
  lock.release()
  rmSync(stateDirectory, { recursive: true, force: true })
  unregisterSandbox(env, stateDirectory)
  return true
}

/** Who holds the lock; one that only just took it has not said so yet. */
async function runOf(
  stateDirectory: string,
  found: Running<EmbeddedRun>,
  timeoutMs: number,
): Promise<EmbeddedRun | undefined> {
  if (found.state === 'stopped') return undefined
  if (found.run) return found.run
  return await until(
    () => {
      const again = inspectProcess(stateDirectory)
      return again.state === 'stopped' ? null : again.run
    },
    timeoutMs,
    () => new HyperError('NOT_READY', 'another command is busy with this sandbox'),
  ).then((run) => run ?? undefined)
}

async function isGone(stateDirectory: string, timeoutMs: number): Promise<boolean> {
  const late = new HyperError('NOT_READY', 'still running')
  return await until(
    () => (inspectProcess(stateDirectory).state === 'stopped' ? true : undefined),
    timeoutMs,
    () => late,
  ).catch((error) => {
    if (error === late) return false
    throw error
  })
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
