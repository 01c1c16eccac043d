/** From whatever there is of a stack to one that answers, or back to what there was. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PartState, Stack, StackConfig } from '../../compose/stack.ts'
import { HyperError } from '../../server/error.ts'
import type { AppStatus } from '../../server/ports/apps.ts'
import type { Emptied } from '../../server/purge.ts'
import type { ServiceName } from '../../server/services.ts'
import { reachable } from '../../server/start.ts'
import { explainAddressInUse } from '../address-holder.ts'
import type { Resolved } from '../config.ts'
import { registerSandbox } from '../registry.ts'
import { appsInRunning, createInRunning, purgeRunning, readiness } from '../running.ts'
import { serverHosts } from '../server-host.ts'
import type { StopReason } from '../signals.ts'
import { type ComposeRun, makeStateDirectory, readRun, remember, removeRun, writeRun } from '../state.ts'
import { VERSION } from '../version.ts'
import { lockWithin } from './compose-lock.ts'
import { composeFileDigest, keepEdited } from './edited-file.ts'
import { lookUpConfig, stackConfigOf } from './stack-config.ts'
import type { Stacks } from './stacks.ts'

const POLL_MS = 25
const UNDO_MS = 10_000
const LAST_LINES = 20

export interface StartOptions {
  timeoutMs: number
  /** Command line to repeat at a restart. */
  arguments: string[]
  /** Whether flags chose the services. */
  chosen: boolean
  /** Remove the containers first. */
  anew: boolean
  env: NodeJS.ProcessEnv
  stopRequested: Promise<StopReason>
  onWarning(text: string): void
  /** Told what is waited for. */
  onWaiting(services: readonly ServiceName[]): void
}

export interface StartedStack {
  stack: Stack
  run: ComposeRun
  emptied: Emptied[]
  apps: readonly AppStatus[]
  /** It answered before, whatever was changed in it. */
  wasRunning: boolean
  /** Parts whose containers are others than before, or were started. */
  changed: string[]
}

/** @throws HyperError; what this start made is gone again then, and what ran before still does */
export async function startStack(stacks: Stacks, resolved: Resolved, options: StartOptions): Promise<StartedStack> {
  const { project, config: sandbox } = resolved
  const { stateDirectory } = sandbox
  const { timeoutMs, env } = options
  makeStateDirectory(stateDirectory)
  using deadline = deadlineOf(timeoutMs, options.stopRequested)
  using _ = await deadline.rule(lockWithin(stateDirectory, timeoutMs, deadline.signal))

  const { config, authorityFile } = await stackConfigOf(resolved)
  const stack = await stacks.open(config)
  const before = composeRun(stateDirectory)
  if (before && before.stack !== config.name) await removeOther(stacks, project, before)
  if (options.anew) await stack.down({ volumes: false, timeoutMs: UNDO_MS })
  const [partsBefore, hadData] = await Promise.all([stack.parts({ usage: false }), stacks.hasData(config.name)])
  const existed = partsBefore.some(({ state }) => state !== 'missing')
  const wasRunning =
    before?.phase === 'ready' && partsBefore.some(({ part, state }) => part === 'gateway' && state === 'running')

  const edited = keepEdited(stateDirectory)
  if (edited !== undefined) {
    options.onWarning(
      `compose.yaml was edited by hand and is written anew; your version is kept as ${edited}. What shall last: include: in hyper-sandbox.yaml`,
    )
  }

  try {
    const starting = describe(resolved, config, options)
    if (!existed) writeRun(stateDirectory, starting)
    const { tcpPort, httpsTcpPort } = await deadline.rule(stack.up({ signal: deadline.signal }))
    const url = `http://${reachable(config.listen.host)}:${tcpPort}`
    const https =
      httpsTcpPort === undefined ? undefined : secureAddress(config.listen.host, httpsTcpPort, authorityFile)
    const addressed: ComposeRun = { ...starting, url, tcpPort, https }
    remember(stateDirectory, { composeDigest: composeFileDigest(stateDirectory) })
    await answers(stack, addressed, deadline.signal, options)

    const apps = await settledApps(addressed, stateDirectory, deadline.signal)
    const partsAfter = await stack.parts({ usage: false })
    const changed = changedParts(partsBefore, partsAfter)
    const run: ComposeRun = { ...addressed, phase: 'ready', exposed: config.expose ? exposedParts(partsAfter) : {} }
    if (wasRunning && before) run.startedAt = before.startedAt
    const emptied =
      resolved.purge.length > 0
        ? await purgeRunning(run, stateDirectory, { kinds: resolved.purge, domain: sandbox.domain })
        : []
    await createInRunning(run, sandbox, resolved.create)
    writeRun(stateDirectory, run)
    remember(stateDirectory, {
      engine: 'compose',
      ...(resolved.ephemeral ? {} : { stack: config.name }),
      tcpPort,
      httpsTcpPort,
      version: VERSION,
    })
    registerQuietly(env, sandbox)
    return { stack, run, emptied, apps, wasRunning, changed }
  } catch (error) {
    if (!existed) {
      // A database that was interrupted in its first moments is none; one that there was before is somebody's.
      await stack.down({ volumes: !hadData || resolved.ephemeral, timeoutMs: UNDO_MS })
      removeRun(stateDirectory)
    }
    throw await explained(error, env)
  }
}

