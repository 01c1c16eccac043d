/** The real command line in a process of its own, on a free TCP port and in a project directory of its own. */
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hangUp } from './acceptance/http.ts'

export interface Server {
  /** Such as `http://127.0.0.1:49152`; may change with a restart. */
  readonly url: string
  /** Where it serves HTTPS, when started with `--tls`. */
  readonly https: { url: string; authorityFile: string }
  /** kill -9, at once; resolves when the process is gone. */
  kill(): Promise<void>
  /** Starts it again on the same data, after `kill`. */
  start(): Promise<void>
  /** Megabytes the process holds in memory now. */
  memoryMb(): number
  /** What it logged last as an error, with its cause; the client is not told. */
  lastError(): string
  /** The server has ended, by itself or by `kill`. */
  readonly ended: boolean
  /** Every file below a directory that its project, its home and its temporary directory lie deep in; relative paths. */
  files(): string[]
  /** How many files and sockets the process holds open now. Linux. */
  openFiles(): number
  /** Stops it in good order and removes its directory. */
  stop(): Promise<void>
}

type Announcement = Pick<Server, 'url'> & Partial<Pick<Server, 'https'>>

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url))

/** @param nodeFlags of the server's Node, such as a cap on its heap */
export async function startServer(
  flags: readonly string[] = [],
  nodeFlags: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Server> {
  const directory = mkdtempSync(join(tmpdir(), 'hyper-proof-'))
  const project = join(directory, 'a', 'b', 'c', 'project')
  const temporary = join(directory, 'tmp')
  mkdirSync(project, { recursive: true })
  mkdirSync(temporary)
  let child: ChildProcess
  let announced: Announcement | undefined

  async function start(): Promise<void> {
    child = spawn(process.execPath, [...nodeFlags, MAIN, 'up', '--port', '0', '--json', ...flags], {
      cwd: project,
      env: {
        ...process.env,
        HYPER_SANDBOX_ENGINE: 'embedded',
        ...env,
        HYPER_SANDBOX_HOME: join(directory, 'home'),
        TMPDIR: temporary,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    announced = await announcement(child)
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    if (hasEnded(child)) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }

  try {
    await start()
  } catch (error) {
    rmSync(directory, { recursive: true, force: true })
    throw error
  }
  return {
    get url() {
      return announced?.url ?? ''
    },
    get https() {
      assert.ok(announced?.https, 'it serves no HTTPS')
      return announced.https
    },
    get ended() {
      return hasEnded(child)
    },
    start,
    kill: () => end('SIGKILL'),
    memoryMb: () => Number(execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' })) / 1024,
    lastError() {
      const lines = readFileSync(join(project, '.hyper-sandbox', 'logs', 'sandbox.log'), 'utf8').split('\n')
      return lines.findLast((line) => line.includes('"err":')) ?? ''
    },
    files: () =>
      readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => relative(directory, join(entry.parentPath, entry.name))),
    openFiles: () => readdirSync(`/proc/${child.pid}/fd`).length,
    async stop() {
      await end('SIGTERM')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** A server for all tests of a file, gone after the last of them. */
export async function serverOfThisFile(flags: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Server> {
  const server = await startServer(flags, [], env)
  after(async () => {
    hangUp()
    await server.stop()
  })
  return server
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** `up --json` says where it listens, in one JSON envelope, once it is ready. */
function announcement(child: ChildProcess): Promise<Announcement> {
  return new Promise((resolve, reject) => {
    let output = ''
    let errors = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      errors += text
    })
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
      if (!output.endsWith('}\n')) return
      const { data } = JSON.parse(output) as { data: Announcement | null }
      if (data) resolve(data) // else it ends by itself, with what went wrong
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => reject(new Error(`the server ended with ${code ?? signal}: ${output}${errors}`)))
  })
}
