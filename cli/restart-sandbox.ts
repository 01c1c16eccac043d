import { HyperError } from '../server/error.ts'
import type { ServiceName } from '../server/services.ts'
import type { Context } from './command.ts'
import { up } from './commands/up.ts'
import { resolveConfig } from './config.ts'
import { startDetached } from './detached.ts'
import { parseVerb } from './parse.ts'
import type { Project } from './project.ts'
import { inspectProcess } from './running.ts'
import { stopSandbox } from './stop.ts'
import { describeRun, summaryOf } from './summary.ts'

const STOP_MS = 10_000

/** The flags of the run before count again; the project file and the environment are read anew. */
export async function restartSandbox(
  context: Context,
  { stateDirectory }: Project,
  { services, timeoutMs }: { services: readonly ServiceName[]; timeoutMs: number },
): Promise<number> {
  const { flags, output, env, cwd } = context
  const found = inspectProcess(stateDirectory)
  const before = found.state === 'stopped' ? undefined : found.run
  const absent = before && services.find((kind) => !before.services.includes(kind))
  if (absent) {
    throw new HyperError('SERVICE_NOT_STARTED', `this sandbox runs without ${absent}`, {
      hint: `Start it with: hyper-sandbox down; then hyper-sandbox up --${absent}`,
    })
  }
  const again = [...(before?.arguments ?? []), ...flags.toArguments(['timeout', 'json'])]
  const parsed = parseVerb(up, again, env)
  if (parsed === 'help') throw new HyperError('INTERNAL', 'the state of this run cannot be read')
  // Looked at before anything is stopped: a mistake in the project file costs no running sandbox.
  const resolved = await resolveConfig({ flags: parsed.flags, env, cwd })
  const stopped = await output.progress('stopping', stopSandbox(stateDirectory, STOP_MS))
  if (!stopped) output.note('it was not running')
  const started = await startDetached(context, resolved, again, timeoutMs)
  if (started === 'taken') throw new HyperError('NOT_READY', 'another start of this sandbox came between')
  const { run, emptied, apps } = started
  const text = summaryOf(output, run, { ...resolved, cwd, emptied, apps })
  output.report(
    describeRun(run, { ...resolved, emptied, apps }),
    `${text}\n  restarted in the background, process ${run.pid}\n`,
  )
  return 0
}