/** Rules over work that may take only so long, and only until someone wants to stop. */
function deadlineOf(timeoutMs: number, stopRequested: Promise<StopReason>) {
  const aborting = new AbortController()
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(() => {})
  const end = (error: HyperError) => {
    ended.reject(error)
    aborting.abort(error)
  }
  const timer = setTimeout(() => {
    end(
      new HyperError('NOT_READY', `the sandbox was not ready after ${timeoutMs / 1000} s`, {
        hint: 'Give it longer with --timeout 5m.',
      }),
    )
  }, timeoutMs)
  void stopRequested.then(() => end(new HyperError('INTERRUPTED', 'interrupted; what was started is stopped again')))
  return {
    signal: aborting.signal,
    /** The work's own error only where it was not this that ended it. */
    rule: async <T>(work: Promise<T>): Promise<T> =>
      await Promise.race([
        work.catch((error) => {
          if (aborting.signal.aborted) throw aborting.signal.reason
          throw error
        }),
        ended.promise,
      ]),
    [Symbol.dispose]() {
      clearTimeout(timer)
    },
  }
}

/** Resolves when every service does; the death of a container ends the wait at once. */
async function answers(
  stack: Stack,
  run: ComposeRun,
  signal: AbortSignal,
  { onWaiting }: Pick<StartOptions, 'onWaiting'>,
): Promise<void> {
  const watching = new AbortController()
  const failure = stack.failure(AbortSignal.any([signal, watching.signal]))
  failure.catch(() => {})
  let silent: ServiceName[] = [...run.services]
  const polling = async () => {
    while (!signal.aborted && !watching.signal.aborted) {
      const ready = await readiness(run)
      silent = run.services.filter((service) => !ready?.services[service]?.ok)
      if (ready && silent.length === 0) return
      onWaiting(silent)
      await sleep(POLL_MS)
    }
  }
  try {
    await Promise.race([polling(), failure])
    signal.throwIfAborted()
  } catch (error) {
    throw signal.aborted ? await lateWith(stack, silent, signal.reason) : error
  } finally {
    watching.abort()
  }
}

/** Each runs, or it is known why not; one that does not is no failure of the sandbox. */
async function settledApps(run: ComposeRun, stateDirectory: string, signal: AbortSignal): Promise<AppStatus[]> {
  for (;;) {
    const apps = await appsInRunning(run, stateDirectory)
    const isSettled = apps.length >= run.apps.length && apps.every(({ state }) => state !== 'starting')
    if (isSettled || signal.aborted) return apps
    await sleep(POLL_MS)
  }
}

/** The same with who was silent, and what its container said last: afterwards that is gone. */
async function lateWith(stack: Stack, silent: readonly ServiceName[], reason: unknown): Promise<unknown> {
  if (!(reason instanceof HyperError) || reason.code !== 'NOT_READY') return reason
  const lines: string[] = []
  const request = { follow: false, tail: LAST_LINES, signal: AbortSignal.timeout(2_000) }
  try {
    for await (const { part, text } of stack.logs(request)) lines.push(`  ${part}: ${text}`)
  } catch {
    // What can be said is said without it.
  }
  const words = lines.length > 0 ? `; the last lines of its containers:\n${lines.join('\n')}` : ''
  return new HyperError('NOT_READY', `${reason.message}: ${silent.join(', ')} did not answer${words}`, {
    ...(reason.hint === undefined ? {} : { hint: reason.hint }),
  })
}

/** What ran here under another name: its containers go, its data stays, unless that was to go anyway. */
async function removeOther(stacks: Stacks, project: Resolved['project'], before: ComposeRun): Promise<void> {
  const other = await stacks.open(lookUpConfig(project, before))
  await other.down({ volumes: before.ephemeral, timeoutMs: UNDO_MS })
}

function describe(
  { config, ephemeral }: Resolved,
  { name, listen }: StackConfig,
  options: Pick<StartOptions, 'arguments' | 'chosen'>,
): ComposeRun {
  return {
    phase: 'starting',
    name: config.name,
    url: '',
    host: listen.host,
    tcpPort: listen.tcpPort,
    authKey: config.credentials?.key,
    services: Object.keys(config.services) as ComposeRun['services'],
    ...serverHosts(config.services),
    apps: config.apps.map(({ name, hostnames }) => ({ name, hostnames: [...hostnames] })),
    domain: config.domain,
    engine: 'compose',
    stack: name,
    chosen: options.chosen,
    exposed: {},
    ephemeral,
    version: VERSION,
    startedAt: new Date().toISOString(),
    arguments: options.arguments,
  }
}

function secureAddress(host: string, tcpPort: number, authorityFile: string | undefined) {
  return { url: `https://${reachable(host)}:${tcpPort}`, tcpPort, authorityFile }
}

function composeRun(stateDirectory: string): ComposeRun | undefined {
  const run = readRun(stateDirectory)
  return run?.engine === 'compose' ? run : undefined
}

function changedParts(before: readonly PartState[], after: readonly PartState[]): string[] {
  const known = new Map(before.map(({ part, container, startedAt }) => [part, `${container} ${startedAt}`]))
  return after
    .filter(({ part, container, startedAt }) => known.get(part) !== `${container} ${startedAt}`)
    .map(({ part }) => part)
}

function exposedParts(parts: readonly PartState[]): Record<string, string> {
  const backends = parts.filter(({ part }) => part !== 'gateway')
  return Object.fromEntries(backends.flatMap(({ part, address }) => (address === undefined ? [] : [[part, address]])))
}

/** A home that cannot be written (some containers) costs the entry in `list`, not the sandbox. */
function registerQuietly(env: NodeJS.ProcessEnv, sandbox: Resolved['config']): void {
  try {
    registerSandbox(env, sandbox)
  } catch {}
}

async function explained(error: unknown, env: NodeJS.ProcessEnv): Promise<unknown> {
  if (!(error instanceof HyperError) || error.code !== 'ADDRESS_IN_USE') return error
  const tcpPort = error.meta?.tcpPort
  return typeof tcpPort === 'number' ? await explainAddressInUse(error, tcpPort, env) : error
}
