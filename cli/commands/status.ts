import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'

export const status: Command = {
  name: 'status',
  summary: 'show what runs here',
  about:
    'Shows the sandbox of this project and the state of each service; on the compose engine also the health, version, address, ' +
    'memory and processor use of its containers. Ends with 7 when it does not run.',
  flags: [CONFIG_FLAG, JSON_FLAG],
  examples: [
    ['status', 'Where it listens, what runs, where the data lives.'],
    ['status --json', 'The same for a script.'],
  ],
  async run({ flags, output, env, cwd }: Context) {
    const { findProject } = await import('../project.ts')
    const { leftText, statusOf, statusText } = await import('../status.ts')
    const { notRunning } = await import('../running.ts')
    const project = findProject(cwd, flags.text('config'))
    const found = await statusOf(project, env)
    if (!found.running) {
      const left = leftText(found)
      if (left !== undefined) output.note(`${left}\n`)
      output.fail(notRunning(project.directory, found.state), found)
      return 7
    }
    output.answer(found, statusText(found, cwd))
    return 0
  },
}
