import type { Command, Context } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { RUN_FLAGS } from './up.ts'

const NAMES = ['data', 'cache', 'storage', 'search', 'queue', 'only', 'exclude', 'engine', 'config']

export const pull: Command = {
  name: 'pull',
  summary: 'bring the images of the compose engine onto this machine',
  about:
    'Brings the images that up would take onto this machine, so that it starts without a network. An image once chosen stays the ' +
    'same, by its digest; --update chooses anew. The embedded engine needs none.',
  flags: [
    { name: 'update', about: 'choose anew, and ask for newer ones' },
    ...RUN_FLAGS.filter(({ name }) => NAMES.includes(name)),
    JSON_FLAG,
  ],
  examples: [
    ['pull', 'Before a journey, or while an image of a machine is made.'],
    ['pull --data --cache --engine compose', 'Only what these two take.'],
    ['pull --update && hyper-sandbox up --detach', 'Move on to newer images.'],
  ],
  async run(context: Context) {
    const { pullForProject } = await import('../pull-for-project.ts')
    return await pullForProject(context)
  },
}
