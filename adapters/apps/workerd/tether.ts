/** What ends a process when we end, even by `kill -9`: workerd alone would live on (worker-runtime §12.6). */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Writable } from 'node:stream'

/**
 * `kernel`: a signal at the death of the parent, as Linux has it. `shell`: a shell that waits for our end of a pipe. `none`: in an
 * image made from nothing, where everything ends with the first process.
 */
export type Tether = 'kernel' | 'shell' | 'none'

/** Where systems keep it; images that were made from nothing have none. */
const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file))

const SHELL = '/bin/sh'

export const strongestTether: Tether =
  process.platform === 'linux' && setpriv !== undefined ? 'kernel' : existsSync(SHELL) ? 'shell' : 'none'

/** Of the pipe, in the child. */
const PIPE = 4
/**
 * The shell becomes the process, so that its number, its signals and its end are the process's own. The one that waits in its
 * background holds none of its other pipes. A line says that the process has ended already and its number may be another's.
 */
const WAIT = `(exec <&- >&- 2>&- 3>&-; read -r _ <&${PIPE} || kill -9 $$) & exec "$@" ${PIPE}<&-`

/** Its standard output and error, and a control pipe as its third, are ours to read. */
export function spawnTethered(command: readonly string[], tether: Tether): ChildProcess {
  const [file = '', ...args] = tethered(command, tether)
  const pipes = Array.from({ length: tether === 'shell' ? PIPE : PIPE - 1 }, () => 'pipe' as const)
  // A group of its own: a Ctrl-C in the terminal is ours to answer, or apps would be gone before their requests are drained.
  const child = spawn(file, args, { detached: true, stdio: ['ignore', ...pipes], env: {} })
  const pipe = child.stdio[PIPE] as Writable | undefined
  pipe?.on('error', () => {})
  child.once('exit', () => pipe?.end('\n'))
  return child
}

function tethered(command: readonly string[], tether: Tether): readonly string[] {
  if (tether === 'kernel' && setpriv) return [setpriv, '--pdeathsig', 'KILL', '--', ...command]
  if (tether === 'none') return command
  return [SHELL, '-c', WAIT, 'sh', ...command]
}
