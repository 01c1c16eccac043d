import type { Command, Context } from '../command.ts'

export const repl: Command = {
  name: 'repl',
  summary: 'type JavaScript and see what it comes to, with the globals of apps',
  flags: [],
  examples: [
    ['repl', 'Names stay from line to line; promises are waited for. Leave with exit or Ctrl-D.'],
    ['repl < lines.js', 'Only results are written.'],
  ],
  async run(context: Context) {
    const { readEvaluatePrint } = await import('../scripts.ts')
    return await readEvaluatePrint(context)
  },
}
