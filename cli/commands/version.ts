import { type Command, type Context, JSON_FLAG } from '../command.ts'

export const version: Command = {
  name: 'version',
  summary: 'show the version of hyper-sandbox and of Node',
  flags: [JSON_FLAG],
  examples: [['version', 'What to name in a report of a defect.']],
  async run({ output }: Context) {
    const { VERSION } = await import('../version.ts')
    const facts = { version: VERSION, node: process.version, platform: `${process.platform}-${process.arch}` }
    output.answer(facts, `hyper-sandbox ${VERSION} (node ${facts.node}, ${facts.platform})`)
    return 0
  },
}
