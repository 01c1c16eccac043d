/** Apps in words: where each is reached, how it is, and what its author has to mend. */
import type { AppConfig, AppStatus, LoadError } from '../server/ports/apps.ts'
import type { Run } from './state.ts'

export interface AppReport {
  name: string
  /** Where a browser on this machine reaches it; a pattern of hosts stands as it is. */
  url: string
  state: AppStatus['state'] | 'stopped'
  error?: LoadError | undefined
  requests: number
  errors: number
  memoryBytes: number
}

export function appReports({ tcpPort }: Pick<Run, 'tcpPort'>, statuses: readonly AppStatus[]): AppReport[] {
  return statuses.map(({ name, hostnames, state, error, requests, errors, memoryBytes }) => ({
    name,
    url: appUrl(hostnames, tcpPort),
    state,
    // Of an error JSON has no message.
    ...(error ? { error: { ...error, name: error.name, message: error.message } } : {}),
    requests,
    errors,
    memoryBytes,
  }))
}

/** Of those that do not run. */
export function stoppedReports(tcpPort: number, apps: readonly AppConfig[]): AppReport[] {
  return apps.map(({ name, hostnames }) => ({
    name,
    url: appUrl(hostnames, tcpPort),
    state: 'stopped',
    requests: 0,
    errors: 0,
    memoryBytes: 0,
  }))
}

function appUrl(hostnames: readonly string[], tcpPort: number): string {
  return `http://${hostnames[0]}:${tcpPort}`
}

const WORDS: Record<AppReport['state'], string> = {
  starting: 'starting',
  running: '',
  broken: 'its last version serves on',
  failed: 'does not run',
  idle: 'starts with its next request',
  draining: 'ends',
  stopped: 'does not run',
}

/** Such as `hello: does not run`; only the name where all is well. */
export function appPhrase({ name, state }: AppReport): string {
  return WORDS[state] === '' ? name : `${name}: ${WORDS[state]}`
}

/** What is wrong with each that could not be loaded, and where. */
export function appErrors(reports: readonly AppReport[]): string {
  return reports
    .flatMap(({ name, state, error }) => {
      if (!error) return []
      const effect = state === 'broken' ? 'its last version serves on' : 'everything else is served'
      const lines = [`${name}: ${error.name}: ${error.message}; ${effect}`]
      if (error.location !== undefined) lines.push(`  at ${error.location}`)
      if (error.frame !== undefined) lines.push(error.frame.replace(/^/gm, '  '))
      return [`${lines.join('\n')}\n`]
    })
    .join('')
}
