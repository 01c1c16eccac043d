/** The sandbox's log: JSON lines in a file, always; for a person at a terminal also pretty on stderr. */
import { renameSync, statSync } from 'node:fs'
import { type DestinationStream, type Logger, multistream, pino } from 'pino'
import { PRETTY } from './log-format.ts'

const ROTATE_BYTES = 10 * 1024 * 1024

export interface LogOptions {
  /** For a person, on stderr. */
  pretty: boolean
  colorize: boolean
  /** JSON lines on stdout too, where whoever runs a container looks for them. */
  stdout: boolean
}

export async function createLogger(file: string, options: LogOptions): Promise<Logger> {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_BYTES) renameSync(file, `${file}.1`)
  // Written at once: what led to a crash is what one reads a log for.
  const streams: { stream: DestinationStream }[] = [{ stream: pino.destination({ dest: file, sync: true }) }]
  if (options.stdout) streams.push({ stream: pino.destination({ dest: 1, sync: true }) })
  if (options.pretty) {
    const { default: pretty } = await import('pino-pretty')
    streams.push({ stream: pretty({ ...PRETTY, colorize: options.colorize, destination: 2, sync: true }) })
  }
  return pino({ level: 'info' }, multistream(streams))
}
