/** An app over all its versions: loaded, reloaded without a gap, kept as it was when the new one does not load (worker-runtime §2.2). */
import { isDeepStrictEqual } from 'node:util'
import type { AppConfig, AppStatus, LoadError, RestartReason } from '../../../server/ports/apps.ts'
import { type LoadFailure, loadFailure } from '../load-failure.ts'
import { type Bundle, bundleApp } from './bundle.ts'
import type { VersionPlan } from './configuration.ts'
import type { ConsoleLine } from './console-line.ts'
import { asLoadError } from './load-error.ts'
import { type ReadFiles, readFiles } from './read-files.ts'
import type { Replica } from './replica.ts'
import { startVersion, type Version } from './version.ts'

export interface SupervisedApp {
  readonly config: AppConfig
  readonly isDraining: boolean
  readonly isPassedOn: boolean | undefined
  /** Why nothing of it runs, where clients may know. */
  failure(accept: string | undefined): LoadFailure | undefined
  /** @returns what came of it */
  update(config: AppConfig, options: { fresh: boolean }): Promise<'changed' | 'unchanged' | LoadError>
  pick(): Replica | Promise<Replica | undefined> | undefined
  status(): AppStatus
  count(isError: boolean): void
  /** @returns how many requests were cut */
  drain(drainMs: number): Promise<number>
}

export interface AppOptions {
  plan(config: AppConfig, bundle: Bundle): VersionPlan
  drainMs: number
  /** Clients are told why nothing of it runs. */
  tellsErrors: boolean
  /** What its libraries are built for. */
  isProduction: boolean
  /** Its requests come through a gateway of ours. */
  isPassedOn?: boolean | undefined
  onLoaded(version: number): void
  onFailed(error: LoadError): void
  onConsole(line: ConsoleLine): void
  onRestart(reason: RestartReason, detail: string): void
}

export function createSupervisedApp(initial: AppConfig, options: AppOptions): SupervisedApp {
  let config = initial
  let version: Version | undefined
  let bundle: Bundle | undefined
  /** Those that the bundle was made of. */
  let files: ReadFiles | undefined
  let error: LoadError | undefined
  /** Why the version that serves cannot be started at this time. */
  let startError: LoadError | undefined
  let versions = 0
  let isDraining = false
  let requests = 0
  let errors = 0
  const restarts: Record<RestartReason, number> = { timeout: 0, memory: 0, crash: 0 }
  /** Earlier versions that still answer what they were asked. */
  const draining = new Set<Version>()
  /** One change at a time; the last one wins. */
  let changing: Promise<unknown> = Promise.resolve()

  async function change(next: AppConfig, fresh: boolean): Promise<'changed' | 'unchanged' | LoadError> {
    const before = version
    const isSame = before !== undefined && !fresh && isDeepStrictEqual(before.config, next)
    if (isSame && !error && files?.areAsRead()) return 'unchanged'
    try {
      const readAt = Date.now()
      const made = await bundleApp(next, options.isProduction ? 'production' : 'development')
      bundle = made
      files = readFiles([next.path, ...made.inputs], readAt)
      if (isSame && before.digest === made.digest) {
        error = undefined
        return 'unchanged'
      }
      const started = await startVersion(next, {
        plan: () => options.plan(next, made),
        number: versions + 1,
        isLazy: next.lazy && !before,
        drainMs: options.drainMs,
        onConsole: options.onConsole,
        onStarted() {
          startError = undefined
        },
        onStartFailed(failure) {
          startError = failure
          options.onFailed(failure)
        },
        onRestart(reason, detail) {
          restarts[reason] += 1
          options.onRestart(reason, detail)
        },
      })
      versions += 1
      version = started
      config = next
      error = undefined
      startError = undefined
      options.onLoaded(versions)
    } catch (cause) {
      if (!before) config = next
      error = asLoadError(cause)
      options.onFailed(error)
      return error
    }
    if (before) {
      draining.add(before)
      void before.drain(options.drainMs).finally(() => draining.delete(before))
    }
    return 'changed'
  }

  function stateOf(processes: number): AppStatus['state'] {
    if (isDraining) return 'draining'
    if (!version) return error ? 'failed' : 'starting'
    if (processes > 0) return error ? 'broken' : 'running'
    return version.isAsleep && !startError ? 'idle' : 'failed'
  }

  return {
    get config() {
      return config
    },
    get isDraining() {
      return isDraining
    },
    isPassedOn: options.isPassedOn,
    failure(accept) {
      const reason = version ? startError : error
      return reason && options.tellsErrors ? loadFailure(config.name, reason, accept) : undefined
    },
    update(next, { fresh }) {
      const changed = changing.then(() => change(next, fresh))
      changing = changed.catch(() => {})
      return changed
    },
    pick: () => version?.pick(),
    status() {
      const replicas = version?.replicas() ?? []
      return {
        name: config.name,
        hostnames: config.hostnames,
        path: config.path,
        state: stateOf(replicas.length),
        error: error ?? startError,
        timeoutMs: config.timeoutMs,
        memoryMb: config.memoryMb,
        inputs: bundle?.inputs ?? [],
        memoryBytes: replicas.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
        pids: replicas.map(({ pid }) => pid),
        inspectors: replicas.flatMap(({ inspector }) => inspector ?? []),
        version: versions,
        requests,
        errors,
        restarts,
      }
    },
    count(isError) {
      requests += 1
      if (isError) errors += 1
    },
    async drain(drainMs) {
      isDraining = true
      await changing
      const cut = await Promise.all([...draining, ...(version ? [version] : [])].map((one) => one.drain(drainMs)))
      version = undefined
      return cut.reduce((sum, count) => sum + count, 0)
    },
  }
}
