/** Arguments of one verb, read by commander from the verb's table; its help too. */
import { Command as Commander, CommanderError } from 'commander'
import { HyperError } from '../server/error.ts'
import type { Command } from './command.ts'
import { Flags, type FlagValue } from './flags.ts'

const HELP_COLUMNS = 80

/** @throws HyperError USAGE, with commander's suggestion; CONFIG_INVALID for an environment variable */
export function parseVerb(command: Command, argv: readonly string[], env: NodeJS.ProcessEnv) {
  const program = describe(command)
  try {
    program.parse([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.code === 'commander.helpDisplayed') return 'help'
    throw usageError(error, command)
  }
  const line = new Map<string, FlagValue>()
  for (const option of program.options) {
    const value = program.getOptionValue(option.attributeName()) as FlagValue | undefined
    if (value === '')
      throw new HyperError('USAGE', `${option.long} needs a value`, {
        hint: `See: hyper-sandbox ${command.name} --help`,
      })
    if (value !== undefined) line.set(option.name(), value)
  }
  return { args: program.args, flags: new Flags(line, command.flags, env) }
}

export function helpText(command: Command): string {
  const examples = command.examples.map(([line, effect]) => `  hyper-sandbox ${line}\n      ${effect}`)
  return `${describe(command).helpInformation()}\nExamples:\n${examples.join('\n')}\n`
}

function describe(command: Command): Commander {
  const program = new Commander(`hyper-sandbox ${command.name}`)
    .description(command.about ?? command.summary)
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({ writeOut() {}, writeErr() {} })
    .configureHelp({ helpWidth: HELP_COLUMNS })
  if (command.args) program.argument(command.args)
  for (const flag of command.flags) {
    const short = flag.short ? `-${flag.short}, ` : ''
    const value = flag.value ? ` ${flag.value}` : ''
    program.option(`${short}--${flag.name}${value}`, flag.about)
  }
  return program
}

function usageError(error: CommanderError, command: Command): HyperError {
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  return new HyperError('USAGE', suggestion ? `${message} ${suggestion}` : message, {
    hint: `See: hyper-sandbox ${command.name} --help`,
  })
}
