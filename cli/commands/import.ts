import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'

export const importVerb: Command = {
  name: 'import',
  summary: 'bring in what a hyper nano kept in its __hyper__',
  about:
    'Brings what hyper nano kept in a directory (__hyper__) into this project: cache, search, queues with the jobs that wait or ' +
    'failed, and storage. The directory is only read; stop hyper nano first. What is here already stays as it is, so it can be ' +
    'done again. Data is in files that only MongoDB can read: the command says how to copy it.',
  args: '<directory>',
  flags: [
    { name: 'domain', value: '<name>', about: 'only this domain (default: all there are)' },
    { name: 'only', value: '<list>', about: 'only these services' },
    CONFIG_FLAG,
    JSON_FLAG,
  ],
  examples: [
    ['import __hyper__', 'Everything, whether the sandbox runs or not.'],
    ['import ../old/__hyper__ --only cache,storage --domain shop', 'A part of it.'],
  ],
  async run(context: Context) {
    const { importServices } = await import('../import-services.ts')
    return await importServices(context)
  },
}
