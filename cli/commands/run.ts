import type { Command, Context } from '../command.ts'

export const run: Command = {
  name: 'run',
  summary: 'run a JavaScript file with the globals of apps, without a server',
  about:
    'Runs a file to its end, as long as timers and requests of it are open. It has the globals of apps, and no fetch handler ' +
    'is called. Exit code 1 when it throws.',
  args: '<file>',
  flags: [],
  examples: [['run script.js', 'What it prints goes to stdout.']],
  async run(context: Context) {
    const { runFile } = await import('../scripts.ts')
    return await runFile(context)
  },
}
