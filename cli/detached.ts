/** A sandbox in a process of its own: the starting side. The two talk over Node's own channel until it is ready. */
import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { CODES, type ErrorCode, HyperError } from '../server/error.ts'
import type { AppStatus } from '../server/ports/apps.ts'
import type { Emptied } from '../server/purge.ts'
import type { Context } from './command.ts'
import type { Resolved } from './config.ts'
import { listenForStop } from './signals.ts'
import { type EmbeddedRun, makeStateDirectory } from './state.ts'

/** What the started process says, once. */
export type StartReport =
  | { kind: 'ready'; run: EmbeddedRun; emptied: Emptied[]; apps: readonly AppStatus[] }
  | { kind: 'taken' }
  | { kind: 'error'; code: ErrorCode; message: string; hint?: string | undefined }

/** For a process too stuck to keep its own deadline. */
const GRACE_MS = 2_000
const LAST_LINES = 20

/** @throws HyperError what the process failed with, or INTERNAL with its last lines; INTERRUPTED */
export async function startDetached(
  context: Context,
  resolved: Resolved,
  args: string[],
  timeoutMs: number,
): Promise<Omit<Extract<StartReport, { kind: 'ready' }>, 'kind'> | 'taken'> {
  const files = makeStateDirectory(resolved.project.stateDirectory)
  const log = openSync(files.startLog, 'w')
  const child = spawn(process.execPath, [context.entry, '_detached', ...args, `--timeout=${timeoutMs}ms`], {
    cwd: context.cwd,
    env: context.env,
    detached: true,
    windowsHide: true,
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)

  const report = new Promise<StartReport>((resolve, reject) => {
    child.once('message', (message) => resolve(message as StartReport))
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      const last = readFileSync(files.startLog, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n')
      const message = `the sandbox ended while starting (${signal ?? `exit code ${code}`})${last ? `:\n${last}` : ''}`
      reject(new HyperError('INTERNAL', message, { hint: `Its log: ${files.log}` }))
    })
  })
  using stop = listenForStop(context.exit)
  const late = new Promise<'late'>((resolve) => setTimeout(resolve, timeoutMs + GRACE_MS, 'late').unref())
  const outcome = await context.output.progress('starting', Promise.race([report, stop.requested, late]))

  if (typeof outcome === 'object' && outcome.kind === 'ready') {
    child.disconnect()
    child.unref()
    return outcome
  }
  const gone = new Promise((resolve) =>
    (child.exitCode ?? child.signalCode) !== null ? resolve(undefined) : child.once('exit', resolve),
  )
  if (typeof outcome === 'string') child.kill(outcome === 'late' ? 'SIGKILL' : 'SIGTERM')
  report.catch(() => {})
  await gone
  if (outcome === 'late')
    throw new HyperError('NOT_READY', `the sandbox was not ready after ${timeoutMs / 1000} s; it was stopped`)
  if (typeof outcome === 'string') throw new HyperError('INTERRUPTED', 'interrupted; what was started is stopped again')
  if (outcome.kind === 'taken') return 'taken'
  const code = outcome.code in CODES ? outcome.code : 'INTERNAL'
  throw new HyperError(code, outcome.message, outcome.hint === undefined ? {} : { hint: outcome.hint })
}
