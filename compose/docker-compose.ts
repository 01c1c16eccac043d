/** `docker compose` as a command: arguments in a list, never a shell; its failures in our words. */
import { join } from 'node:path'
import { type ExecaError, execa } from 'execa'
import { HyperError } from '../server/error.ts'
import type { Engine } from './engine.ts'

export interface ComposeProject {
  engine: Engine
  name: string
  stateDirectory: string
  /** Variables that the project's `.env` defines. */
  variables: readonly string[]
  /** The user's own files, for messages. */
  include: readonly string[]
}

/** @throws HyperError, INTERRUPTED after `signal` */
export async function dockerCompose(
  { engine, name, stateDirectory, variables, include }: ComposeProject,
  args: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  signal?.throwIfAborted()
  const env = Object.fromEntries(Object.entries(engine.env).filter(([variable]) => !variables.includes(variable)))
  const isPosix = process.platform !== 'win32'
  const file = join(stateDirectory, 'compose.yaml')
  const child = execa(
    'docker',
    ['compose', '--project-name', name, '--file', file, '--ansi', 'never', '--progress', 'plain', ...args],
    {
      env,
      extendEnv: false,
      cwd: stateDirectory,
      stdin: 'ignore',
      windowsHide: true,
      // A group of its own: a Ctrl-C reaches us, and we end the command with its plugin. When we are killed, both end at the
      // next line they write.
      detached: isPosix,
      all: true,
    },
  )
  const end = () => {
    if (child.pid === undefined) return
    if (isPosix) process.kill(-child.pid, 'SIGTERM')
    else child.kill()
  }
  signal?.addEventListener('abort', end, { once: true })
  try {
    await child
  } catch (error) {
    if (signal?.aborted) throw new HyperError('INTERRUPTED', 'interrupted', { cause: error })
    throw explainFailure((error as ExecaError<{ all: true }>).all ?? '', include, error)
  } finally {
    signal?.removeEventListener('abort', end)
  }
}

/** Docker's words for a TCP port that another holds, on its several systems. */
const IN_USE =
  /port is already allocated|address already in use|ports are not available|forbidden by its access permissions/i
const PORT = /(?:\[?[\da-f.:]+\]?|localhost):(\d+)(?::| |$|\/)/

/** @param output what Compose wrote; `include` the user's own files, one of which may be to blame */
export function explainFailure(output: string, include: readonly string[], cause?: unknown): HyperError {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const reason = lines.findLast((line) => /error|failed|conflict|denied|no such|not /i.test(line)) ?? lines.at(-1) ?? ''
  const meta = { output: lines.slice(-20).join('\n') }
  if (IN_USE.test(output)) {
    const tcpPort = Number(PORT.exec(lines.find((line) => IN_USE.test(line)) ?? '')?.[1])
    return new HyperError('ADDRESS_IN_USE', `TCP port ${tcpPort} is in use`, {
      hint: 'Take a free port with --port 0, or another with --port <n>.',
      cause,
      meta: { ...meta, tcpPort },
    })
  }
  const blamed = include.find((file) => output.includes(file)) ?? (isConflict(output) ? include[0] : undefined)
  if (blamed !== undefined || /^(?:yaml|validating|services|volumes|networks)\b.*/m.test(reason)) {
    return new HyperError('CONFIG_INVALID', `${blamed ?? 'the compose files'}: Docker Compose refuses it: ${reason}`, {
      hint: isConflict(output)
        ? 'An included file can add services, volumes and networks, not change those of the sandbox: choose other names.'
        : 'Correct that file; try it with: docker compose -f <file> config',
      cause,
      meta,
    })
  }
  if (/no space left on device/i.test(output)) {
    return new HyperError('BACKEND_UNAVAILABLE', `Docker has no disk space left: ${reason}`, {
      hint: 'Free some: docker system df tells what takes it, docker system prune removes what nothing uses.',
      cause,
      meta,
    })
  }
  return new HyperError('BACKEND_UNAVAILABLE', `Docker Compose failed: ${reason}`, {
    hint: 'See what it does by hand: docker compose -f .hyper-sandbox/compose.yaml up',
    cause,
    meta,
  })
}

function isConflict(output: string): boolean {
  return /conflicts with imported resource/.test(output)
}
