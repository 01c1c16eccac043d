import type { Command, Context } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { RUN_FLAGS } from './up.ts'

export const config: Command = {
  name: 'config',
  summary: 'show what up would run, with everything resolved',
  about:
    'Shows what up would run with the same flags: flag wins over environment (HYPER_SANDBOX_*, PORT), then project file, then what ' +
    'this project remembers, then the default.',
  flags: [...RUN_FLAGS, { name: 'schema', about: "print the project file's JSON Schema instead" }, JSON_FLAG],
  examples: [
    ['config', 'Check a project file.'],
    ['config --port 0 --json', 'The same for a script.'],
    ['config --schema > schema.json', 'For an editor.'],
  ],
  async run(context: Context) {
    const { showConfig } = await import('../show-config.ts')
    return await showConfig(context)
  },
}
