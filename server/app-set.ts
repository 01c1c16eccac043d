/** The apps that run, over the changes that the admin API, the configuration and saved sources ask for: one change at a time. */
import { HyperError } from './error.ts'
import type { AppConfig, AppHost, ApplyOptions, LoadError, Reloaded } from './ports/apps.ts'

/** What a configuration says now. */
export interface ConfiguredApps {
  apps: readonly AppConfig[]
  /** Which of those that run answers every other host; asked after each change. */
  catchAllOf?: ((apps: readonly AppConfig[]) => string | undefined) | undefined
}

export interface AppSet {
  apply(configured: ConfiguredApps, options?: Pick<ApplyOptions, 'fresh'>): Promise<Reloaded>
  /** Makes what the configuration says now the apps that run: added ones go, removed ones come back. @throws what reading it throws; nothing changes then */
  reload(): Promise<Reloaded>
  readonly canReload: boolean
  /** The same apps, where their files have changed. */
  refresh(): Promise<Reloaded>
  /** @returns why it could not be loaded, and then it is not added. @throws APP_EXISTS for a name or host that is taken */
  add(app: AppConfig): Promise<LoadError | undefined>
  /** Resolves when its open requests are done. @throws APP_NOT_FOUND, LAST_APP */
  remove(isWanted: (app: AppConfig) => boolean): Promise<void>
}

/** @param read absent where there is no configuration to read again */
export function createAppSet(host: AppHost, read?: () => ConfiguredApps | Promise<ConfiguredApps>): AppSet {
  let current: ConfiguredApps = { apps: [] }
  let turn: Promise<unknown> = Promise.resolve()

  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const changed = turn.then(change)
    turn = changed.catch(() => {})
    return changed
  }

  async function become(next: ConfiguredApps, options: Pick<ApplyOptions, 'fresh'> = {}): Promise<Reloaded> {
    current = next
    return await host.apply(next.apps, { ...options, catchAll: next.catchAllOf?.(next.apps) })
  }

  return {
    apply: (configured, options) => inTurn(() => become(configured, options)),
    reload: () =>
      inTurn(async () => {
        if (!read) throw new HyperError('ROUTE_NOT_FOUND', 'there is no configuration to read again')
        return await become(await read())
      }),
    canReload: read !== undefined,
    refresh: () => inTurn(() => become(current)),
    add: (app) =>
      inTurn(async () => {
        const before = current
        const taken = before.apps.some(
          ({ name, hostnames }) => name === app.name || hostnames.some((hostname) => app.hostnames.includes(hostname)),
        )
        if (taken) throw new HyperError('APP_EXISTS', `there is an app ${app.name} or with one of its hosts already`)
        const { failed } = await become({ ...before, apps: [...before.apps, app] })
        const error = failed.find(({ name }) => name === app.name)?.error
        if (error) await become(before)
        return error
      }),
    async remove(isWanted) {
      const { drained } = await inTurn(async () => {
        const app = current.apps.find(isWanted)
        if (!app) throw new HyperError('APP_NOT_FOUND', 'there is no such app')
        if (current.apps.length === 1) throw new HyperError('LAST_APP', 'the last app cannot be removed')
        return await become({ ...current, apps: current.apps.filter((one) => one !== app) })
      })
      await drained
    },
  }
}
