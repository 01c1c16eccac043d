/** `up` in its three forms: what runs already, a process of its own, or here in the foreground. */
import type { Context } from './command.ts'
import { type Resolved, resolveConfig } from './config.ts'
import { durationOf } from './duration.ts'
import type { Flags } from './flags.ts'
import { reportRunning } from './report-running.ts'
import { inspect } from './running.ts'
import { exitCodeOf, listenForStop } from './signals.ts'
import { describeRun, summaryOf } from './summary.ts'

/** Flags that are about this command, not about the sandbox. */
const OWN_FLAGS = ['detach', 'wait', 'timeout', 'json']

export interface BringUpOptions {
  /** hyper nano's own form. */
  nano?: boolean
}

/** Resolves with the exit code, in the foreground when the sandbox has ended. */
export async function bringUp(context: Context, { nano = false }: BringUpOptions = {}): Promise<number> {
  const { flags, output } = context
  const timeoutMs = durationOf(flags, 'timeout', 60_000)
  const resolved = await resolveConfig({ ...context, nano })
  const { host } = resolved.config.listen
  if (!isLoopback(host))
    output.warn(`listening on ${host}: whoever reaches this machine can read and change everything`)

  const start = flags.has('detach') || flags.has('wait') ? startInBackground : startHere
  // Another command may take the lock, or give it up, between our look and our start.
  for (;;) {
    const running = inspect(resolved.project.stateDirectory).state !== 'stopped'
    const ended = running
      ? await reportRunning(context, resolved, timeoutMs)
      : await start(context, resolved, timeoutMs, nano)
    if (typeof ended === 'number') return ended
  }
}

async function startInBackground(context: Context, resolved: Resolved, timeoutMs: number): Promise<number | 'taken'> {
  const { startDetached } = await import('./detached.ts')
  const started = await startDetached(context, resolved, context.flags.toArguments(OWN_FLAGS), timeoutMs)
  if (started === 'taken') return 'taken'
  const { run, emptied } = started
  const text = summaryOf(context.output, run, { ...resolved, cwd: context.cwd, emptied })
  context.output.report(
    describeRun(run, { ...resolved, emptied }),
    `${text}\n  ready in the background; stop it with: hyper-sandbox down\n`,
  )
  return 0
}

async function startHere(
  context: Context,
  resolved: Resolved,
  timeoutMs: number,
  nano: boolean,
): Promise<number | 'taken'> {
  const { flags, output, env, cwd, exit } = context
  const { runSandbox } = await import('./run-sandbox.ts')
  const begun = performance.now()
  using stop = listenForStop(exit)
  const ready = Promise.withResolvers<void>()
  void output.progress('starting', ready.promise)
  void stop.requested.then((reason) => {
    if (reason === 'SIGINT') output.note('\nstopping; Ctrl-C again ends it at once')
  })
  const ended = await runSandbox(resolved, {
    env,
    arguments: restartArguments(flags, resolved, nano),
    timeoutMs,
    pretty: process.stderr.isTTY === true && !output.json,
    colorize: output.lively,
    stopRequested: stop.requested,
    onShutdown: () => stop.stop('shutdown'),
    onReady: (run, emptied) => {
      ready.resolve()
      const text = summaryOf(output, run, { ...resolved, cwd, emptied })
      const took = Math.round(performance.now() - begun)
      output.report(describeRun(run, { ...resolved, emptied }), `${text}\n  ready in ${took} ms; Ctrl-C stops it\n`)
    },
  }).finally(ready.resolve)
  return ended === 'taken' ? 'taken' : exitCodeOf(ended)
}

/** The line without what counts once; for hyper nano's form in the terms of `up`, which takes flags for what shall run. */
function restartArguments(flags: Flags, resolved: Resolved, nano: boolean): string[] {
  const once = [...OWN_FLAGS, 'purge']
  if (!nano) return flags.toArguments(once)
  const running = Object.keys(resolved.config.services)
  return [...flags.toArguments([...once, 'only', 'exclude']), `--only=${running.join(',')}`]
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}
