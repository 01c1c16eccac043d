/** What `serve` tells, one event a line, in NANO's three formats (worker-runtime §7). */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'

/** A reader that does not read is not waited for. */
const MAX_END_MS = 2_000

export const LOG_FORMATS = ['json', 'text', 'apache'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]
export type Level = 'debug' | 'info' | 'warn' | 'error'

type Fields = Readonly<Record<string, unknown>>

export interface Answered {
  method: string
  /** The target as it came. */
  path: string
  status: number
  bytes: number
  latencyMs: number
  peer: string
  host: string | undefined
  /** Absent for what the server answered itself. */
  app: string | undefined
}

export interface NanoLog {
  event(level: Level, event: string, fields?: Fields): void
  request(answered: Answered): void
  console(app: string, level: Level, message: string): void
  /** Writes what was told, where there is no time to wait for `end`. */
  flush(): void
  /** Resolves when everything that was told is written; nothing can be told then. */
  end(): Promise<void>
}

export function createNanoLog(format: LogFormat): NanoLog {
  const stdout = pino.destination({ dest: 1, sync: false })
  const stderr = pino.destination({ dest: 2, sync: true })
  // A reader that left must not end us.
  for (const stream of [stdout, stderr]) stream.on('error', () => {})
  let requests = 0

  const streamFor = (level: Level) => (level === 'info' || level === 'debug' ? stdout : stderr)

  function write(level: Level, event: string, fields: Fields): void {
    if (format === 'json') return void streamFor(level).write(`${jsonLine(level, event, fields)}\n`)
    const stream = format === 'apache' ? stderr : streamFor(level)
    stream.write(`${textLine(level, event, fields)}\n`)
  }

  return {
    event: (level, event, fields = {}) => write(level, event, fields),
    request(answered) {
      requests += 1
      if (format === 'apache') return void stdout.write(`${accessLine(answered)}\n`)
      const { method, path, status, bytes, latencyMs: latency_ms, app, host } = answered
      write('info', 'request', { req: requests, method, path, status, bytes, latency_ms, app, host })
    },
    console(app, level, message) {
      if (format === 'json') return write(level, 'console', { app, message })
      const stream = format === 'apache' ? stderr : streamFor(level)
      for (const line of message.split('\n')) stream.write(`[${app}] ${escaped(line)}\n`)
    },
    async end() {
      // What is being written would come after what is flushed.
      const ended = once(stdout, 'close').catch(() => {})
      stdout.end()
      await Promise.race([ended, sleep(MAX_END_MS, undefined, { ref: false })])
    },
    flush() {
      for (const stream of [stdout, stderr]) {
        try {
          stream.flushSync()
        } catch {
          // Nobody reads it any more.
        }
      }
    },
  }
}

function jsonLine(level: Level, event: string, fields: Fields): string {
  const now = Date.now()
  const numbers = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === 'number' ? rounded(value) : value,
  ])
  const time = new Date(now).toISOString()
  return JSON.stringify({ ts: Math.floor(now / 1_000), level, event, ...Object.fromEntries(numbers), time })
}

function textLine(level: Level, event: string, fields: Fields): string {
  const pairs = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}=${escaped(String(typeof value === 'number' ? rounded(value) : value))}`)
  return `[${level}] ${event}${pairs.join('')}`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** The common log format; a client that left is 499, as nginx has it. */
function accessLine({ method, path, status, bytes, peer }: Answered): string {
  const [date = '', time = ''] = new Date().toISOString().split(/[T.]/)
  const [year, month, day] = date.split('-')
  const quoted = escaped(path).replaceAll('"', '\\"')
  return `${peer} - - [${day}/${MONTHS[Number(month) - 1]}/${year}:${time} +0000] "${method} ${quoted} HTTP/1.1" ${status || 499} ${bytes}`
}

/** What would begin another line, or move the cursor of whoever reads it. */
function escaped(text: string): string {
  return text.replace(/\p{Cc}/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
