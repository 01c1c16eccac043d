/** `restart` on containers: those of some services where they are, or the whole stack as `up` would make it now. */
import { PART_OF } from '../../compose/stack.ts'
import { HyperError } from '../../server/error.ts'
import type { ServiceName } from '../../server/services.ts'
import type { Context } from '../command.ts'
import { up } from '../commands/up.ts'
import { type Resolved, resolveConfig } from '../config.ts'
import { parseVerb } from '../parse.ts'
import type { Project } from '../project.ts'
import { notRunning } from '../running.ts'
import { listenForStop } from '../signals.ts'
import { type ComposeRun, readRun } from '../state.ts'
import { describeRun, summaryOf } from '../summary.ts'
import { waitUntilReady } from '../wait-until-ready.ts'
import { lockWithin } from './compose-lock.ts'
import { startStack } from './compose-start.ts'
import { lookUpConfig } from './stack-config.ts'
import type { Stacks } from './stacks.ts'

interface RestartOptions {
  services: readonly ServiceName[]
  timeoutMs: number
}

export async function restartOnCompose(
  stacks: Stacks,
  context: Context,
  project: Project,
  options: RestartOptions,
): Promise<number> {
  const written = readRun(project.stateDirectory)
  const before = written?.engine === 'compose' ? written : undefined
  return options.services.length > 0
    ? await restartServices(stacks, context, project, before, options)
    : await restartAll(stacks, context, before, options)
}

async function restartServices(
  stacks: Stacks,
  { output, env }: Context,
  project: Project,
  run: ComposeRun | undefined,
  { services, timeoutMs }: RestartOptions,
): Promise<number> {
  if (run?.phase !== 'ready') throw notRunning(project.directory, 'stopped')
  for (const service of services) refuse(service, run)
  const parts = [...new Set(services.map((service) => PART_OF[service]))]
  const restarting = async () => {
    using _ = await lockWithin(project.stateDirectory, timeoutMs)
    const stack = await stacks.open(lookUpConfig(project, run))
    await stack.restart(parts)
    return await waitUntilReady(project, services, timeoutMs, env)
  }
  const ready = await output.progress(`restarting ${parts.join(', ')}`, restarting())
  output.report({ restarted: parts, ...ready }, `restarted ${parts.join(', ')}; ready at ${ready.url}`)
  return 0
}

function refuse(service: ServiceName, { services, servers }: ComposeRun): void {
  if (!services.includes(service)) {
    throw new HyperError('SERVICE_NOT_STARTED', `this sandbox runs without ${service}`, {
      hint: `Start it with: hyper-sandbox up --${service}`,
    })
  }
  const server = servers?.[service]
  if (server !== undefined) {
    throw new HyperError('USAGE', `${service} is kept on ${server}, which is not ours to restart`, {
      hint: 'Without a name, restart restarts what is ours.',
    })
  }
}

/** The flags of the run before count again; the project file and the environment are read anew. */
export async function resolveAgain(
  { env, cwd }: Pick<Context, 'env' | 'cwd'>,
  before: ComposeRun | undefined,
  more: readonly string[] = [],
): Promise<Resolved> {
  const parsed = parseVerb(up, [...(before?.arguments ?? []), ...more], env)
  if (parsed === 'help') throw new HyperError('INTERNAL', 'the state of this run cannot be read')
  return await resolveConfig({ flags: parsed.flags, env, cwd })
}

async function restartAll(
  stacks: Stacks,
  context: Context,
  before: ComposeRun | undefined,
  { timeoutMs }: RestartOptions,
): Promise<number> {
  const { flags, output, env, cwd, exit } = context
  // Looked at before anything is stopped: a mistake in the project file costs no running sandbox.
  const resolved = await resolveAgain(context, before, flags.toArguments(['timeout', 'json']))
  using stop = listenForStop(exit)
  const starting = startStack(stacks, resolved, {
    timeoutMs,
    arguments: before?.arguments ?? [],
    chosen: before?.chosen ?? false,
    anew: true,
    env,
    stopRequested: stop.requested,
    onWarning: (text) => output.warn(text),
    onWaiting() {},
  })
  const { run, emptied, apps } = await output.progress('restarting', starting)
  const text = summaryOf(output, run, { ...resolved, cwd, emptied, apps })
  output.report(describeRun(run, { ...resolved, emptied, apps }), `${text}\n  restarted in the background\n`)
  return 0
}
