/**
 * Real servers for tests: each a process of its own on a free loopback TCP port, with data in a temporary directory and with a
 * password. `HYPER_TEST_MONGO_URL` and its like name servers to use instead. Nothing is installed here: a part that `npm run parts`
 * has not brought is missing.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeOwnDirectory } from './own-directory.ts'
import { SERVERS, type ServerKind } from './server-kinds.ts'

export interface RealServer extends AsyncDisposable {
  /** With user and password where the URL can carry them. */
  readonly url: string
  /** The server's key, where `url` cannot carry it: Meilisearch's master key. */
  readonly key?: string
  /** Ours to kill and to restart; a server that the environment names is not. */
  readonly isOurs: boolean
  /** `SIGKILL` and `SIGTERM` end it, `SIGSTOP` and `SIGCONT` pause and resume it. */
  kill(signal: NodeJS.Signals): void
  /** Ends it if it still runs, and starts it on the same data and address; resolves when it is ready. */
  restart(): Promise<void>
}

const READY_MS = 30_000

/** @throws Error when the server is there but does not start */
export async function startServer(kind: ServerKind): Promise<RealServer | { missing: string }> {
  const { variable, find } = SERVERS[kind]
  const named = process.env[variable]
  if (named) return namedServer(named, process.env[`${variable.replace(/URL$/, 'KEY')}`], variable)
  const program = await find()
  if ('missing' in program) return program

  const directory = makeOwnDirectory(tmpdir(), `hyper-${kind}-`)
  const password = randomBytes(16).toString('hex')
  const tcpPort = await freeTcpPort()
  const { command, env, url, key, isReady } = program.run({ directory: join(directory, 'data'), password, tcpPort })
  mkdirSync(join(directory, 'data'))
  let child: ChildProcess | undefined
  let output = ''

  async function start(): Promise<void> {
    output = ''
    const started = spawnTied(command, { cwd: directory, env: { ...process.env, ...env } })
    child = started
    for (const stream of [started.stdout, started.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-20_000)
      })
    }
    started.on('error', (error) => {
      output += error.message
    })
    const deadline = performance.now() + READY_MS
    while (!(await isReady(output))) {
      if (!isRunning(started))
        throw new Error(`${kind} ended with ${started.exitCode ?? started.signalCode}: ${output}`)
      if (performance.now() > deadline) throw new Error(`${kind} is not ready after ${READY_MS / 1000} s: ${output}`)
      await sleep(20)
    }
  }

  async function end(): Promise<void> {
    if (!child || !isRunning(child)) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  async function dispose(): Promise<void> {
    await end()
    process.removeListener('exit', endAtExit)
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }

  function endAtExit(): void {
    child?.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
  }

  process.once('exit', endAtExit)
  try {
    await start()
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    url,
    ...(key === undefined ? {} : { key }),
    isOurs: true,
    kill: (signal) => void child?.kill(signal),
    async restart() {
      await end()
      await start()
    },
    [Symbol.asyncDispose]: dispose,
  }
}

function namedServer(url: string, key: string | undefined, variable: string): RealServer {
  const notOurs = () => {
    throw new Error(`the server that ${variable} names is not ours to kill`)
  }
  return {
    url,
    ...(key === undefined ? {} : { key }),
    isOurs: false,
    kill: notOurs,
    restart: async () => notOurs(),
    [Symbol.asyncDispose]: async () => {},
  }
}

/** On Linux the server ends with the process that started it, however that ends. */
function spawnTied(command: readonly string[], options: { cwd: string; env: NodeJS.ProcessEnv }): ChildProcess {
  const tied = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', ...command] : command
  const [file = '', ...args] = tied
  return spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
}

function isRunning({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid !== undefined && exitCode === null && signalCode === null
}

async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
