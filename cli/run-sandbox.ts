/** Runs a project's sandbox in this process, from taking its lock to giving it up. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { plainStatus } from '../server/app-status.ts'
import { HyperError } from '../server/error.ts'
import { asHyperError } from '../server/port.ts'
import type { AppStatus } from '../server/ports/apps.ts'
import type { Emptied } from '../server/purge.ts'
import type { Services } from '../server/services.ts'
import { explainAddressInUse } from './address-holder.ts'
import { type Resolved, readApps } from './config.ts'
import { isOn } from './flags.ts'
import { acquireLock } from './lock.ts'
import { registerSandbox } from './registry.ts'
import { serverHosts } from './server-host.ts'
import type { StopReason } from './signals.ts'
import {
  type EmbeddedRun,
  givenSecrets,
  keepSecrets,
  makeStateDirectory,
  readRun,
  remember,
  removeRun,
  writeRun,
} from './state.ts'
import { VERSION } from './version.ts'
import type { RunningSandbox, SandboxConfig, StartOptions } from './wire.ts'

/** What the names of temporary data directories begin with. */
const TEMPORARY = join(tmpdir(), 'hyper-sandbox-')

export interface RunOptions {
  env: NodeJS.ProcessEnv
  /** Command line to repeat at a restart. */
  arguments: string[]
  timeoutMs: number
  pretty: boolean
  colorize: boolean
  /** Resolves when the sandbox shall stop. */
  stopRequested: Promise<StopReason>
  onShutdown(): void
  onReady(run: EmbeddedRun, emptied: Emptied[], apps: readonly AppStatus[]): void
}

/** Resolves with why it stopped, or `'taken'` when another process runs this project's sandbox. @throws HyperError */
export async function runSandbox(resolved: Resolved, options: RunOptions): Promise<StopReason | 'taken'> {
  const { stateDirectory } = resolved.config
  const files = makeStateDirectory(stateDirectory)
  const lock = acquireLock(files.lock)
  if (!lock) return 'taken'
  removeLeftovers(stateDirectory)

  const dataDirectory = resolved.ephemeral ? mkdtempSync(TEMPORARY) : files.data
  // Also when forced out by a second Ctrl-C.
  const cleanUp = () => {
    removeRun(stateDirectory)
    if (resolved.ephemeral) rmSync(dataDirectory, { recursive: true, force: true })
    lock.release()
  }
  process.once('exit', cleanUp)
  try {
    const secrets = keepSecrets(stateDirectory, resolved.config.credentials, givenSecrets(options.env))
    const config: SandboxConfig = { ...resolved.config, dataDirectory, ...secrets }
    const run = describeRun(config, resolved.ephemeral, options.arguments)
    writeRun(stateDirectory, run)
    const { createLogger } = await import('./log.ts')
    const logger = await createLogger(files.log, { ...options, stdout: isOn(options.env.HYPER_SANDBOX_CONTAINER) })
    // Written before Node ends us, so that `logs` has the reason.
    process.on('uncaughtExceptionMonitor', (err) => logger.fatal({ err }, 'crashed'))
    const { project } = resolved
    const starting = start(config, resolved, {
      logger,
      onShutdown: options.onShutdown,
      ...(project.file === undefined ? {} : { readApps: () => readApps(project, options.env) }),
    })
    const started = await Promise.race([starting, options.stopRequested, tooLate(options.timeoutMs)])
    if (typeof started === 'string') return started
    const { sandbox, emptied } = started

    const { url, host, tcpPort, https, instance } = sandbox
    const ready: EmbeddedRun = { ...run, phase: 'ready', url, host, tcpPort, https, instance }
    remember(stateDirectory, { engine: 'embedded', tcpPort, httpsTcpPort: https?.tcpPort, version: VERSION })
    try {
      registerSandbox(options.env, config)
    } catch (err) {
      // A home that cannot be written (some containers) costs the entry in `list`, not the sandbox.
      logger.warn({ err }, 'list will not show this sandbox')
    }
    writeRun(stateDirectory, ready)
    logger.info({ url, https: https?.url, version: VERSION, services: run.services }, 'ready')
    options.onReady(ready, emptied, sandbox.apps.status().map(plainStatus))

    using _ = project.file === undefined ? undefined : await applySaved(project.file, sandbox, logger)
    const reason = await options.stopRequested
    logger.info({ reason }, 'stopping')
    await sandbox.close()
    logger.info('stopped')
    return reason
  } catch (error) {
    throw await explained(error, options.env)
  } finally {
    process.off('exit', cleanUp)
    cleanUp()
  }
}

