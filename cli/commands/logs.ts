import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'

export const logs: Command = {
  name: 'logs',
  summary: 'show what the sandbox logged',
  about:
    'Shows the log of the sandbox of this project, also of one that ended. With --json an envelope with the records; with ' +
    '--follow and --json one record a line.',
  flags: [
    { name: 'follow', short: 'f', about: 'go on with what comes, until the sandbox ends' },
    { name: 'tail', short: 'n', value: '<lines>', about: 'begin with this many lines (default: 100)' },
    CONFIG_FLAG,
    JSON_FLAG,
  ],
  examples: [
    ['logs', 'The last hundred lines.'],
    ['logs -f -n 10', 'The last ten, and then what comes.'],
  ],
  async run(context: Context) {
    const { showLogs } = await import('../show-logs.ts')
    return await showLogs(context)
  },
}
