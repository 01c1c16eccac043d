/** `apps`: the apps of a project, in its file and in the sandbox that runs. */
import { HyperError } from '../server/error.ts'
import { type AppReport, appErrors, appReports, stoppedReports } from './app-report.ts'
import type { Context } from './command.ts'
import { type Resolved, resolveConfig } from './config.ts'
import { addToFile, removeFromFile } from './edit-apps.ts'
import { type Engine, inspectProject, type Running } from './engines/engine.ts'
import { columns } from './output.ts'
import type { Project } from './project.ts'
import { appsInRunning, notRunning, until } from './running.ts'
import type { Run } from './state.ts'
import { didYouMean } from './suggest.ts'

const SETTLE_MS = 60_000

const ACTIONS: Readonly<Record<string, (context: Context, names: readonly string[]) => Promise<number>>> = {
  list: listApps,
  add: addApp,
  rm: removeApp,
  reload: reloadApps,
  logs: showAppLogs,
}

export async function manageApps(context: Context): Promise<number> {
  const [action = 'list', ...names] = context.args
  const run = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined
  if (run) return await run(context, names)
  throw usage(`apps: there is no action '${action}'${didYouMean(action, Object.keys(ACTIONS))}`)
}

async function listApps(context: Context, names: readonly string[]): Promise<number> {
  expectArguments(names, 0, 'apps list')
  const { output } = context
  const resolved = await resolveApps(context)
  const run = await runOf(context, resolved.project)
  const reports = run
    ? appReports(run, await appsInRunning(run, resolved.project.stateDirectory))
    : stoppedReports(resolved.config.listen.tcpPort, resolved.config.apps)
  output.answer({ running: run !== undefined, apps: reports }, listText(reports))
  return 0
}

async function addApp(context: Context, args: readonly string[]): Promise<number> {
  expectArguments(args, 2, 'apps add <name> <path>')
  const [name = '', path = ''] = args
  const { project, config } = await resolveApps(context)
  const hostname = context.flags.text('hostname')
  const file = addToFile(
    project,
    config.apps,
    { name, path, ...(hostname === undefined ? {} : { hostname }) },
    context.cwd,
  )
  return await takeEffect(context, `added ${name} to ${file}`, [name])
}

async function removeApp(context: Context, args: readonly string[]): Promise<number> {
  expectArguments(args, 1, 'apps rm <name>')
  const [name = ''] = args
  const { project, config } = await resolveApps(context)
  if (!config.apps.some((app) => app.name === name))
    throw unknownApp(
      name,
      config.apps.map((app) => app.name),
    )
  const file = removeFromFile(project, name)
  return await takeEffect(context, `removed ${name} from ${file}`, [])
}

async function reloadApps(context: Context, names: readonly string[]): Promise<number> {
  const resolved = await resolveApps(context)
  const known = resolved.config.apps.map(({ name }) => name)
  for (const name of names) if (!known.includes(name)) throw unknownApp(name, known)
  const { engine, found } = await settled(resolved.project, context)
  if (found.state !== 'running') throw notRunning(resolved.project.directory, found.state)
  const fresh = names.length > 0 ? names : known
  return await change(context, { engine, run: found.run, resolved }, { said: `reloaded ${fresh.join(', ')}`, fresh })
}

async function showAppLogs(context: Context, names: readonly string[]): Promise<number> {
  const { logRequest } = await import('./log-request.ts')
  const { project, config } = await resolveApps(context)
  const known = config.apps.map(({ name }) => name)
  for (const name of names) if (!known.includes(name)) throw unknownApp(name, known)
  const { engine } = await inspectProject(project, context.env)
  return await engine.logs(context, project, { ...logRequest({ args: [], flags: context.flags }), apps: names })
}

/** What the file says now, in a sandbox that runs. */
async function takeEffect(context: Context, said: string, expected: readonly string[]): Promise<number> {
  const resolved = await resolveApps(context)
  const { output } = context
  const missing = expected.find((name) => !resolved.config.apps.some((app) => app.name === name))
  if (missing !== undefined)
    output.warn(`the .local.yaml has apps: of its own, which count instead: ${missing} is not there`)
  const { engine, found } = await settled(resolved.project, context)
  if (found.state === 'running') return await change(context, { engine, run: found.run, resolved }, { said, fresh: [] })
  const reports = stoppedReports(resolved.config.listen.tcpPort, resolved.config.apps)
  output.report({ running: false, apps: reports }, `${said}; it is served with: hyper-sandbox up`)
  return 0
}

/** What runs once nothing is under way, such as a sandbox that follows the same file in the foreground. */
async function settled(project: Project, { env }: Context) {
  return await until(
    async () => {
      const looked = await inspectProject(project, env)
      return looked.found.state === 'starting' ? undefined : looked
    },
    SETTLE_MS,
    () => notRunning(project.directory, 'starting'),
  )
}

async function change(
  context: Context,
  { engine, run, resolved }: { engine: Engine; run: Run; resolved: Resolved },
  { said, fresh }: { said: string; fresh: readonly string[] },
): Promise<number> {
  const { output } = context
  await output.progress('changing apps', engine.applyApps(context, resolved, run, fresh))
  const reports = appReports(run, await appsInRunning(run, resolved.project.stateDirectory))
  output.report({ running: true, apps: reports }, [said, listText(reports)].join('\n\n'))
  return 0
}

function listText(reports: readonly AppReport[]): string {
  if (reports.length === 0) return 'no app yet; add one with: hyper-sandbox apps add <name> <path>'
  const rows = reports.map((report) => [
    report.name,
    report.state,
    report.url,
    String(report.requests),
    String(report.errors),
    report.memoryBytes === 0 ? '-' : `${Math.round(report.memoryBytes / 1e6)} MB`,
  ])
  const table = columns([['NAME', 'STATE', 'ADDRESS', 'REQUESTS', 'ERRORS', 'MEMORY'], ...rows])
  const devtools = reports.flatMap(({ name, devtools }) => (devtools === undefined ? [] : [`${name}: ${devtools}`]))
  return [table, devtools.join('\n'), appErrors(reports).trimEnd()].filter((text) => text !== '').join('\n\n')
}

async function resolveApps({ flags, env, cwd }: Context): Promise<Resolved> {
  return await resolveConfig({ flags: flags.without(['hostname', 'since', 'tail', 'follow']), env, cwd })
}

async function runOf({ env }: Context, project: Project): Promise<Run | undefined> {
  const { found }: { found: Running } = await inspectProject(project, env)
  return found.state === 'running' ? found.run : undefined
}

function expectArguments(args: readonly string[], count: number, form: string): void {
  if (args.length !== count)
    throw usage(`${form} takes ${count === 0 ? 'no more' : `${count} argument${count === 1 ? '' : 's'}`}`)
}

function unknownApp(name: string, known: readonly string[]): HyperError {
  return new HyperError('USAGE', `there is no app '${name}'${didYouMean(name, known)}`, {
    hint: known.length > 0 ? `Apps are ${known.join(', ')}.` : 'Add one with: hyper-sandbox apps add <name> <path>',
  })
}

function usage(message: string): HyperError {
  return new HyperError('USAGE', message, { hint: 'See: hyper-sandbox apps --help' })
}
