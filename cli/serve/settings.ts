/** What `serve` is asked for: flag > config file > environment > default (worker-runtime §§1.2, 1.3). */
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { HyperError } from '../../server/error.ts'
import type { Context } from '../command.ts'
import { tcpPort as tcpPortSchema } from '../project-file.ts'
import { LOG_FORMATS, type LogFormat } from './nano-log.ts'

const CONFIG_FILE = 'config.json'

/** Where the apps come from. */
export type AppSource =
  | { kind: 'app'; path: string; name: string }
  | { kind: 'config'; file: string }
  | { kind: 'none' }

export interface ServeSettings {
  source: AppSource
  /** Asked for by flag: goes before the file's. */
  tcpPort: number | undefined
  /** Of the environment: comes after the file's. */
  fallbackTcpPort: number
  host: string | undefined
  watchesSources: boolean
  logFormat: LogFormat
}

const DEFAULT_TCP_PORT = 3_000

/** @throws USAGE */
export function serveSettings({ args, flags, env, cwd, output }: Context): ServeSettings {
  const app = flags.text('app') ?? args[0]
  const isConfigGiven = flags.has('config') && flags.spelled('config') === '--config'
  if (app !== undefined && isConfigGiven)
    throw new HyperError('USAGE', '--app and --config exclude each other', {
      hint: 'Serve one app, or those of a file.',
    })
  const given = flags.text('port')
  return {
    source: sourceOf(app, flags.text('config'), cwd),
    tcpPort: given === undefined ? undefined : portOf(given, (message) => flags.invalid('port', message)),
    fallbackTcpPort: env.NANO_PORT ? portOf(env.NANO_PORT, badVariable) : DEFAULT_TCP_PORT,
    host: flags.text('host'),
    watchesSources: flags.has('watch'),
    logFormat: logFormatOf(env.NANO_LOG_FORMAT, (text) => output.warn(text)),
  }
}

function sourceOf(app: string | undefined, config: string | undefined, cwd: string): AppSource {
  if (app !== undefined) {
    const path = resolve(cwd, app)
    return { kind: 'app', path, name: basename(path).replace(/[^\w.-]/g, '-') || 'app' }
  }
  if (config !== undefined) return { kind: 'config', file: resolve(cwd, config) }
  const file = join(cwd, CONFIG_FILE)
  return existsSync(file) ? { kind: 'config', file } : { kind: 'none' }
}

function portOf(text: string, invalid: (message: string) => HyperError): number {
  const parsed = tcpPortSchema.safeParse(/^\d+$/.test(text) ? Number(text) : Number.NaN)
  if (parsed.success) return parsed.data
  throw invalid(`must be a number from 0 to 65535, not '${text}'`)
}

function badVariable(message: string): HyperError {
  return new HyperError('USAGE', `NANO_PORT ${message}`, { hint: 'Change or unset NANO_PORT.' })
}

function logFormatOf(text: string | undefined, warn: (text: string) => void): LogFormat {
  if (!text) return 'json'
  const format = LOG_FORMATS.find((one) => one === text)
  if (!format) warn(`NANO_LOG_FORMAT is ${LOG_FORMATS.join(', ')}, not '${text}': json it is`)
  return format ?? 'json'
}
