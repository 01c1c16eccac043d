import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'
import type { Flag } from '../flags.ts'

export const RUN_FLAGS: readonly Flag[] = [
  { name: 'data', about: 'run the data service and create it in the domain' },
  { name: 'cache', about: 'run the cache service and create it in the domain' },
  { name: 'storage', about: 'run the storage service and create it in the domain' },
  { name: 'search', about: 'run the search service; create it if services.search has fields' },
  { name: 'queue', about: 'run the queue service; create it if services.queue has a target' },
  { name: 'domain', value: '<name>', about: 'domain to create them in (default: test)' },
  { name: 'purge', value: '[list]', about: 'empty the services that run, or those listed, first' },
  { name: 'only', value: '<list>', about: 'run only these services, create nothing' },
  { name: 'exclude', short: 'x', value: '<list>', about: 'run all services but these' },
  { name: 'engine', value: '<engine>', about: 'auto, embedded or compose (default: auto)' },
  { name: 'port', value: '<n>', about: 'TCP port; 0 takes a free one, remembered (default: 6363)' },
  { name: 'host', value: '<host>', about: 'address to listen on (default: 127.0.0.1)' },
  { name: 'expose', about: 'reach the servers of the compose engine from this machine too; prints their addresses' },
  { name: 'tls', about: 'serve HTTPS too, on the TCP port after the other (default: 6364)' },
  { name: 'ephemeral', about: 'keep the data in a temporary directory, gone at the end' },
  { name: 'production', about: 'tell clients of apps nothing of what went wrong in them' },
  { name: 'inspect', value: '[app]', about: 'let Chrome DevTools attach to apps, or to this one; prints where' },
  { name: 'log-requests', about: 'log every request, not only failed and slow ones' },
  CONFIG_FLAG,
]

const DETACH_FLAGS: readonly Flag[] = [
  { name: 'detach', short: 'd', about: 'run in the background; return when it is ready' },
  { name: 'wait', about: 'the same as --detach' },
]

export const TIMEOUT_FLAG: Flag = {
  name: 'timeout',
  value: '<time>',
  about: 'how long it may take to be ready (default: 60s)',
}

export const up: Command = {
  name: 'up',
  summary: 'start the sandbox of this project',
  about:
    'Starts the sandbox of this project, in the foreground until Ctrl-C. Service flags choose which services run and create ' +
    'them in the domain; without any, all run and nothing is created. Search and queue are created when the project file says ' +
    'with what (services.search.fields, services.queue.target); else the call that does it is shown. A sandbox that runs already is reported, not started again.',
  flags: [...RUN_FLAGS, ...DETACH_FLAGS, TIMEOUT_FLAG, JSON_FLAG],
  examples: [
    ['up --data --cache', 'Data and cache, created in the domain test, on 127.0.0.1:6363.'],
    ['up --detach && hyper-sandbox env', 'In the background; then what an app needs to connect.'],
    ['up --port 0 --ephemeral', 'On a free port, forgetting everything at the end.'],
    ['up --data --purge', 'Begin with empty data.'],
  ],
  async run(context: Context) {
    const { bringUp } = await import('../bring-up.ts')
    return await bringUp(context)
  },
}
