/** `up` in its three forms: here in the foreground, in a process of its own, or what runs already. */
import type { Context } from './command.ts'
import { resolveConfig } from './config.ts'
import { durationOf } from './duration.ts'
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

export async function bringUp(context: Context, { nano = false }: BringUpOptions = {}): Promise<number> {
  const { flags, output, env } = context
  const timeoutMs = durationOf(flags, 'timeout', 60_000)
  const resolved = resolveConfig({ ...context, nano })
  for (const warning of resolved.warnings) output.warn(warning)
  if (!isLoopback(resolved.config.listen.host))
    output.warn(
      `listening on ${resolved.config.listen.host}: whoever reaches this machine can read and change everything`,
    )

  if (inspect(resolved.project.stateDirectory).state !== 'stopped')
    return await reportRunning(context, resolved, timeoutMs)

  if (flags.has('detach') || flags.has('wait')) {
    const { startDetached } = await import('./detached.ts')
    const started = await startDetached(context, resolved, flags.toArguments(OWN_FLAGS), timeoutMs)
    if (started === 'taken') return await reportRunning(context, resolved, timeoutMs)
    output.report(
      describeRun(started.run, started.emptied),
      summaryOf(output, started.run, { cwd: context.cwd, emptied: started.emptied, created: resolved.create }),
    )
    return 0
  }

  const { runSandbox } = await import('./run-sandbox.ts')
  const stop = listenForStop(context.exit)
  const begun = performance.now()
  const ended = await runSandbox(resolved, {
    env,
    arguments: flags.toArguments([...OWN_FLAGS, 'purge']),
    timeoutMs,
    pretty: process.stderr.isTTY === true && !output.json,
    colorize: output.lively,
    stopRequested: stop.requested,
    onShutdown: () => stop.stop('shutdown'),
    onReady: (run, emptied) => {
      const text = summaryOf(output, run, { cwd: context.cwd, emptied, created: resolved.create })
      output.report(
        describeRun(run, emptied),
        `${text}\n  ready in ${Math.round(performance.now() - begun)} ms; Ctrl-C stops it\n`,
      )
    },
  })
  if (ended === 'taken') return await reportRunning(context, resolved, timeoutMs)
  return exitCodeOf(ended)
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}
