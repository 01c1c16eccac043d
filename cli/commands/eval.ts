import type { Command, Context } from '../command.ts'

export const evalVerb: Command = {
  name: 'eval',
  summary: 'evaluate JavaScript and print what it comes to',
  args: '<source>',
  flags: [],
  examples: [['eval \'new URL("/a", "http://b").href\'', 'A promise is waited for. Exit code 1 when it throws.']],
  async run(context: Context) {
    const { evaluateOnce } = await import('../scripts.ts')
    return await evaluateOnce(context)
  },
}
