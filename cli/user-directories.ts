/** Where things of this user, not of one project, are kept: below `$HYPER_SANDBOX_HOME`, else after the XDG rules. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What must last: which sandboxes there are. */
export function stateHome(env: NodeJS.ProcessEnv): string {
  return env.HYPER_SANDBOX_HOME || join(env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'hyper-sandbox')
}

/** The certificate authority behind `up --tls`. */
export function authorityDirectory(env: NodeJS.ProcessEnv): string {
  return join(stateHome(env), 'authority')
}

/** What can be made again. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  if (env.HYPER_SANDBOX_HOME) return join(env.HYPER_SANDBOX_HOME, 'cache')
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hyper-sandbox')
}
