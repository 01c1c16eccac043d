/** A running sandbox in words: the table that `up` ends with, and the same facts for machines. */
import { homedir } from 'node:os'
import { relative, sep } from 'node:path'
import type { Emptied } from '../server/purge.ts'
import { columns, type Output } from './output.ts'
import type { Run } from './state.ts'

/** What `--json` tells of a run. */
export function describeRun(run: Run, emptied: readonly Emptied[] = []) {
  const { phase, arguments: line, host, tcpPort, ...told } = run
  return { ...told, connectionString: connectionString(run), address: { host, tcpPort }, emptied }
}

/** What hyper-connect takes. */
export function connectionString(run: Pick<Run, 'url' | 'domain'>): string {
  return `${run.url}/${run.domain}`
}

export function summaryOf(
  output: Output,
  run: Run,
  facts: { cwd: string; emptied?: readonly Emptied[]; created?: readonly string[] },
): string {
  const { url, domain, services } = run
  const rows = services.map((service) => [service, `${url}/${service}/${domain}`])
  const about = [
    ['connect', `HYPER=${connectionString(run)}`],
    ['stored', run.ephemeral ? 'in a temporary directory, gone at the end' : shortPath(run.dataDirectory, facts.cwd)],
    ['try', example(run, facts.created ?? [])],
  ]
  const table = columns(
    [...rows, ...about].map(([label = '', text = '']) => [output.style('bold', label.padEnd(8)), text]),
  )
  const purged = (facts.emptied ?? []).map((one) => `  ${emptiedLine(one)}\n`).join('')
  const title = `${output.style('green', 'hyper-sandbox')} ${run.version}, ${run.name}, engine ${run.engine}`
  return `\n  ${title}\n\n${indent(table)}\n${purged === '' ? '' : `\n${purged}`}`
}

export function emptiedLine({ service, domain, count }: Emptied): string {
  const [one, many] = service === 'data' ? ['document', 'documents'] : ['key', 'keys']
  return `${service} '${domain}' emptied: ${count} ${count === 1 ? one : many}`
}

/** A line to paste that works as things stand. */
function example({ url, domain, services }: Run, created: readonly string[]): string {
  const service = created[0] ?? services[0] ?? 'data'
  if (created.length === 0) return `curl -X PUT ${url}/${service}/${domain}`
  const body = service === 'cache' ? '{"key":"hello","value":{"n":1}}' : '{"_id":"hello","n":1}'
  return `curl ${url}/${service}/${domain} \\\n            -d '${body}'`
}

/** As short as it stays true: relative inside the working directory, `~` inside the home. */
export function shortPath(path: string, cwd: string): string {
  const inside = relative(cwd, path)
  if (inside !== '' && !inside.startsWith('..')) return inside
  return path.startsWith(homedir() + sep) ? `~${path.slice(homedir().length)}` : path
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ')
}
