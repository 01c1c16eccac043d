/** One workerd process: started for one version of one app, never older than its parent (worker-runtime §§12.0, 12.5, 12.6). */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { ENTRY, type Module } from './bundle.ts'
import { configurationOf, FILES, isStateful, RUNTIME_FILES, type VersionPlan } from './configuration.ts'
import { type ConsoleLine, consoleLine } from './console-line.ts'
import { explainStart } from './explain-start.ts'
import { AppLoadError } from './load-error.ts'
import { withOrigins } from './source-positions.ts'
import { spawnTethered } from './tether.ts'

/** A module that loops while it is loaded would never listen. */
const START_MS = 4_000
const RUNTIME = join(import.meta.dirname, 'runtime')
const SOCKETS = 3
const INSPECTOR_HOST = '127.0.0.1'
/** Of what it said before it was ready, for the explanation of a failed start. */
const MAX_LINES = 200

export interface WorkerdProcess {
  pid: number
  directory: string
  /** Where a debugger is attached. */
  inspector: string | undefined
  /** Resolves with what it ended by; never rejects. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Settles when its directory is gone too; never rejects. */
  removed: Promise<void>
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** Resolves when it listens. @throws AppLoadError; the process is gone then */
export async function startProcess(plan: VersionPlan, onConsole: (line: ConsoleLine) => void): Promise<WorkerdProcess> {
  await writeVersion(plan)
  const inspecting = plan.app.isInspected ? [`--inspector-addr=${INSPECTOR_HOST}:0`] : []
  const command = [workerdBinary(), 'serve', '--control-fd=3', ...inspecting, join(plan.directory, FILES.configuration)]
  const child = spawnTethered(command, plan.tether)
  const exited = exitOf(child)
  // Its last words may come after its end.
  const silent = once(child, 'close').catch(() => {})
  const removed = exited.then(async () => {
    await rm(plan.directory, { recursive: true, force: true }).catch(() => {})
  })
  const said: string[] = []
  let isReady = false
  let inspector: string | undefined
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream as Readable }).on('line', (line) => {
      if (!isReady && said.length < MAX_LINES) said.push(line)
      const parsed = consoleLine(line)
      if (parsed) onConsole({ ...parsed, message: withOrigins(parsed.message, plan.bundle) })
    })
  }
  try {
    inspector = await inTime(listening(child), exited)
    if (isStateful(plan.app)) await inTime(loadStateful(plan), exited)
    isReady = true
  } catch (error) {
    child.kill('SIGKILL')
    await Promise.all([removed, silent])
    throw error instanceof AppLoadError ? error : explainStart(said, plan.bundle)
  }
  const kill = (signal: 'SIGTERM' | 'SIGKILL') => void child.kill(signal)
  return { pid: child.pid ?? 0, directory: plan.directory, inspector, exited, removed, kill }
}

async function writeVersion(plan: VersionPlan): Promise<void> {
  const { app, directory, bundle } = plan
  await writeWorker(directory, configurationOf(plan), RUNTIME_FILES, bundle.modules)
  // A debugger shows the author's own files.
  const map = Buffer.from(bundle.map).toString('base64')
  if (app.isInspected)
    await appendFile(join(directory, ENTRY), `\n//# sourceMappingURL=data:application/json;base64,${map}\n`)
}

/** All that workerd reads, in a directory of its own. */
export async function writeWorker(
  directory: string,
  configuration: string,
  runtimeFiles: readonly string[],
  modules: readonly Module[],
): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await Promise.all([
    writeFile(join(directory, FILES.configuration), configuration, { mode: 0o600 }),
    ...runtimeFiles.map((name) => copyFile(join(RUNTIME, name), join(directory, name))),
    ...modules.map(({ name, content }) => writeFile(join(directory, name), content)),
  ])
}

async function exitOf(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  try {
    const [code, signal] = await once(child, 'exit')
    return { code, signal }
  } catch {
    return { code: 127, signal: null }
  }
}

/** It says so itself, for each socket. @returns where a debugger is attached */
function listening(child: ChildProcess): Promise<string | undefined> {
  let open = 0
  const control = child.stdio[3] as Readable
  let inspector: string | undefined
  return new Promise((resolve) => {
    createInterface({ input: control }).on('line', (line) => {
      const { event, port } = JSON.parse(line) as { event: string; port: number }
      if (event === 'listen-inspector') inspector = `${INSPECTOR_HOST}:${port}`
      if (event !== 'listen') return
      open += 1
      if (open === SOCKETS) resolve(inspector)
    })
  })
}

/** A stateful app's code runs only now. */
async function loadStateful({ directory, bundle }: VersionPlan): Promise<void> {
  const dispatcher = new Agent({ connect: { socketPath: join(directory, FILES.control) } })
  try {
    const { body } = await request('http://control/load', { dispatcher })
    const { failure } = (await body.json()) as { failure?: string }
    if (failure !== undefined) throw explainStart([failure], bundle)
  } finally {
    await dispatcher.destroy()
  }
}

async function inTime<T>(work: Promise<T>, exited: Promise<unknown>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new AppLoadError(
      'ExecutionFailed',
      `it did not start within ${START_MS / 1000} s: does it loop while it is loaded?`,
    )
    timer = setTimeout(reject, START_MS, error)
  })
  const ended = exited.then((): never => {
    throw new Error('ended')
  })
  try {
    return await Promise.race([work, ended, late])
  } finally {
    clearTimeout(timer)
  }
}

let binary: string | undefined

/** The platform's own binary: npm's wrapper would be one more process. @throws Error where there is none for this platform */
export function workerdBinary(): string {
  binary ??= createRequire(import.meta.url)('workerd').default as string
  return binary
}
