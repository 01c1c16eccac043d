import type { Command, Context } from '../command.ts'
import type { StartReport } from '../detached.ts'
import { RUN_FLAGS, TIMEOUT_FLAG } from './up.ts'

/** Not for people: what `up --detach` starts. It reports over Node's channel and stops when that breaks before it is ready. */
export const detached: Command = {
  name: '_detached',
  summary: 'the process behind up --detach',
  flags: [...RUN_FLAGS, TIMEOUT_FLAG],
  examples: [],
  async run({ flags, env, cwd, exit }: Context) {
    const [{ resolveConfig }, { durationOf }, { runSandbox }, { exitCodeOf, listenForStop }, { asCliError }] =
      await Promise.all([
        import('../config.ts'),
        import('../duration.ts'),
        import('../run-sandbox.ts'),
        import('../signals.ts'),
        import('../cli-error.ts'),
      ])
    const stop = listenForStop(exit)
    const orphaned = () => stop.stop('orphaned')
    process.once('disconnect', orphaned)
    try {
      const ended = await runSandbox(await resolveConfig({ flags, env, cwd }), {
        env,
        arguments: flags.toArguments(['timeout', 'purge']),
        timeoutMs: durationOf(flags, 'timeout', 60_000),
        pretty: false,
        colorize: false,
        stopRequested: stop.requested,
        onShutdown: () => stop.stop('shutdown'),
        onReady: (run, emptied, apps) => {
          process.off('disconnect', orphaned)
          void say({ kind: 'ready', run, emptied, apps })
        },
      })
      if (ended !== 'taken') return exitCodeOf(ended)
      await say({ kind: 'taken' })
      return 0
    } catch (error) {
      const { code, message, hint, exitCode } = asCliError(error)
      await say({ kind: 'error', code, message, hint })
      return exitCode
    }
  },
}

function say(report: StartReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send && process.connected) process.send(report, () => resolve())
    else resolve()
  })
}
