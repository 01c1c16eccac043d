/** NANO's `config.json` (worker-runtime §2.1): read whole, each mistake by NANO's name for it. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import * as z from 'zod'
import { HyperError } from '../../server/error.ts'
import { type AppEntry, appEntry } from '../../server/ports/app-entry.ts'
import { hostPatternOf } from '../../server/ports/hostnames.ts'
import { tcpPort } from '../project-file.ts'

const MAX_BYTES = 1024 * 1024

export type ConfigErrorName =
  | 'FileNotFound'
  | 'InvalidJson'
  | 'MissingField'
  | 'InvalidType'
  | 'NoApps'
  | 'DuplicateHostname'

const milliseconds = z.int().min(0).max(3_600_000)

const settings = z.object({
  port: tcpPort.optional(),
  host: z.string().min(1).optional(),
  drain_timeout_ms: milliseconds.optional(),
  shutdown_grace_ms: milliseconds.optional(),
  default_app: z.string().optional(),
  admin: z
    .object({
      enabled: z.boolean().optional(),
      token: z.string().min(1).optional(),
      /** A TCP port of its own on the loopback, or `host:port`. */
      listen: z.union([tcpPort, z.string().regex(/^.+:\d{1,5}$/)]).optional(),
    })
    .optional(),
})
const defaults = appEntry.pick({ timeout_ms: true, memory_mb: true, expose_errors: true })

export type NanoSettings = z.infer<typeof settings>

export interface NanoConfig extends NanoSettings {
  /** With absolute paths, and what `defaults` says filled in. */
  apps: AppEntry[]
  defaults: z.infer<typeof defaults>
  /** What was ignored or taken for something else. */
  warnings: string[]
}

/** Spellings of other versions, of which one is ours. */
const ALIASES: Readonly<Record<string, 'timeout_ms' | 'memory_mb'>> = {
  timeout: 'timeout_ms',
  cpu_timeout_ms: 'timeout_ms',
  max_memory_mb: 'memory_mb',
  memory_limit_mb: 'memory_mb',
}
/** Of NANO's own, without a meaning here: nothing limits what a stream holds, and apps have no ports. */
const ACCEPTED = ['max_buffer_size_mb', 'port']

/**
 * @param cwd where paths are looked for that are not found from the file's directory
 * @throws CONFIG_INVALID with NANO's name for it as `meta.reason`
 */
export function readNanoConfig(file: string, cwd: string): NanoConfig {
  try {
    return read(file, cwd)
  } catch (error) {
    if (!(error instanceof HyperError)) throw error
    const { reason } = error.meta as { reason: ConfigErrorName }
    throw new HyperError('CONFIG_INVALID', error.message, { hint: `Mend ${file}.`, meta: { reason, file } })
  }
}

function read(file: string, cwd: string): NanoConfig {
  const given = parse(file)
  const warnings: string[] = []
  const { apps, defaults: givenDefaults = {}, expose_errors, ...rest } = given
  if (apps === undefined) throw invalid('MissingField', 'apps is missing')
  if (!Array.isArray(apps)) throw invalid('InvalidType', 'apps must be a list')
  if (apps.length === 0) throw invalid('NoApps', 'No apps defined in config')
  if (!isObject(givenDefaults)) throw invalid('InvalidType', 'defaults must be an object')

  const { ownFields, aliased } = sorted(rest, Object.keys(settings.shape), '', warnings)
  const common = sorted(givenDefaults, Object.keys(defaults.shape), 'defaults.', warnings)
  const commonDefaults = checked(
    defaults,
    { expose_errors, ...aliased, ...common.aliased, ...common.ownFields },
    'defaults.',
  )
  const entries = apps.map((app, at) => readApp(app, at, { file, cwd, commonDefaults, warnings }))
  refuseDuplicates(entries)
  return { ...checked(settings, ownFields, ''), apps: entries, defaults: commonDefaults, warnings }
}

/** A path as it is meant: from the directory of the file, or from where we were started. */
export function pathFrom(directory: string, cwd: string, path: string): string {
  const beside = resolve(directory, path)
  const here = resolve(cwd, path)
  return !existsSync(beside) && existsSync(here) ? here : beside
}

function parse(file: string): Record<string, unknown> {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found?.isFile()) throw invalid('FileNotFound', `there is no file ${file}`)
  if (found.size > MAX_BYTES) throw invalid('InvalidJson', 'it is over 1 MB')
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw invalid('FileNotFound', (cause as Error).message)
    throw invalid('InvalidJson', cause.message)
  }
  if (!isObject(value)) throw invalid('InvalidType', 'it must hold an object')
  return value
}

interface AppSurroundings {
  file: string
  cwd: string
  commonDefaults: z.infer<typeof defaults>
  warnings: string[]
}

function readApp(app: unknown, at: number, { file, cwd, commonDefaults, warnings }: AppSurroundings): AppEntry {
  const where = `apps[${at}].`
  if (!isObject(app)) throw invalid('InvalidType', `apps[${at}] must be an object`)
  for (const field of ['name', 'path']) {
    if (app[field] === undefined) throw invalid('MissingField', `${where}${field} is missing`)
  }
  const { ownFields, aliased } = sorted(app, Object.keys(appEntry.shape), where, warnings)
  for (const [name, value] of Object.entries(isObject(ownFields.env) ? ownFields.env : {})) {
    if (typeof value === 'number' || typeof value === 'boolean')
      warnings.push(`${where}env.${name} is no text: the app gets '${value}'`)
  }
  const entry = checked(appEntry, { hostname: ownFields.name, ...commonDefaults, ...aliased, ...ownFields }, where)
  const directory = dirname(resolve(file))
  return {
    ...entry,
    path: pathFrom(directory, cwd, entry.path),
    ...(entry.assets === undefined ? {} : { assets: pathFrom(directory, cwd, entry.assets) }),
  }
}

/** What is known by its own name, what by another, and a warning for the rest. */
function sorted(
  given: Record<string, unknown>,
  known: readonly string[],
  where: string,
  warnings: string[],
): { ownFields: Record<string, unknown>; aliased: Record<string, unknown> } {
  const ownFields: Record<string, unknown> = {}
  const aliased: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    const alias = Object.hasOwn(ALIASES, name) ? ALIASES[name] : undefined
    if (known.includes(name)) ownFields[name] = value
    else if (alias) {
      aliased[alias] = value
      warnings.push(`${where}${name} is an old name: write ${alias}`)
    } else if (!ACCEPTED.includes(name)) warnings.push(`${where}${name} means nothing here; ignored`)
  }
  return { ownFields, aliased }
}

function checked<S extends z.ZodType>(schema: S, value: unknown, where: string): z.infer<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw invalid('InvalidType', `${where}${issue?.path.join('.')}: ${issue?.message}`)
}

function refuseDuplicates(entries: readonly AppEntry[]): void {
  const owners = new Map<string, number>()
  const claim = (what: string, at: number) => {
    const owner = owners.get(what)
    if (owner !== undefined && owner !== at)
      throw invalid('DuplicateHostname', `apps[${owner}] and apps[${at}] both have the ${what}`)
    owners.set(what, at)
  }
  for (const [at, { name, hostname = name }] of entries.entries()) {
    claim(`name ${name}`, at)
    for (const one of [hostname].flat()) claim(`hostname ${hostPatternOf(one)}`, at)
  }
}

function invalid(reason: ConfigErrorName, message: string): HyperError {
  return new HyperError('CONFIG_INVALID', message, { meta: { reason } })
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
