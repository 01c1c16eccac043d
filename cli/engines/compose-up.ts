/** `up` on containers: brought to where they should be, then left alone, or followed until Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises'
import { prettyFactory } from 'pino-pretty'
import type { Stack } from '../../compose/stack.ts'
import { HyperError } from '../../server/error.ts'
import type { ServiceName } from '../../server/services.ts'
import type { Context } from '../command.ts'
import { KINDS, type Resolved } from '../config.ts'
import type { Flags } from '../flags.ts'
import { PRETTY } from '../log-format.ts'
import { OWN_FLAGS } from '../restart-arguments.ts'
import { exitCodeOf, listenForStop, type StopRequests } from '../signals.ts'
import { type ComposeRun, readRun, removeRun } from '../state.ts'
import { describeRun, summaryOf } from '../summary.ts'
import { watchProject } from '../watch-project.ts'
import { applyOnCompose } from './compose-apps.ts'
import { lockWithin } from './compose-lock.ts'
import { pullImages } from './compose-pull.ts'
import { resolveAgain } from './compose-restart.ts'
import { type StartedStack, startStack } from './compose-start.ts'
import type { UpOptions } from './engine.ts'
import type { Stacks } from './stacks.ts'

const STOP_MS = 10_000
const POLL_MS = 250

const SERVICE_FLAGS = [...KINDS, 'only', 'exclude']

export async function upOnCompose(
  stacks: Stacks,
  context: Context,
  asked: Resolved,
  { timeoutMs, nano }: UpOptions,
): Promise<number> {
  const { output, flags, env, exit } = context
  if (flags.has('inspect')) {
    throw new HyperError(
      'USAGE',
      '--inspect attaches to nothing: apps are in a container, of which only the gateway is published',
      {
        hint: 'Use --engine embedded.',
      },
    )
  }
  const begun = performance.now()
  using stop = listenForStop(exit)
  const { resolved, chosen } = withServicesOf(readRun(asked.config.stateDirectory), asked, flags, nano)
  await pullImages(stacks, output, resolved, { always: false, stopRequested: stop.requested })
  let waitedFor: readonly ServiceName[] = []
  const starting = startStack(stacks, resolved, {
    timeoutMs,
    arguments: argumentsOf(flags, resolved, chosen),
    chosen,
    anew: false,
    env,
    stopRequested: stop.requested,
    onWarning: (text) => output.warn(text),
    onWaiting: (services) => {
      waitedFor = services
    },
  })
  const progress = () => (waitedFor.length === 0 ? 'starting' : `starting: waiting for ${waitedFor.join(', ')}`)
  const started = await output.progress(progress, starting)
  const follows = !flags.has('detach') && !flags.has('wait') && !started.wasRunning
  report(context, resolved, started, { follows, tookMs: Math.round(performance.now() - begun) })
  if (!follows) return 0
  using _ =
    resolved.project.file === undefined ? undefined : applySaved(stacks, context, resolved.project.file, started.run)
  return await follow(context, resolved, started, stop)
}

/** What the project file says of apps is served as soon as it is saved. */
function applySaved(stacks: Stacks, context: Context, file: string, run: ComposeRun): Disposable {
  const { output, env, cwd } = context
  const apply = async () => {
    const resolved = await resolveAgain({ env, cwd }, run)
    const now = readRun(resolved.config.stateDirectory)
    if (now?.engine === 'compose') await applyOnCompose(stacks, context, resolved, now, [])
  }
  return watchProject(file, apply, ({ message }) => output.warn(`${message}; the apps are as they were`))
}

/** What runs already stays: a start that names services adds them, one that names none repeats the last. */
function withServicesOf(
  before: ReturnType<typeof readRun>,
  asked: Resolved,
  flags: Flags,
  nano: boolean,
): { resolved: Resolved; chosen: boolean } {
  const chooses = !nano && SERVICE_FLAGS.some((name) => flags.has(name))
  if (before?.engine !== 'compose' || before.phase !== 'ready' || before.ephemeral !== asked.ephemeral)
    return { resolved: asked, chosen: chooses }
  if (!chooses && !before.chosen) return { resolved: asked, chosen: false }
  const wanted = new Set<ServiceName>(before.services)
  if (chooses || nano) for (const kind of KINDS) if (asked.config.services[kind]) wanted.add(kind)
  const named = (kind: ServiceName) => asked.config.services[kind] ?? asked.configured[kind] ?? {}
  const services = Object.fromEntries(KINDS.filter((kind) => wanted.has(kind)).map((kind) => [kind, named(kind)]))
  return { resolved: { ...asked, config: { ...asked.config, services } }, chosen: true }
}

function argumentsOf(flags: Flags, { config }: Resolved, chosen: boolean): string[] {
  const rest = flags.toArguments([...OWN_FLAGS, ...SERVICE_FLAGS, 'purge', 'engine'])
  return chosen ? [...rest, `--only=${Object.keys(config.services).join(',')}`] : rest
}

function report(
  { output, cwd }: Context,
  resolved: Resolved,
  { run, emptied, apps, wasRunning, changed }: StartedStack,
  { follows, tookMs }: { follows: boolean; tookMs: number },
): void {
  const text = summaryOf(output, run, { ...resolved, cwd, emptied, apps })
  const changes = changed.length === 0 ? 'already running' : `brought up to date: ${changed.join(', ')}`
  const ready = follows ? `ready in ${tookMs} ms; Ctrl-C stops it` : 'ready in the background'
  const last = follows ? ready : `${wasRunning ? changes : ready}; stop it with: hyper-sandbox down`
  output.report(
    { ...describeRun(run, { ...resolved, emptied, apps }), ...(wasRunning ? { alreadyRunning: true } : {}), changed },
    `${text}\n  ${last}\n`,
  )
}

/** Until Ctrl-C, which removes the containers, or until another command has done so. */
async function follow(
  { output }: Context,
  { config: { stateDirectory } }: Resolved,
  { stack, run }: StartedStack,
  stop: StopRequests,
): Promise<number> {
  const ended = new AbortController()
  const isCurrent = () => readRun(stateDirectory)?.startedAt === run.startedAt
  const gone = async () => {
    while (isCurrent() && !ended.signal.aborted) await sleep(POLL_MS)
    return 'gone' as const
  }
  const showing =
    process.stderr.isTTY === true && !output.json
      ? showLines(stack, ended.signal, prettyFactory({ ...PRETTY, colorize: output.lively }), (line) =>
          output.note(line),
        )
      : Promise.resolve()
  const reason = await Promise.race([stop.requested, gone()])
  ended.abort()
  await showing
  if (reason === 'gone') return 0
  if (reason === 'SIGINT') output.note('\nstopping; Ctrl-C again ends it at once')
  using _ = await lockWithin(stateDirectory, STOP_MS)
  if (isCurrent()) {
    await stack.down({ volumes: run.ephemeral, timeoutMs: STOP_MS })
    removeRun(stateDirectory)
  }
  return exitCodeOf(reason)
}

/** The gateway's, as the embedded engine shows its own; what the servers say is for `logs`. */
async function showLines(
  stack: Stack,
  signal: AbortSignal,
  pretty: (text: string) => string,
  show: (text: string) => void,
): Promise<void> {
  try {
    const lines = stack.logs({ parts: ['gateway'], follow: true, since: Date.now() / 1000, signal })
    for await (const { text } of lines) show(pretty(text).trimEnd())
  } catch (error) {
    if (!signal.aborted) show(`the log cannot be followed: ${(error as Error).message}`)
  }
}
