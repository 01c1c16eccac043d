/** The real command line in processes of its own, in a project made for one test; leftovers fail the test. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { test as nodeTest } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Envelope } from '../../cli/output.ts'
import { leaks, processesMarked } from './leaks.ts'

/** The command line under test: this checkout's, or the installed launcher that `HYPER_TEST_CLI` names. */
export const ENTRY = resolve(process.env.HYPER_TEST_CLI ?? join(import.meta.dirname, '../../cli/main.ts'))

/** A file of the package that it belongs to. */
export function packageFile(name: string): string {
  return join(dirname(ENTRY), '..', name)
}

const PATIENCE_MS = 30_000

/** node:test's, but when the clean-up fails too, the failure shown is the test's own. */
export function test(
  name: string,
  ...rest: [() => Promise<void>] | [{ skip: boolean | string }, () => Promise<void>]
): void {
  const [options, run] = rest.length === 1 ? [{}, rest[0]] : rest
  void nodeTest(name, options, async () => {
    try {
      await run()
    } catch (error) {
      throw error instanceof SuppressedError ? error.suppressed : error
    }
  })
}

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Started {
  child: ChildProcess
  pid: number
  ended: Promise<Ended>
  /** What it wrote so far. */
  said(): { stdout: string; stderr: string }
  /** Resolves when the text is in its output. */
  says(text: string): Promise<void>
}

export interface RunState {
  pid: number
  url: string
  tcpPort: number
  domain: string
  services: string[]
  dataDirectory: string
}

export class TestProject implements AsyncDisposable {
  readonly mark = `HYPER_TEST_MARK=${randomUUID()}`
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'hyper-sandbox-test-')))
  readonly directory: string
  readonly env: NodeJS.ProcessEnv
  readonly #temporary = join(this.root, 'tmp')

  /** @param beside another project of the same user */
  constructor(beside?: TestProject) {
    this.directory = join(this.root, 'project')
    for (const directory of [this.directory, this.#temporary]) mkdirSync(directory)
    const inherited = Object.entries(process.env).filter(
      ([name]) => !/^(HYPER|PORT$|CI$|NO_COLOR|FORCE_COLOR|NODE_)/.test(name),
    )
    const [name = '', value = ''] = this.mark.split('=')
    this.env = {
      ...Object.fromEntries(inherited),
      HYPER_SANDBOX_ENGINE: 'embedded',
      HYPER_SANDBOX_HOME: beside?.env.HYPER_SANDBOX_HOME ?? join(this.root, 'home'),
      TMPDIR: this.#temporary,
      [name]: value,
    }
  }

  file(name: string): string {
    return join(this.directory, name)
  }

  write(name: string, text: string): void {
    writeFileSync(this.file(name), text)
  }

  /** Processes of its apps. */
  appProcesses(): { pid: number; command: string }[] {
    return processesMarked(this.#temporary).filter(({ command }) => command.includes('workerd'))
  }

  state(): RunState {
    return JSON.parse(readFileSync(this.file('.hyper-sandbox/state.json'), 'utf8'))
  }

  hasState(): boolean {
    return existsSync(this.file('.hyper-sandbox/state.json'))
  }

  start(args: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string; command?: string[] } = {}): Started {
    const [command = '', ...rest] = options.command ?? [process.execPath, ENTRY]
    const child = spawn(command, [...rest, ...args], {
      cwd: options.cwd ?? this.directory,
      env: { ...this.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    const ended = new Promise<Ended>((done) => {
      // 'exit', not 'close': a process that lives on in the background may hold the pipes.
      child.once('exit', (code, signal) => setImmediate(() => done({ code, signal, stdout, stderr })))
    })
    const said = () => ({ stdout, stderr })
    return {
      child,
      pid: child.pid ?? 0,
      ended,
      said,
      async says(text) {
        await eventually(`'${text}' is said`, () => (stdout + stderr).includes(text) || child.exitCode !== null)
        assert.ok((stdout + stderr).includes(text), `it never said '${text}': ${stdout}${stderr}`)
      },
    }
  }

  async run(args: readonly string[], options: Parameters<TestProject['start']>[1] = {}): Promise<Ended> {
    const started = this.start(args, options)
    const killer = setTimeout(() => started.child.kill('SIGKILL'), PATIENCE_MS)
    const ended = await started.ended
    clearTimeout(killer)
    assert.notEqual(ended.signal, 'SIGKILL', `${args.join(' ')} did not end: ${ended.stderr}`)
    return ended
  }

  /** Runs with `--json` and checks the envelope's shape. */
  async json(args: readonly string[], options: Parameters<TestProject['start']>[1] = {}) {
    const ended = await this.run([...args, '--json'], options)
    const envelope = JSON.parse(ended.stdout) as Envelope
    assert.equal(envelope.schemaVersion, 1)
    assert.equal(envelope.status, envelope.error === null ? 'ok' : 'error')
    return { ...ended, envelope, data: envelope.data as Record<string, unknown>, error: envelope.error }
  }

  /** In the background, on a free port. */
  async up(...args: string[]): Promise<RunState> {
    const { code, stderr } = await this.run(['up', '--detach', '--port', '0', ...args])
    assert.equal(code, 0, stderr)
    return this.state()
  }

  async down(): Promise<void> {
    const { code, stderr } = await this.run(['down'])
    assert.equal(code, 0, stderr)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = await leaks(this.mark, this.#temporary)
    for (const { pid } of [this.mark, this.#temporary].flatMap(processesMarked)) process.kill(pid, 'SIGKILL')
    rmSync(this.root, { recursive: true, force: true })
    assert.deepEqual(left, [])
  }
}

export async function eventually(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!(await is())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await sleep(20)
  }
}

/** Whether anything accepts connections there. */
export function accepts(tcpPort: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(tcpPort, '127.0.0.1')
    socket.once('connect', () => done(true)).once('error', () => done(false))
    socket.once('connect', () => socket.destroy())
  })
}

export async function put(url: string, body?: unknown): Promise<number> {
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  return (await fetch(url, { method: 'PUT', ...init })).status
}

export async function post(url: string, body: unknown): Promise<number> {
  const init = { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  return (await fetch(url, { method: 'POST', ...init })).status
}

export async function get(url: string): Promise<number> {
  return (await fetch(url)).status
}

/** NODE_OPTIONS under which a sandbox takes this much longer to listen. */
export function slowStart(project: TestProject, delayMs: number): string {
  project.write(
    'slow.mjs',
    `import { Server } from 'node:net'
     const { listen } = Server.prototype
     Server.prototype.listen = function (...args) { setTimeout(() => listen.apply(this, args), ${delayMs}); return this }`,
  )
  return `--import=${project.file('slow.mjs')}`
}
