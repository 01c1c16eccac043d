import type { Resolved } from './config.ts'
import type { Flags } from './flags.ts'

/** Flags that are about the command, not about the sandbox. */
export const OWN_FLAGS = ['detach', 'wait', 'timeout', 'json']

/** The line without what counts once; for hyper nano's form in the terms of `up`, which takes flags for what shall run. */
export function restartArguments(flags: Flags, resolved: Resolved, nano: boolean): string[] {
  const once = [...OWN_FLAGS, 'purge']
  if (!nano) return flags.toArguments(once)
  const running = Object.keys(resolved.config.services)
  return [...flags.toArguments([...once, 'only', 'exclude']), `--only=${running.join(',')}`]
}
