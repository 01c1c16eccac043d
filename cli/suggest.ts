import { Command, CommanderError } from 'commander'

/** The candidate that `word` is likely a misspelling of. Commander's measure, which it uses for verbs and flags too. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  const program = new Command().exitOverride().configureOutput({ writeErr() {} })
  for (const candidate of new Set(candidates)) program.command(candidate).action(() => {})
  try {
    program.helpCommand(false).parse([word], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return /\(Did you mean (?:one of )?([^,?]+)/.exec(error.message)?.[1]
    throw error
  }
  return undefined
}

/** ` (did you mean 'x'?)`, or nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const candidate = suggest(word, candidates)
  return candidate === undefined ? '' : ` (did you mean '${candidate}'?)`
}
