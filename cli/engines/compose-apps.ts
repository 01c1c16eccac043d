/** Other apps in a stack that runs: told to the gateway, or, where containers must see other directories, as `up` would do it. */
import type { Context } from '../command.ts'
import type { Resolved } from '../config.ts'
import { applyInRunning } from '../running.ts'
import { listenForStop } from '../signals.ts'
import { type ComposeRun, writeRun } from '../state.ts'
import { resolveAgain } from './compose-restart.ts'
import { startStack } from './compose-start.ts'
import type { Stacks } from './stacks.ts'
import { appsInContainer, areAllInProject } from './workers-config.ts'

const READY_MS = 60_000

export async function applyOnCompose(
  stacks: Stacks,
  context: Context,
  { config }: Resolved,
  run: ComposeRun,
  fresh: readonly string[],
): Promise<void> {
  const isTold = run.apps.length > 0 && config.apps.length > 0 && areAllInProject(config)
  if (isTold) {
    await applyInRunning(run, config.stateDirectory, appsInContainer(config), fresh)
    writeRun(config.stateDirectory, {
      ...run,
      apps: config.apps.map(({ name, hostnames }) => ({ name, hostnames: [...hostnames] })),
    })
    return
  }
  using stop = listenForStop(context.exit)
  await startStack(stacks, await resolveAgain(context, run), {
    timeoutMs: READY_MS,
    arguments: run.arguments,
    chosen: run.chosen,
    anew: false,
    env: context.env,
    stopRequested: stop.requested,
    onWarning: (text) => context.output.warn(text),
    onWaiting() {},
  })
}
