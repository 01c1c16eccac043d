import { CONFIG_FLAG, type Command, type Context, JSON_FLAG } from '../command.ts'
import { TIMEOUT_FLAG } from './up.ts'

export const restart: Command = {
  name: 'restart',
  summary: 'stop the sandbox and start it again in the background',
  about:
    'Stops the sandbox of this project and starts it again as it was started, in the background, at the same address. The ' +
    'embedded engine is one process: naming services restarts them together with the others.',
  args: '[service...]',
  flags: [TIMEOUT_FLAG, CONFIG_FLAG, JSON_FLAG],
  examples: [
    ['restart', 'After a change of the project file.'],
    ['restart data', 'Services may be named.'],
  ],
  async run(context: Context) {
    const { restartSandbox } = await import('../restart-sandbox.ts')
    return await restartSandbox(context)
  },
}
