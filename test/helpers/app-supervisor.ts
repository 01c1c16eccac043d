/**
 * A host of apps in a process of its own, to be killed: `app-supervisor.ts <directory> <tether> <app>...`, each app a path. Says the
 * numbers of its apps' processes in one line of JSON when they answer.
 */
import { join } from 'node:path'
import type { Tether } from '../../adapters/apps/workerd/tether.ts'
import { createWorkerdApps } from '../../adapters/apps/workerd.ts'
import { appConfigOf } from '../../server/ports/app-entry.ts'

const [directory = '', tether, ...paths] = process.argv.slice(2)
const host = await createWorkerdApps({
  directory: join(directory, '.run'),
  domain: undefined,
  drainMs: 1_000,
  tether: tether as Tether,
  events: { loaded() {}, failed() {}, restarted() {}, console() {}, answered() {} },
  serve: (_request, response) => void response.writeHead(404).end(),
})
await host.apply(paths.map((path, at) => appConfigOf({ name: `app-${at}`, path }, directory)))
process.stdout.write(`${JSON.stringify(host.status().flatMap(({ pids }) => pids))}\n`)
process.once('SIGTERM', () => void host.close(0))
