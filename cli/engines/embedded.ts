/** The services in one process of this command line, which holds the project's lock for as long as it lives. */
import { existsSync } from 'node:fs'
import { HyperError } from '../../server/error.ts'
import type { Context } from '../command.ts'
import type { Resolved } from '../config.ts'
import { OWN_FLAGS, restartArguments } from '../restart-arguments.ts'
import { applyInRunning, importIntoRunning, inspectProcess } from '../running.ts'
import { exitCodeOf, listenForStop } from '../signals.ts'
import { makeStateDirectory, stateFiles } from '../state.ts'
import { didYouMean } from '../suggest.ts'
import { describeRun, summaryOf } from '../summary.ts'
import type { Engine, UpOptions } from './engine.ts'

export const embedded: Engine = {
  name: 'embedded',

  async inspect({ stateDirectory }) {
    return inspectProcess(stateDirectory)
  },

  async pull() {
    return 0
  },

  async up(context, resolved, options) {
    const { reportRunning } = await import('../report-running.ts')
    const { flags, output } = context
    if (resolved.stack.expose) output.warn('--expose opens nothing: the embedded engine has no servers of its own')
    refuseUnknownApp(resolved)
    const start = flags.has('detach') || flags.has('wait') ? startInBackground : startHere
    // Another command may take the lock, or give it up, between our look and our start.
    for (;;) {
      const running = inspectProcess(resolved.project.stateDirectory).state !== 'stopped'
      const ended = running
        ? await reportRunning(context, resolved, options.timeoutMs)
        : await start(context, resolved, options)
      if (typeof ended === 'number') return ended
    }
  },

  async down({ stateDirectory }, { timeoutMs }) {
    const { stopSandbox } = await import('../stop.ts')
    const stopped = await stopSandbox(stateDirectory, timeoutMs)
    if (!stopped) return undefined
    const { pid, forced } = stopped
    return { text: `stopped process ${pid}`, facts: { pid, forced } }
  },

  async restart(context, project, options) {
    const { restartSandbox } = await import('../restart-sandbox.ts')
    return await restartSandbox(context, project, options)
  },

  async parts() {
    return []
  },

  async logs(context, project, request) {
    const { showLogs } = await import('../show-logs.ts')
    return await showLogs(context, project, request)
  },

  async applyApps(_context, { config }, run, fresh) {
    await applyInRunning(run, config.stateDirectory, config.apps, fresh)
  },

  async purgeStopped(resolved, kinds, domain) {
    // Nothing was ever kept here: there is nothing to empty, and nothing to make.
    if (!existsSync(stateFiles(resolved.config.stateDirectory).data)) return []
    const { purge } = await import('../../server/purge.ts')
    const { withStoppedServices } = await import('../stopped-services.ts')
    return await withStoppedServices(resolved, (services) => purge(services, { kinds, domain }))
  },

  async importInto(resolved, request, report) {
    const { stateDirectory } = resolved.config
    const { busy, withStoppedServices } = await import('../stopped-services.ts')
    const found = inspectProcess(stateDirectory)
    if (found.state === 'starting') throw busy()
    if (found.state === 'running') return await importIntoRunning(found.run, stateDirectory, request)
    const { importDirectory } = await import('../import/import-directory.ts')
    makeStateDirectory(stateDirectory)
    return await withStoppedServices(resolved, (services, dataDirectory) =>
      importDirectory(services, request, dataDirectory, report),
    )
  },
}

function refuseUnknownApp({ config: { inspect, apps } }: Resolved): void {
  if (typeof inspect !== 'string' || apps.some(({ name }) => name === inspect)) return
  const names = apps.map(({ name }) => name)
  throw new HyperError('USAGE', `--inspect: there is no app '${inspect}'${didYouMean(inspect, names)}`, {
    hint: names.length > 0 ? `Apps are ${names.join(', ')}.` : 'Add one with: hyper-sandbox apps add <name> <path>',
  })
}

async function startInBackground(
  context: Context,
  resolved: Resolved,
  { timeoutMs }: UpOptions,
): Promise<number | 'taken'> {
  const { startDetached } = await import('../detached.ts')
  const started = await startDetached(context, resolved, context.flags.toArguments(OWN_FLAGS), timeoutMs)
  if (started === 'taken') return 'taken'
  const { run, emptied, apps } = started
  const text = summaryOf(context.output, run, { ...resolved, cwd: context.cwd, emptied, apps })
  context.output.report(
    describeRun(run, { ...resolved, emptied, apps }),
    `${text}\n  ready in the background; stop it with: hyper-sandbox down\n`,
  )
  return 0
}

async function startHere(
  context: Context,
  resolved: Resolved,
  { timeoutMs, nano }: UpOptions,
): Promise<number | 'taken'> {
  const { flags, output, env, cwd, exit } = context
  const { runSandbox } = await import('../run-sandbox.ts')
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
    onReady: (run, emptied, apps) => {
      ready.resolve()
      const text = summaryOf(output, run, { ...resolved, cwd, emptied, apps })
      const took = Math.round(performance.now() - begun)
      output.report(
        describeRun(run, { ...resolved, emptied, apps }),
        `${text}\n  ready in ${took} ms; Ctrl-C stops it\n`,
      )
    },
  }).finally(ready.resolve)
  return ended === 'taken' ? 'taken' : exitCodeOf(ended)
}
