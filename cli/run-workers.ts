/** The host of apps in a container of its own, until it is told to stop. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openWorkerHost } from '../adapters/registry.ts'
import { serveAsset } from '../server/app-assets.ts'
import type { AppHost } from '../server/ports/apps.ts'
import { DRAINS, watchApps } from './apps.ts'
import type { Context } from './command.ts'
import { exitCodeOf, listenForStop } from './signals.ts'
import { workerHostOf } from './workers-variables.ts'

/** Files of the machine outside change without a word on some systems. */
const POLL_MS = 250

export async function runWorkers({ env, exit, output, flags }: Context): Promise<number> {
  using stop = listenForStop(exit)
  const directory = mkdtempSync(join(tmpdir(), 'apps-'))
  const host = await openWorkerHost({
    ...workerHostOf(env),
    directory,
    domain: flags.text('domain'),
    ...DRAINS,
    isProduction: flags.has('production'),
    serveAsset,
    extend: reloadChanged,
  })
  output.note(`listening on ${host.tcpPort}; what apps say is in the log of the gateway`)
  const reason = await stop.requested
  await host.close()
  return exitCodeOf(reason)
}

/** What the gateway asked for last, where files of it have changed. */
function reloadChanged(host: AppHost): void {
  let last: Parameters<AppHost['apply']> = [[]]
  const { apply } = host
  host.apply = (apps, options) => {
    last = [apps, { ...options, fresh: false }]
    return apply(apps, options)
  }
  watchApps(host, () => host.apply(...last), POLL_MS)
}
