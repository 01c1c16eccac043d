/** Who holds a TCP port: one of this user's sandboxes, or, where the system tells (Linux), a process. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { HyperError } from '../server/error.ts'
import { inspectRegistered } from './inspect-registered.ts'
import { registeredSandboxes } from './registry.ts'

const LISTENING = '0A'

/** The same error, saying who is in the way and what to type. */
export async function explainAddressInUse(
  error: HyperError,
  tcpPort: number,
  env: NodeJS.ProcessEnv,
): Promise<HyperError> {
  const free = 'take a free port with --port 0, or another with --port <n>'
  for (const known of registeredSandboxes(env)) {
    const { run } = await inspectRegistered(known, env)
    if (run && [run.tcpPort, run.https?.tcpPort].includes(tcpPort)) {
      return new HyperError(
        'ADDRESS_IN_USE',
        `${error.message}, by the sandbox ${known.name} of ${known.projectDirectory}`,
        {
          hint: `Both can run: ${free}.`,
          cause: error,
          meta: { tcpPort, sandbox: known.name, ...(run.engine === 'embedded' ? { pid: run.pid } : {}) },
        },
      )
    }
  }
  const holder = listeningProcess(tcpPort)
  if (!holder) return error
  return new HyperError('ADDRESS_IN_USE', `${error.message}, by process ${holder.pid} (${holder.command})`, {
    hint: `Stop that process, or ${free}.`,
    cause: error,
    meta: { tcpPort, pid: holder.pid },
  })
}

function listeningProcess(tcpPort: number): { pid: number; command: string } | undefined {
  const sockets = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) => listeningSockets(table, tcpPort))
  if (sockets.length === 0) return undefined
  for (const pid of list('/proc').filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of list(`/proc/${pid}/fd`)) {
      const target = attempt(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`))
      if (target && sockets.includes(target)) return { pid: Number(pid), command: commandOf(pid) }
    }
  }
  return undefined
}

/** As their file descriptors read: `socket:[inode]`. */
function listeningSockets(table: string, tcpPort: number): string[] {
  const wanted = `:${tcpPort.toString(16).toUpperCase().padStart(4, '0')}`
  const rows = (attempt(() => readFileSync(table, 'utf8')) ?? '').split('\n').slice(1)
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter((cells) => cells[1]?.endsWith(wanted) && cells[3] === LISTENING)
    .map((cells) => `socket:[${cells[9]}]`)
}

function commandOf(pid: string): string {
  const command = (attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '').split('\0').join(' ').trim()
  return command.length > 60 ? `${command.slice(0, 57)}...` : command || 'unknown'
}

function list(directory: string): string[] {
  return attempt(() => readdirSync(directory)) ?? []
}

/** Processes come and go while we look, and some are not ours to look into. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
