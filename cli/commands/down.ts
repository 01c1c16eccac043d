import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'
import { TIMEOUT_FLAG } from './up.ts'

export const down: Command = {
  name: 'down',
  summary: 'stop the sandbox of this project',
  about: 'Stops the sandbox of this project. Its data stays, unless --volumes removes it. Nothing to stop is fine.',
  flags: [
    { name: 'volumes', short: 'v', about: 'remove all its data, settings and logs too' },
    { name: 'yes', short: 'y', about: 'do not ask' },
    { ...TIMEOUT_FLAG, about: 'how long it may take before it is killed (default: 10s)' },
    CONFIG_FLAG,
    JSON_FLAG,
  ],
  examples: [
    ['down', 'Stop; the next up finds the data again.'],
    ['down --volumes --yes', 'Stop and remove everything it kept.'],
  ],
  async run({ flags, output, env, cwd }: Context) {
    const { findProject } = await import('../project.ts')
    const { durationOf } = await import('../duration.ts')
    const { takeDown } = await import('../take-down.ts')
    const { removeEverything } = await import('../stop.ts')
    const { shortPath } = await import('../summary.ts')
    const project = findProject(cwd, flags.text('config'))
    const { directory, stateDirectory } = project
    const timeoutMs = durationOf(flags, 'timeout', 10_000)
    if (flags.has('volumes') && !flags.has('yes')) {
      const { confirm } = await import('../confirm.ts')
      await confirm(output, `Remove all data of the sandbox in ${directory}?`)
    }
    const volumes = flags.has('volumes')
    const stopped = await output.progress('stopping', takeDown(project, { volumes, timeoutMs }, env))
    const removed = volumes && removeEverything(stateDirectory, env)
    const text = stopped?.text ?? `nothing was running in ${directory}`
    output.report(
      { stopped: stopped !== undefined, pid: null, forced: false, ...stopped?.facts, removed },
      removed ? `${text}; removed ${shortPath(stateDirectory, cwd)}` : text,
    )
    return 0
  },
}
