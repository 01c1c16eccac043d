/**
 * What a project's `.hyper-sandbox/` remembers. `state.json` describes the run that holds the lock and means nothing without
 * it; `lock.json` is what the next start goes by; `secrets.json` is for its owner's eyes.
 */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { HyperError } from '../server/error.ts'
import { SERVICE_NAMES } from '../server/services.ts'
import { writeAtomically } from './atomic-file.ts'

const run = z.object({
  phase: z.enum(['starting', 'ready']),
  pid: z.int(),
  /** Random id of the run, also in `GET /readyz`. */
  instance: z.string(),
  name: z.string(),
  url: z.string(),
  host: z.string(),
  tcpPort: z.int(),
  services: z.array(z.enum(SERVICE_NAMES)),
  domain: z.string(),
  engine: z.enum(['embedded']),
  dataDirectory: z.string(),
  ephemeral: z.boolean(),
  version: z.string(),
  /** ISO 8601. */
  startedAt: z.string(),
  /** The command line's flags, for `restart`. */
  arguments: z.array(z.string()),
})

/** One run of a sandbox, as its process wrote it down. */
export type Run = z.infer<typeof run>

const remembered = z.object({
  engine: z.enum(['embedded']).optional(),
  tcpPort: z.int().min(1).max(65535).optional(),
  /** Version that wrote the data last. */
  version: z.string().optional(),
})

export type Remembered = z.infer<typeof remembered>

export interface StateFiles {
  lock: string
  state: string
  remembered: string
  secrets: string
  data: string
  logs: string
  log: string
  /** What a detached process says before its log is open. */
  startLog: string
}

export function stateFiles(stateDirectory: string): StateFiles {
  const logs = join(stateDirectory, 'logs')
  return {
    lock: join(stateDirectory, 'running.lock'),
    state: join(stateDirectory, 'state.json'),
    remembered: join(stateDirectory, 'lock.json'),
    secrets: join(stateDirectory, 'secrets.json'),
    data: join(stateDirectory, 'data'),
    logs,
    log: join(logs, 'sandbox.log'),
    startLog: join(logs, 'start.log'),
  }
}

/** Makes the state directory, which git ignores by its own means. @throws CONFIG_INVALID when it cannot be written */
export function makeStateDirectory(stateDirectory: string): StateFiles {
  const files = stateFiles(stateDirectory)
  try {
    mkdirSync(files.logs, { recursive: true, mode: 0o700 })
    writeFileSync(join(stateDirectory, '.gitignore'), '*\n')
  } catch (cause) {
    throw new HyperError('CONFIG_INVALID', `${stateDirectory} cannot be written`, {
      hint: 'hyper-sandbox keeps its state there: make the project directory writable.',
      cause,
    })
  }
  return files
}

export function readRun(stateDirectory: string): Run | undefined {
  return read(stateFiles(stateDirectory).state, run)
}

export function writeRun(stateDirectory: string, value: Run): void {
  writeAtomically(stateFiles(stateDirectory).state, `${JSON.stringify(value, undefined, 2)}\n`, 0o600)
}

export function removeRun(stateDirectory: string): void {
  rmSync(stateFiles(stateDirectory).state, { force: true })
}

export function readRemembered(stateDirectory: string): Remembered {
  return read(stateFiles(stateDirectory).remembered, remembered) ?? {}
}

export function writeRemembered(stateDirectory: string, value: Remembered): void {
  writeAtomically(stateFiles(stateDirectory).remembered, `${JSON.stringify(value, undefined, 2)}\n`)
}

const SECRET_BYTES = 32

const secret = z.base64url().min(1)
const secrets = z.object({ token: secret, signingKey: secret })

/** base64url: what admits admin calls, and the key that URLs are signed with. */
export type Secrets = z.infer<typeof secrets>

export function readToken(stateDirectory: string): string | undefined {
  return read(stateFiles(stateDirectory).secrets, secrets.partial())?.token
}

/** The project's secrets, each made at the first start that needs it. */
export function ensureSecrets(stateDirectory: string): Secrets {
  const { secrets: file } = stateFiles(stateDirectory)
  const known = read(file, secrets.partial()) ?? {}
  const { token = newSecret(), signingKey = newSecret() } = known
  if (known.token === undefined || known.signingKey === undefined) {
    writeAtomically(file, `${JSON.stringify({ token, signingKey })}\n`, 0o600)
  }
  return { token, signingKey }
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

/** A file that is missing or that we cannot read as ours says nothing: it is written anew at the next start. */
function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  try {
    return schema.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}
