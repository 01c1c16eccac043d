import type { Command, Context } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { RUN_FLAGS } from './up.ts'

const LEFT_OUT = ['purge', 'ephemeral', 'engine', 'domain']

export const exportVerb: Command = {
  name: 'export',
  summary: 'write the stack as a Compose file that works without this tool',
  about:
    'Writes what the compose engine would run as a compose.yaml, with a .env to fill in: no password leaves this project. Without ' +
    '--output the Compose file is printed. Needs no Docker.',
  args: '<form>',
  flags: [
    { name: 'output', short: 'o', value: '<directory>', about: 'write compose.yaml and .env.example there' },
    ...RUN_FLAGS.filter(({ name }) => !LEFT_OUT.includes(name)),
    JSON_FLAG,
  ],
  examples: [
    ['export compose > compose.yaml', 'To read, or to begin a file of your own with.'],
    ['export compose --output deploy', 'deploy/compose.yaml and deploy/.env.example.'],
  ],
  async run(context: Context) {
    const { exportStack } = await import('../export-stack.ts')
    return await exportStack(context)
  },
}
