import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'
import { LOG_FLAGS } from './logs.ts'

export const apps: Command = {
  name: 'apps',
  summary: 'list, add, remove or reload apps, or show what they say',
  about:
    'list: each app with its address and state. add <name> <path>, rm <name>: changes apps: in hyper-sandbox.yaml, and a sandbox that ' +
    'runs with it. reload [name...]: what the file says now, each in a new process. logs [name...]: what they say, and the requests ' +
    'of theirs that failed.',
  args: '[action...]',
  flags: [
    { name: 'hostname', value: '<host>', about: 'with add: host it answers (default: <name>.localhost)' },
    ...LOG_FLAGS,
    CONFIG_FLAG,
    JSON_FLAG,
  ],
  examples: [
    ['apps list', 'Where each is reached, and how it is.'],
    ['apps add api ./apps/api', 'Serve ./apps/api as http://api.localhost:6363.'],
    ['apps reload api', 'A new process for api, though nothing has changed.'],
    ['apps logs api -f', 'What api says from now on.'],
  ],
  async run(context: Context) {
    const { manageApps } = await import('../manage-apps.ts')
    return await manageApps(context)
  },
}
