/** `up` where the sandbox runs already: the same one, with what was asked for created and emptied in it. */
import { HyperError } from '../server/error.ts'
import type { Context } from './command.ts'
import type { Resolved } from './config.ts'
import { appsInRunning, createInRunning, inspectProcess, purgeRunning, until } from './running.ts'
import type { EmbeddedRun } from './state.ts'
import { describeRun, summaryOf } from './summary.ts'

/** `'gone'`: whoever held the project's lock gave it up without ever answering. */
export async function reportRunning(
  { output, flags, env, cwd }: Context,
  resolved: Resolved,
  timeoutMs: number,
): Promise<number | 'gone'> {
  const { stateDirectory, domain, listen } = resolved.config
  const run = await output.progress(
    'another start of this sandbox is under way',
    until<EmbeddedRun | 'gone'>(
      () => {
        const found = inspectProcess(stateDirectory)
        if (found.state === 'stopped') return 'gone'
        return found.state === 'running' ? found.run : undefined
      },
      timeoutMs,
      () => new HyperError('NOT_READY', `another start of this sandbox has not finished after ${timeoutMs / 1000} s`),
    ),
  )
  if (run === 'gone') return 'gone'
  const absent = [...resolved.create, ...resolved.uncreated, ...resolved.purge].find(
    (kind) => !run.services.includes(kind),
  )
  if (absent) {
    throw new HyperError('SERVICE_NOT_STARTED', `this sandbox runs already, without ${absent}`, {
      hint: `Stop it with: hyper-sandbox down; then start it with --${[...run.services, absent].join(' --')}`,
    })
  }
  const otherPort = (flags.has('port') || env.PORT) && listen.tcpPort !== 0 && listen.tcpPort !== run.tcpPort
  if (otherPort)
    output.warn(`it listens on port ${run.tcpPort}, not ${listen.tcpPort}: ${changeIt(`--port ${listen.tcpPort}`)}`)
  if (flags.has('host') && listen.host !== run.host)
    output.warn(`it listens on ${run.host}, not ${listen.host}: ${changeIt(`--host ${listen.host}`)}`)
  if (flags.has('tls') && !run.https) output.warn(`it serves no HTTPS: ${changeIt('--tls')}`)
  if (resolved.ephemeral && !run.ephemeral) output.warn(`it keeps its data: ${changeIt('--ephemeral')}`)

  const emptied =
    resolved.purge.length > 0 ? await purgeRunning(run, stateDirectory, { kinds: resolved.purge, domain }) : []
  await createInRunning(run, resolved.config, resolved.create)
  const here: EmbeddedRun = { ...run, domain }
  const apps = await appsInRunning(run, stateDirectory)
  const text = summaryOf(output, here, { ...resolved, cwd, emptied, apps })
  output.report(
    { ...describeRun(here, { ...resolved, emptied, apps }), alreadyRunning: true },
    `${text}\n  already running, process ${run.pid}; stop it with: hyper-sandbox down\n`,
  )
  return 0
}

function changeIt(flag: string): string {
  return `to change that, hyper-sandbox down, then up ${flag}`
}
