/**
 * What a project's `.hyper-sandbox/` remembers. `state.json` describes the run that holds the lock and means nothing without
 * it; `lock.json` is what the next start goes by; `secrets.json` is for its owner's eyes.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { writeWhole } from '../compose/whole-file.ts'
import type { Credentials } from '../server/credentials.ts'
import { HyperError } from '../server/error.ts'
import { SERVICE_NAMES } from '../server/services.ts'

export const ENGINES = ['embedded', 'compose'] as const

export type EngineName = (typeof ENGINES)[number]

const anyRun = z.object({
  phase: z.enum(['starting', 'ready']),
  name: z.string(),
  url: z.string(),
  host: z.string(),
  tcpPort: z.int(),
  /** Whose tokens hyper's API asks for; the secret is in `secrets.json`. */
  authKey: z.string().optional(),
  https: z.object({ url: z.string(), tcpPort: z.int(), authorityFile: z.string().optional() }).optional(),
  services: z.array(z.enum(SERVICE_NAMES)),
  /** Hosts of the servers that exist already, by the service that is kept there. */
  servers: z.partialRecord(z.enum(SERVICE_NAMES), z.string()).optional(),
  /** Names of apps and the hosts they answer. */
  apps: z.array(z.object({ name: z.string(), hostnames: z.array(z.string()) })).default([]),
  domain: z.string(),
  ephemeral: z.boolean(),
  version: z.string(),
  /** ISO 8601. */
  startedAt: z.string(),
  /** The command line's flags, for `restart`. */
  arguments: z.array(z.string()),
})

const embeddedRun = anyRun.extend({
  engine: z.literal('embedded'),
  pid: z.int(),
  /** Random id of the run, also in `GET /readyz`. */
  instance: z.string(),
  dataDirectory: z.string(),
})

const composeRun = anyRun.extend({
  engine: z.literal('compose'),
  /** Name of the Docker project. */
  stack: z.string(),
  /** Whether flags chose the services, not the project file. */
  chosen: z.boolean(),
  /** With `--expose`: where the parts are reached from this machine. */
  exposed: z.record(z.string(), z.string()),
})

/** One run in a process of ours, as that wrote it down. */
export type EmbeddedRun = z.infer<typeof embeddedRun>

/** One run in containers, as `up` wrote it down; whether they still run only Docker knows. */
export type ComposeRun = z.infer<typeof composeRun>

export type Run = EmbeddedRun | ComposeRun

const run = z.discriminatedUnion('engine', [embeddedRun, composeRun])

const remembered = z.looseObject({
  engine: z.enum(ENGINES).optional(),
  /** Name of the Docker project whose volumes may hold data of this one. */
  stack: z.string().optional(),
  /** Of the `compose.yaml` that we wrote last, SHA-256. */
  composeDigest: z.string().optional(),
  tcpPort: z.int().min(1).max(65535).optional(),
  httpsTcpPort: z.int().min(1).max(65535).optional(),
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
  writeWhole(stateFiles(stateDirectory).state, `${JSON.stringify(value, undefined, 2)}\n`, 0o600)
}

export function removeRun(stateDirectory: string): void {
  rmSync(stateFiles(stateDirectory).state, { force: true })
}

/** @throws CONFIG_INVALID for a file that is not as we wrote it: which engine has the data must not be guessed */
export function readRemembered(stateDirectory: string): Remembered {
  const file = stateFiles(stateDirectory).remembered
  const known = read(file, remembered)
  if (known || !existsSync(file)) return known ?? {}
  throw new HyperError('CONFIG_INVALID', `${file} cannot be read; it remembers which engine has the data`, {
    hint: `Restore it, or remove it (rm '${file}') and say which with: hyper-sandbox up --engine embedded, or --engine compose`,
  })
}

/** Beside what is remembered already. */
export function remember(stateDirectory: string, value: Remembered): void {
  const all = { ...readRemembered(stateDirectory), ...JSON.parse(JSON.stringify(value)) }
  writeWhole(stateFiles(stateDirectory).remembered, `${JSON.stringify(all, undefined, 2)}\n`)
}

const SECRET_BYTES = 32

const secret = z.base64url().min(1)
const parts = z.object({ mongo: secret, redis: secret, minio: secret, meilisearch: secret })
const secrets = z.object({
  /** Admits admin calls. */
  token: z.string().regex(/^[!-~]+$/, 'must be ASCII without spaces'),
  /** What URLs are signed with, base64url. */
  signingKey: z.base64url('must be base64url').min(1),
  /** Whose tokens hyper's API asks for in this run, or the last. */
  credentials: z.object({ key: z.string(), secret: z.string() }).optional(),
  /** What the servers of the compose engine ask for. */
  parts: parts.optional(),
})

export type PartSecrets = z.infer<typeof parts>

export type Secrets = z.infer<typeof secrets>

type GivenSecrets = Partial<Pick<Secrets, 'token' | 'signingKey'>>

/** What of them is kept already. */
export function readSecrets(stateDirectory: string): { [S in keyof Secrets]?: Secrets[S] | undefined } {
  return read(stateFiles(stateDirectory).secrets, secrets.partial()) ?? {}
}

/**
 * Keeps a run's credentials for those who are to use them, with the project's own secrets, made at its first start.
 * @param given secrets that others know already, in place of the project's own
 */
export function keepSecrets(
  stateDirectory: string,
  credentials: Credentials | undefined,
  given: GivenSecrets = {},
): Secrets {
  const { token = newSecret(), signingKey = newSecret(), parts } = { ...readSecrets(stateDirectory), ...given }
  return writeSecrets(stateDirectory, { token, signingKey, credentials, parts })
}

/**
 * The same with the passwords of the compose engine's servers.
 * @param recovered of passwords, what is known from elsewhere where the file is lost
 */
export function keepPartSecrets(
  stateDirectory: string,
  credentials: Credentials | undefined,
  recovered: () => Partial<PartSecrets>,
): Secrets & { parts: PartSecrets } {
  const { parts: known, ...kept } = keepSecrets(stateDirectory, credentials)
  const {
    mongo = newSecret(),
    redis = newSecret(),
    minio = newSecret(),
    meilisearch = newSecret(),
  } = known ?? recovered()
  return writeSecrets(stateDirectory, { ...kept, parts: { mongo, redis, minio, meilisearch } })
}

function writeSecrets<S extends Secrets>(stateDirectory: string, kept: S): S {
  writeWhole(stateFiles(stateDirectory).secrets, `${JSON.stringify(kept)}\n`, 0o600)
  return kept
}

/** What one container is told and another knows: no command line is a place for it. @throws CONFIG_INVALID */
export function givenSecrets(env: NodeJS.ProcessEnv): GivenSecrets {
  return {
    ...givenSecret('token', env, 'HYPER_SANDBOX_TOKEN'),
    ...givenSecret('signingKey', env, 'HYPER_SANDBOX_SIGNING_KEY'),
  }
}

function givenSecret(name: keyof GivenSecrets, env: NodeJS.ProcessEnv, variable: string): GivenSecrets {
  const text = env[variable]
  if (text === undefined || text === '') return {}
  const parsed = secrets.shape[name].safeParse(text)
  if (parsed.success) return { [name]: text }
  throw new HyperError('CONFIG_INVALID', `${variable} ${parsed.error.issues[0]?.message}`, {
    hint: `Change or unset ${variable}.`,
  })
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
