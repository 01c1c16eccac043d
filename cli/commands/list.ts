import { type Command, type Context, JSON_FLAG } from '../command.ts'

export const list: Command = {
  name: 'list',
  summary: "show all of this user's sandboxes, running or not",
  flags: [JSON_FLAG],
  examples: [['list', 'Name, state, address and directory of each.']],
  async run({ output, env, cwd }: Context) {
    const { registeredSandboxes } = await import('../registry.ts')
    const { inspect } = await import('../running.ts')
    const { columns } = await import('../output.ts')
    const { shortPath } = await import('../summary.ts')
    const sandboxes = registeredSandboxes(env).map(({ name, projectDirectory, stateDirectory }) => {
      const found = inspect(stateDirectory)
      const run = found.state === 'running' ? found.run : undefined
      const urls = { url: run?.url ?? null, https: run?.https?.url ?? null }
      return { name, state: found.state, ...urls, pid: run?.pid ?? null, directory: projectDirectory }
    })
    const rows = sandboxes.map(({ name, state, url, https, directory }) => [
      name,
      state,
      [url, https].filter((one) => one !== null).join(' ') || '-',
      shortPath(directory, cwd),
    ])
    output.answer(
      { sandboxes },
      rows.length === 0
        ? 'no sandbox yet; start one with: hyper-sandbox up'
        : columns([['NAME', 'STATE', 'ADDRESS', 'DIRECTORY'], ...rows]),
    )
    return 0
  },
}
