import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'

export const open: Command = {
  name: 'open',
  summary: "show the running sandbox's API in the browser",
  about: "Opens the running sandbox's API documentation in the browser, and prints its address.",
  flags: [CONFIG_FLAG, JSON_FLAG],
  examples: [['open', 'Try the API from a page.']],
  async run(context: Context) {
    const { flags, output, cwd } = context
    const { findProject } = await import('../project.ts')
    const { requireRunning } = await import('../running.ts')
    const { openInBrowser } = await import('../browser.ts')
    const project = findProject(cwd, flags.text('config'))
    const run = await requireRunning(project, context.env)
    const url = `${run.url}/docs`
    const opened = await openInBrowser(url)
    if (!opened) output.warn('no browser could be started here; open the address yourself')
    output.answer({ url, opened }, url)
    return 0
  },
}
