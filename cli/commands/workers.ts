import type { Command, Context } from '../command.ts'

/** Not for people: the container of apps in a stack. What it runs its gateway tells it. */
export const workers: Command = {
  name: '_workers',
  summary: 'the host of apps in a stack',
  flags: [
    { name: 'domain', value: '<name>', about: 'domain that its apps are bound to' },
    { name: 'production', about: 'tell clients nothing of what went wrong' },
  ],
  examples: [],
  async run(context: Context) {
    const { runWorkers } = await import('../run-workers.ts')
    return await runWorkers(context)
  },
}
