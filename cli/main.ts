/** The command line's entry: picks the verb, loads it, ends with its exit code. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { HyperError } from '../server/error.ts'
import { asCliError } from './cli-error.ts'
import type { Command } from './command.ts'
import { isOn, variableOf } from './flags.ts'
import { Output } from './output.ts'
import { cacheDirectory } from './user-directories.ts'
import { WORKERS_VARIABLES } from './workers-variables.ts'

/** In the order help shows them. Only the verb that runs is loaded. */
const VERBS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./commands/up.ts')).up,
  down: async () => (await import('./commands/down.ts')).down,
  restart: async () => (await import('./commands/restart.ts')).restart,
  status: async () => (await import('./commands/status.ts')).status,
  list: async () => (await import('./commands/list.ts')).list,
  logs: async () => (await import('./commands/logs.ts')).logs,
  wait: async () => (await import('./commands/wait.ts')).wait,
  purge: async () => (await import('./commands/purge.ts')).purge,
  apps: async () => (await import('./commands/apps.ts')).apps,
  import: async () => (await import('./commands/import.ts')).importVerb,
  pull: async () => (await import('./commands/pull.ts')).pull,
  export: async () => (await import('./commands/export.ts')).exportVerb,
  env: async () => (await import('./commands/env.ts')).env,
  open: async () => (await import('./commands/open.ts')).open,
  config: async () => (await import('./commands/config.ts')).config,
  serve: async () => (await import('./commands/serve.ts')).serve,
  run: async () => (await import('./commands/run.ts')).run,
  eval: async () => (await import('./commands/eval.ts')).evalVerb,
  repl: async () => (await import('./commands/repl.ts')).repl,
  version: async () => (await import('./commands/version.ts')).version,
}

const ALIASES: Readonly<Record<string, string>> = {
  start: 'up',
  stop: 'down',
  '--version': 'version',
  '-V': 'version',
}

/** Verbs that our own processes use on each other. */
const HIDDEN: typeof VERBS = {
  _detached: async () => (await import('./commands/detached.ts')).detached,
  _workers: async () => (await import('./commands/workers.ts')).workers,
}

/** Variables that are no flag's. */
const OTHER_VARIABLES: readonly string[] = [
  'HYPER_SANDBOX_HOME',
  'HYPER_SANDBOX_DEBUG',
  'HYPER_SANDBOX_AUTH_KEY',
  'HYPER_SANDBOX_AUTH_SECRET',
  'HYPER_SANDBOX_ALLOWED_HOSTS',
  'HYPER_SANDBOX_ALLOWED_ORIGINS',
  'HYPER_SANDBOX_TOKEN',
  'HYPER_SANDBOX_SIGNING_KEY',
  'HYPER_SANDBOX_TLS_CERTIFICATE',
  'HYPER_SANDBOX_TLS_KEY',
  'HYPER_SANDBOX_CONTAINER',
  ...WORKERS_VARIABLES,
]

async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [first, ...rest] = argv
  const help = first === undefined || first === 'help' || first === '--help' || first === '-h'
  const word = help ? rest[0] : first
  const verb = word === undefined ? undefined : (own(ALIASES, word) ?? word)
  const json = argv.includes('--json') || isOn(env[variableOf('json')])
  const output = new Output({ json, command: verb ?? 'help', env })
  try {
    if (verb === undefined) return await overview(output)
    if (verb === '_nano' || (verb.startsWith('-') && !help)) {
      if (argv.includes('--help') || argv.includes('-h')) return await overview(output)
      const { nano } = await import('./nano.ts')
      return await nano(
        contextOf(output, env),
        verb === '_nano' ? { argv: rest, bin: 'hyper-nano' } : { argv, bin: 'hyper-sandbox' },
      )
    }
    const load = own(VERBS, verb) ?? own(HIDDEN, verb)
    if (!load) throw await unknownVerb(verb)
    const command = await load()
    const { parseVerb, helpText } = await import('./parse.ts')
    const parsed = help ? 'help' : parseVerb(command, rest, env)
    if (parsed === 'help') {
      output.answer({ help: helpText(command) }, helpText(command))
      return 0
    }
    if (verb in VERBS) await warnOfUnknownVariables(output, env)
    return (await command.run({ ...contextOf(output, env), ...parsed })) ?? 0
  } catch (error) {
    const known = asCliError(error)
    output.fail(known)
    return known.exitCode
  } finally {
    await output.flush()
  }
}

function contextOf(output: Output, env: NodeJS.ProcessEnv) {
  return { output, env, cwd: process.cwd(), entry: process.argv[1] ?? '', exit }
}

async function overview(output: Output): Promise<number> {
  const commands = await Promise.all(Object.values(VERBS).map((load) => load()))
  const { overviewText } = await import('./overview.ts')
  output.answer({ commands: commands.map(({ name, summary }) => ({ name, summary })) }, overviewText(commands))
  return 0
}

async function unknownVerb(verb: string): Promise<HyperError> {
  const { didYouMean } = await import('./suggest.ts')
  const names = [...Object.keys(VERBS), ...Object.keys(ALIASES), 'help'].filter((name) => !name.startsWith('-'))
  return new HyperError('USAGE', `there is no command '${verb}'${didYouMean(verb, names)}`, {
    hint: 'See: hyper-sandbox --help',
  })
}

/** A misspelt variable would otherwise do nothing, silently. */
async function warnOfUnknownVariables(output: Output, env: NodeJS.ProcessEnv): Promise<void> {
  const names = Object.keys(env).filter((name) => name.startsWith('HYPER_SANDBOX_') && !OTHER_VARIABLES.includes(name))
  if (names.length === 0) return
  const commands = await Promise.all(Object.values(VERBS).map((load) => load()))
  const [{ didYouMean }, { serviceVariables }] = await Promise.all([
    import('./suggest.ts'),
    import('./service-variables.ts'),
  ])
  const known = [
    ...OTHER_VARIABLES,
    ...serviceVariables(),
    ...commands.flatMap(({ flags }) => flags.map((flag) => variableOf(flag.name))),
  ]
  for (const name of names.filter((one) => !known.includes(one)))
    output.warn(`${name} means nothing here${didYouMean(name, known)}`)
}

/** A table's own entry: `constructor` is no verb. */
function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

function exit(code: number): never {
  process.exit(code)
}

// A third off every start but the first. Where it cannot be kept, nothing happens.
enableCompileCache(join(cacheDirectory(process.env), 'compiled'))
exit(await main(process.argv.slice(2), process.env))
