import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'
import { TIMEOUT_FLAG } from './up.ts'

export const wait: Command = {
  name: 'wait',
  summary: 'wait until the sandbox of this project is ready',
  about:
    'Waits until the sandbox of this project answers with all its services, also when it is not started yet. Ends with 6 when ' +
    'that takes longer than --timeout.',
  args: '[service...]',
  flags: [{ ...TIMEOUT_FLAG, about: 'how long to wait (default: 60s)' }, CONFIG_FLAG, JSON_FLAG],
  examples: [
    ['wait', 'In a script, before the tests.'],
    ['wait data --timeout 10s', 'Only for data, ten seconds at most.'],
  ],
  async run({ args, flags, output, env, cwd }: Context) {
    const { parseKinds } = await import('../config.ts')
    const { durationOf } = await import('../duration.ts')
    const { findProject } = await import('../project.ts')
    const { waitUntilReady } = await import('../wait-until-ready.ts')
    const wanted = args.flatMap((arg) => parseKinds(arg, 'wait'))
    const project = findProject(cwd, flags.text('config'))
    const ready = await output.progress(
      'waiting',
      waitUntilReady(project, wanted, durationOf(flags, 'timeout', 60_000), env),
    )
    const lines = Object.entries(ready.services).map(([service]) => `${service} ready`)
    output.report(ready, [...lines, `ready at ${ready.url}`].join('\n'))
    return 0
  },
}
