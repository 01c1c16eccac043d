/** What a verb is: one value from which parsing, help, completion and documentation come. */
import type { Flag, Flags } from './flags.ts'
import type { Output } from './output.ts'

export interface Context {
  readonly args: readonly string[]
  readonly flags: Flags
  readonly output: Output
  readonly env: NodeJS.ProcessEnv
  readonly cwd: string
  /** File that is this command line, for starting another process of it. */
  readonly entry: string
  /** Ends the process at once; only its exit handlers still run. */
  readonly exit: (code: number) => void
}

export interface Command {
  readonly name: string
  readonly summary: string
  /** Longer text for its help, instead of the summary. */
  readonly about?: string
  /** Positional arguments, in commander's spelling: `[kinds]`, `[service...]`. */
  readonly args?: string
  readonly flags: readonly Flag[]
  /** Command line without the program's name, and what it does. */
  readonly examples: readonly (readonly [line: string, effect: string])[]
  /** Resolves with the exit code; undefined is 0. @throws HyperError */
  run(context: Context): Promise<number | undefined>
}

export const JSON_FLAG: Flag = { name: 'json', about: 'answer with one JSON envelope on stdout' }
export const CONFIG_FLAG: Flag = {
  name: 'config',
  value: '<file>',
  about: 'project file (default: the nearest hyper-sandbox.yaml upwards)',
}
