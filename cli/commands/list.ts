import { type Command, type Context, JSON_FLAG } from '../command.ts'

export const list: Command = {
  name: 'list',
  summary: "show all of this user's sandboxes, running or not",
  flags: [JSON_FLAG],
  examples: [['list', 'Name, state, address and directory of each.']],
  async run({ output, env, cwd }: Context) {
    const { registeredSandboxes } = await import('../registry.ts')
    const { inspectRegistered } = await import('../inspect-registered.ts')
    const { columns } = await import('../output.ts')
    const { shortPath } = await import('../summary.ts')
    const sandboxes = await Promise.all(
      registeredSandboxes(env).map(async (known) => {
        const { engine, state, run } = await inspectRegistered(known, env)
        const urls = { url: run?.url ?? null, https: run?.https?.url ?? null }
        const pid = run?.engine === 'embedded' ? run.pid : null
        return { name: known.name, engine, state, ...urls, pid, directory: known.projectDirectory }
      }),
    )
    const rows = sandboxes.map(({ name, engine, state, url, https, directory }) => [
      name,
      engine,
      state,
      [url, https].filter((one) => one !== null).join(' ') || '-',
      shortPath(directory, cwd),
    ])
    output.answer(
      { sandboxes },
      rows.length === 0
        ? 'no sandbox yet; start one with: hyper-sandbox up'
        : columns([['NAME', 'ENGINE', 'STATE', 'ADDRESS', 'DIRECTORY'], ...rows]),
    )
    return 0
  },
}
