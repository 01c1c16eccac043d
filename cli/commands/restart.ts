import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'
import { TIMEOUT_FLAG } from './up.ts'

export const restart: Command = {
  name: 'restart',
  summary: 'stop the sandbox and start it again in the background',
  about:
    'Stops the sandbox of this project and starts it again as it was started, in the background, at the same address. The ' +
    'embedded engine is one process: naming services restarts them together with the others.',
  args: '[service...]',
  flags: [TIMEOUT_FLAG, CONFIG_FLAG, JSON_FLAG],
  examples: [
    ['restart', 'After a change of the project file.'],
    ['restart data', 'Services may be named.'],
  ],
  async run(context: Context) {
    const { parseKinds } = await import('../config.ts')
    const { durationOf } = await import('../duration.ts')
    const { engineOf } = await import('../engines/engine.ts')
    const { findProject } = await import('../project.ts')
    const { args, flags, env, cwd } = context
    const project = findProject(cwd, flags.text('config'))
    const engine = await engineOf(project, env)
    return await engine.restart(context, project, {
      services: args.flatMap((arg) => parseKinds(arg, 'restart')),
      timeoutMs: durationOf(flags, 'timeout', 60_000),
    })
  },
}
