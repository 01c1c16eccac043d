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
  /** Opened in Chrome, its DevTools attach to the app. */
  devtools?: string | undefined
}

export function appReports({ tcpPort }: Pick<Run, 'tcpPort'>, statuses: readonly AppStatus[]): AppReport[] {
  return statuses.map(({ name, hostnames, state, error, requests, errors, memoryBytes, inspectors = [] }) => ({
    name,
    url: appUrl(hostnames, tcpPort),
    state,
    ...(error ? { error } : {}),
    requests,
    errors,
    memoryBytes,
    ...(inspectors[0] === undefined ? {} : { devtools: devtoolsUrl(inspectors[0]) }),
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

/** The app's own isolate, beside those that are ours. */
function devtoolsUrl(inspector: string): string {
  return `devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&ws=${inspector}/app`
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
function appPhrase({ name, state }: AppReport): string {
  return WORDS[state] === '' ? name : `${name}: ${WORDS[state]}`
}

/** A row for each in a table of what runs, and one more where a debugger can be attached. */
export function appRows(reports: readonly AppReport[]): string[][] {
  return reports.flatMap((report) => [
    ['app', `${report.url}  ${appPhrase(report)}`],
    ...(report.devtools === undefined ? [] : [['inspect', report.devtools]]),
  ])
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
