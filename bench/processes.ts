/** Starts the servers under measure and reads what they cost. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { BareAnswer } from './bare-server.ts'
import type { Addresses } from './driver-server.ts'

const root = join(import.meta.dirname, '..')
/** The built package when there is one: that is what users run. */
export const builtCli = join(root, 'dist', 'cli', 'main.js')
const cli = existsSync(builtCli) ? builtCli : join(root, 'cli', 'main.ts')

/** All of them, because that is what most people run. */
const SERVICES = ['--data', '--cache', '--storage', '--search', '--queue'] as const

/** Linux counts CPU time in hundredths of a second. */
const TICK_US = 10_000

export interface Server {
  url: string
  pid: number
  /** From spawn to the first answered write, for a sandbox. */
  startMs: number
  close(): Promise<void>
}

export function startBare(answer: BareAnswer): Promise<Server> {
  return startServer('bare-server.ts', answer)
}

/** A bare server that calls the drivers of real ones. */
export function startDrivers(addresses: Addresses): Promise<Server> {
  return startServer('driver-server.ts', addresses)
}

async function startServer(file: string, means: object): Promise<Server> {
  const began = performance.now()
  const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(means)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  endWithUs(child)
  if (!child.stdout) throw new Error('no stdout')
  const ended = once(child, 'exit').then(() => {
    throw new Error(`${file} ended before it was ready`)
  })
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [string]
  ended.catch(() => {})
  return {
    url: `http://127.0.0.1:${line}`,
    pid: child.pid ?? 0,
    startMs: performance.now() - began,
    close: () => end(child),
  }
}

/**
 * The real CLI in the foreground, in a project of its own.
 *
 * @param tcpPort a free one @param env what else it is told @param files of the project, by name
 */
export async function startSandbox(
  tcpPort: number,
  env: Record<string, string> = {},
  files: Record<string, string> = {},
): Promise<Server & { project: string }> {
  const project = await mkdtemp(join(tmpdir(), 'hyper-sandbox-bench-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(project, name), text)
  const url = `http://127.0.0.1:${tcpPort}`
  const began = performance.now()
  const child = spawn(process.execPath, [cli, 'up', ...SERVICES, '--port', String(tcpPort)], {
    cwd: project,
    env: { ...process.env, HYPER_SANDBOX_ENGINE: 'embedded', HYPER_SANDBOX_HOME: join(project, 'home'), ...env },
    stdio: 'ignore',
  })
  endWithUs(child)
  const startMs = await firstWrite(child, url, began)
  return {
    project,
    url,
    pid: child.pid ?? 0,
    startMs,
    async close() {
      await end(child)
      await rm(project, { recursive: true, force: true })
    },
  }
}

async function firstWrite(child: ChildProcess, url: string, began: number): Promise<number> {
  while (child.exitCode === null) {
    const response = await fetch(`${url}/data/test`, {
      method: 'POST',
      body: '{"first":true}',
      headers: { 'content-type': 'application/json' },
    }).catch(() => undefined)
    await response?.arrayBuffer()
    if (response?.ok) return performance.now() - began
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw new Error(`the sandbox ended with exit code ${child.exitCode} before it answered`)
}

/** Also when what reads our output goes away, which ends us at once. */
export function endWithUs(child: ChildProcess): void {
  const kill = () => child.kill()
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}

/** User and system time so far, in microseconds; undefined where /proc does not tell. */
export function cpuMicroseconds(pid: number): number | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * TICK_US
  } catch {
    return undefined
  }
}

/** Resident memory in MB; undefined where /proc does not tell. */
export function residentMegabytes(pid: number): number | undefined {
  try {
    const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return Number(kilobytes) / 1024
  } catch {
    return undefined
  }
}

export async function freeTcpPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
