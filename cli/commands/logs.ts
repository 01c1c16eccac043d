import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'
import type { Flag } from '../flags.ts'

export const LOG_FLAGS: readonly Flag[] = [
  { name: 'follow', short: 'f', about: 'go on with what comes, until the sandbox ends' },
  { name: 'since', value: '<time>', about: 'only what is newer: 10m, or 2026-01-31T12:00:00Z' },
  { name: 'tail', short: 'n', value: '<lines>', about: 'begin with this many lines (default: 100)' },
]

export const logs: Command = {
  name: 'logs',
  summary: 'show what the sandbox logged',
  about:
    'Shows the log of the sandbox of this project, also of one that ended. Services narrow it down: on the compose engine to ' +
    'their containers (also gateway, workers, mongo, redis, minio, meilisearch), on the embedded one to the requests that were theirs. ' +
    'With --json an envelope with the records; with --follow and --json one record a line.',
  args: '[service...]',
  flags: [...LOG_FLAGS, CONFIG_FLAG, JSON_FLAG],
  examples: [
    ['logs', 'The last hundred lines.'],
    ['logs -f -n 10', 'The last ten, and then what comes.'],
    ['logs data cache --since 10m', 'What these two logged in the last ten minutes.'],
  ],
  async run(context: Context) {
    const { engineOf } = await import('../engines/engine.ts')
    const { findProject } = await import('../project.ts')
    const { logRequest } = await import('../log-request.ts')
    const project = findProject(context.cwd, context.flags.text('config'))
    const engine = await engineOf(project, context.env)
    return await engine.logs(context, project, logRequest(context))
  },
}
