/** `purge`: through the running sandbox, or on the files of a stopped one while holding its lock. */
import { HyperError } from '../server/error.ts'
import type { Emptied } from '../server/purge.ts'
import type { Context } from './command.ts'
import { KINDS, parseKinds, resolveConfig } from './config.ts'
import { confirm } from './confirm.ts'
import { inspectProject } from './engines/engine.ts'
import { purgeRunning } from './running.ts'
import { busy } from './stopped-services.ts'
import { emptiedLine } from './summary.ts'

export async function purgeServices({ args, flags, output, env, cwd }: Context): Promise<number> {
  const kinds = args[0] === undefined ? undefined : parseKinds(args[0], 'purge')
  if (flags.has('all') && flags.has('domain'))
    throw new HyperError('USAGE', '--all and --domain exclude each other', { hint: 'Leave one of them out.' })
  // A domain made through the API may have any name.
  const resolved = await resolveConfig({ flags: flags.without(['domain']), env, cwd })
  const { stateDirectory } = resolved.config
  const { engine, found } = await inspectProject(resolved.project, env)
  const domain = flags.text('domain') ?? (found.state === 'running' ? found.run.domain : resolved.config.domain)
  const target = flags.has('all') ? undefined : domain

  const off = found.state === 'running' && kinds?.find((kind) => !found.run.services.includes(kind))
  if (off)
    throw new HyperError('SERVICE_NOT_STARTED', `this sandbox runs without ${off}, so that cannot be emptied now`, {
      hint: `Stop it with: hyper-sandbox down; then purge again, which works on a stopped one.`,
    })

  if (!flags.has('yes') && output.interactive) {
    const where = target === undefined ? 'all domains' : `the domain '${target}'`
    const what = kinds ? new Intl.ListFormat('en').format(kinds) : 'every service'
    await confirm(output, `Empty ${what} of ${where} in ${resolved.project.directory}?`)
  }
  const request = target === undefined ? { kinds, all: true as const } : { kinds, domain: target }
  if (found.state === 'starting') throw busy()
  const emptied = await output.progress(
    'emptying',
    found.state === 'running'
      ? purgeRunning(found.run, stateDirectory, request)
      : engine.purgeStopped(resolved, kinds, target),
  )
  const nothing = `nothing to empty in ${target === undefined ? 'any domain' : `the domain '${target}'`}`
  output.answer(
    { domain: target ?? null, all: target === undefined, emptied },
    inOrder(emptied).map(emptiedLine).join('\n') || nothing,
  )
  return 0
}

function inOrder(emptied: readonly Emptied[]): Emptied[] {
  return KINDS.flatMap((kind) => emptied.filter(({ service }) => service === kind))
}
