import type { Command, Context } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { RUN_FLAGS } from './up.ts'

export const config: Command = {
  name: 'config',
  summary: 'show what up would run, with everything resolved',
  about:
    'Shows what up would run with the same flags: flag wins over environment (HYPER_SANDBOX_*, PORT), then project file, then what ' +
    'this project remembers, then the default.',
  flags: [...RUN_FLAGS, { name: 'schema', about: "print the project file's JSON Schema instead" }, JSON_FLAG],
  examples: [
    ['config', 'Check a project file.'],
    ['config --port 0 --json', 'The same for a script.'],
    ['config --schema > schema.json', 'For an editor.'],
  ],
  async run({ flags, output, env, cwd }: Context) {
    if (flags.has('schema')) {
      const { projectFileSchema } = await import('../project-file.ts')
      const schema = projectFileSchema()
      output.answer(schema, JSON.stringify(schema, undefined, 2))
      return 0
    }
    const { resolveConfig } = await import('../config.ts')
    const { stringify } = await import('yaml')
    const resolved = await resolveConfig({ flags, env, cwd })
    for (const warning of resolved.warnings) output.warn(warning)
    const { name, projectDirectory, stateDirectory, engine, domain, services, listen, logRequests } = resolved.config
    const shown = {
      name,
      projectDirectory,
      projectFile: resolved.project.file ?? null,
      stateDirectory,
      engine,
      domain,
      services,
      listen: {
        host: listen.host,
        port: listen.tcpPort,
        allowed_hosts: listen.allowedHosts,
        allowed_origins: listen.allowedOrigins,
      },
      log_requests: logRequests,
      ephemeral: resolved.ephemeral,
      create: resolved.create,
      purge: resolved.purge,
    }
    output.answer(shown, stringify(shown))
    return 0
  },
}