/** What the project file says of apps is served as soon as it is saved. */
async function applySaved(file: string, { appSet }: RunningSandbox, logger: Logger): Promise<Disposable> {
  const { watchProject } = await import('./watch-project.ts')
  const reload = async () => {
    const { added, removed, changed, failed } = await appSet.reload()
    if (added.length + removed.length + changed.length + failed.length > 0)
      logger.info({ added, removed, changed, failed: failed.map(({ name }) => name) }, 'apps changed')
  }
  return watchProject(file, reload, ({ message }) => logger.error(`${message}; the apps are as they were`))
}

async function start(
  config: SandboxConfig,
  resolved: Resolved,
  options: Omit<StartOptions, 'prepare'>,
): Promise<{ sandbox: RunningSandbox; emptied: Emptied[] }> {
  const { startSandbox } = await import('./wire.ts')
  const { purge } = await import('../server/purge.ts')
  const { createServices } = await import('./create-services.ts')
  const { domain } = config
  let emptied: Emptied[] | undefined
  const prepare = async (services: Services) => {
    // Once, though a port that is taken makes us start twice.
    emptied ??= resolved.purge.length > 0 ? await purge(services, { kinds: resolved.purge, domain }) : []
    await createServices(services, domain, config.services, resolved.create)
  }
  const sandbox = await startOnPort(config, resolved.lastTcpPort, (chosen) =>
    startSandbox(chosen, { ...options, prepare }),
  )
  return { sandbox, emptied: emptied ?? [] }
}

/** TCP port 0 is the project's earlier one while that is free: addresses written down elsewhere stay right. */
async function startOnPort<T>(
  config: SandboxConfig,
  lastTcpPort: number | undefined,
  startWith: (config: SandboxConfig) => Promise<T>,
): Promise<T> {
  if (config.listen.tcpPort !== 0 || lastTcpPort === undefined) return await startWith(config)
  try {
    return await startWith({ ...config, listen: { ...config.listen, tcpPort: lastTcpPort } })
  } catch (error) {
    if (error instanceof HyperError && error.code === 'ADDRESS_IN_USE') return await startWith(config)
    throw error
  }
}

/** A run that was killed could not clean up after itself. */
function removeLeftovers(stateDirectory: string): void {
  const left = readRun(stateDirectory)
  if (left?.engine === 'embedded' && left.ephemeral && left.dataDirectory.startsWith(TEMPORARY)) {
    rmSync(left.dataDirectory, { recursive: true, force: true })
  }
  removeRun(stateDirectory)
}

function describeRun(config: SandboxConfig, ephemeral: boolean, args: string[]): EmbeddedRun {
  return {
    phase: 'starting',
    pid: process.pid,
    instance: '',
    name: config.name,
    url: '',
    host: config.listen.host,
    tcpPort: config.listen.tcpPort,
    authKey: config.credentials?.key,
    services: Object.keys(config.services) as EmbeddedRun['services'],
    ...serverHosts(config.services),
    apps: config.apps.map(({ name, hostnames }) => ({ name, hostnames: [...hostnames] })),
    domain: config.domain,
    engine: 'embedded',
    dataDirectory: config.dataDirectory,
    ephemeral,
    version: VERSION,
    startedAt: new Date().toISOString(),
    arguments: args,
  }
}

function tooLate(timeoutMs: number): Promise<never> {
  return new Promise((_, reject) => {
    const error = new HyperError('NOT_READY', `the sandbox was not ready after ${timeoutMs / 1000} s`, {
      hint: 'Give it longer with --timeout 5m; see what it does with: hyper-sandbox logs',
    })
    setTimeout(() => reject(error), timeoutMs).unref()
  })
}

async function explained(error: unknown, env: NodeJS.ProcessEnv): Promise<HyperError> {
  const known = asHyperError(error)
  const taken = known.code === 'ADDRESS_IN_USE' && (known.cause as { code?: string } | undefined)?.code === 'EADDRINUSE'
  if (!taken) return known
  const { tcpPort } = known.meta as { tcpPort: number }
  return await explainAddressInUse(known, tcpPort, env)
}
