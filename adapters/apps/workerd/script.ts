/** Code that is no app: a script that runs once, and lines that are evaluated one after the other (worker-runtime §§1.1, 1.5). */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { PassThrough, type Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { DEFAULT_COMPATIBILITY_DATE } from '../../../server/ports/app-entry.ts'
import type { LoadError } from '../../../server/ports/apps.ts'
import { type Bundle, bundleApp } from './bundle.ts'
import { raw, type Value, write } from './capnp.ts'
import { FILES, networkOf } from './configuration.ts'
import { type ConsoleLine, consoleLine } from './console-line.ts'
import { explainStart } from './explain-start.ts'
import { workerdBinary, writeWorker } from './process.ts'
import { withOrigins } from './source-positions.ts'
import { spawnTethered, strongestTether } from './tether.ts'

export interface ScriptOptions {
  /** For sockets and modules; its owner removes it. Short: names of sockets have limits. */
  directory: string
  onConsole(line: ConsoleLine): void
}

/** What a piece of source came to. */
export type Evaluated = { value: string } | { error: string; line: number; column: number } | { incomplete: true }

export interface Evaluator extends AsyncDisposable {
  /** Names declared by one source are there for the next. */
  evaluate(source: string): Promise<Evaluated>
}

/** @returns how it failed, or nothing. @throws LoadError for a file that cannot be run */
export async function runScript(path: string, options: ScriptOptions): Promise<string | undefined> {
  const bundle = await bundleApp({
    path,
    compat: ['stateful'],
    compatibilityDate: DEFAULT_COMPATIBILITY_DATE,
    compatibilityFlags: [],
  })
  await using script = await start(options, 'run.js', bundle)
  // Its end is workerd's refusal to wait for what cannot come.
  await script.ask('/').catch(() => {})
  const { body } = await script.ask('/failure')
  const { failure } = (await body.json()) as { failure?: string }
  return failure === undefined ? undefined : withOrigins(failure, bundle)
}

export async function startEvaluator(options: ScriptOptions): Promise<Evaluator> {
  const script = await start(options, 'evaluate.js')
  const sources = new PassThrough()
  // Nothing is sent before the first line.
  sources.write('\n')
  const { body } = await script.ask('/', sources)
  const answers = createInterface({ input: body })[Symbol.asyncIterator]()
  return {
    async evaluate(source) {
      sources.write(`${JSON.stringify(source)}\n`)
      const { value, done } = await answers.next()
      return done ? { error: 'the evaluation has ended', line: 0, column: 0 } : (JSON.parse(value) as Evaluated)
    },
    async [Symbol.asyncDispose]() {
      sources.destroy()
      await script[Symbol.asyncDispose]()
    },
  }
}

interface Script extends AsyncDisposable {
  ask(path: string, body?: Readable): ReturnType<typeof request>
}

/** @param bundle of `app.js`, which `main` imports */
async function start({ directory, onConsole }: ScriptOptions, main: string, bundle?: Bundle): Promise<Script> {
  const modules = bundle?.modules ?? []
  const configuration = configurationOf(directory, main, modules)
  await writeWorker(directory, configuration, [main, 'prelude.js', 'outbound.js'], modules)
  const command = [workerdBinary(), 'serve', '--experimental', '--control-fd=3', join(directory, FILES.configuration)]
  const child = spawnTethered(command, strongestTether)
  const exited = once(child, 'exit').catch(() => {})
  const said: string[] = []
  for (const stream of [child.stdout, child.stderr] as Readable[]) {
    createInterface({ input: stream }).on('line', (line) => {
      said.push(line)
      const parsed = isConsoleCall(line) ? consoleLine(line) : undefined
      if (parsed) onConsole({ ...parsed, message: bundle ? withOrigins(parsed.message, bundle) : parsed.message })
    })
  }
  const dispatcher = new Agent({
    connect: { socketPath: join(directory, FILES.app) },
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  const script: Script = {
    ask: (path, body) => request(`http://script${path}`, { dispatcher, ...(body ? { method: 'POST', body } : {}) }),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await Promise.all([exited, dispatcher.destroy()])
      await rm(directory, { recursive: true, force: true })
    },
  }
  if (await Promise.race([listens(child), exited.then(() => false)])) return script
  await script[Symbol.asyncDispose]()
  throw explainStart(said, bundle ?? NO_BUNDLE) satisfies LoadError
}

const NO_BUNDLE: Bundle = { modules: [], map: '', inputs: [], usesNode: false, digest: '' }

/** The runtime's own words have their time as text, or none: they are about the request that a script's end leaves hanging. */
function isConsoleCall(line: string): boolean {
  return /^\{"timestamp":\d/.test(line)
}

async function listens({ stdio: [, , , control] }: ChildProcess): Promise<boolean> {
  await once(createInterface({ input: control as Readable }), 'line')
  return true
}

function configurationOf(directory: string, main: string, modules: Bundle['modules']): string {
  const config: Value = {
    logging: { structuredLogging: true },
    services: [
      { name: 'script', worker: raw('.script') },
      { name: 'outbound', worker: raw('.outbound') },
      { name: 'network', network: networkOf('public') },
    ],
    sockets: [{ name: 'script', address: `unix:${join(directory, FILES.app)}`, service: 'script', http: {} }],
  }
  const worker: Value = {
    modules: [
      ...[main, 'prelude.js'].map((name) => ({ name, esModule: raw(`embed ${write(name)}`) })),
      ...modules.map(({ name, kind }) => ({ name, [kind]: raw(`embed ${write(name)}`) })),
    ],
    compatibilityDate: DEFAULT_COMPATIBILITY_DATE,
    globalOutbound: 'outbound',
    bindings: main === 'evaluate.js' ? [{ name: 'evaluator', unsafeEval: raw('void') }] : [],
  }
  const outbound: Value = {
    modules: [
      { name: 'outbound.js', esModule: raw('embed "outbound.js"') },
      { name: 'outbound.json', json: '{}' },
    ],
    compatibilityDate: DEFAULT_COMPATIBILITY_DATE,
    globalOutbound: 'network',
  }
  return [
    'using Workerd = import "/workerd/workerd.capnp";',
    `const config :Workerd.Config = ${write(config)};`,
    `const script :Workerd.Worker = ${write(worker)};`,
    `const outbound :Workerd.Worker = ${write(outbound)};`,
    '',
  ].join('\n')
}
