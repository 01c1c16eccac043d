import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'

export const purge: Command = {
  name: 'purge',
  summary: 'empty services of a domain',
  about:
    'Empties the services of a domain: what existed exists again, empty, with its settings. Works on a stopped sandbox too. A ' +
    'terminal is asked first; in a script the command itself is the consent.',
  args: '[services]',
  flags: [
    { name: 'domain', value: '<name>', about: 'domain to empty (default: the one that runs, else test)' },
    { name: 'all', about: 'empty every domain' },
    { name: 'yes', short: 'y', about: 'do not ask' },
    CONFIG_FLAG,
    JSON_FLAG,
  ],
  examples: [
    ['purge', 'Empty all services of the domain test.'],
    ['purge data,cache --domain shop', 'Only these two, in the domain shop.'],
    ['purge --all --yes', 'Everything, without a question.'],
  ],
  async run(context: Context) {
    const { purgeServices } = await import('../purge-services.ts')
    return await purgeServices(context)
  },
}
