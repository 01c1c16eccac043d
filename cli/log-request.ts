/** What of a log is wanted: `logs --since --tail -f [service...]`. */
import ms, { type StringValue } from 'ms'
import type { Context } from './command.ts'
import type { LogRequest } from './engines/engine.ts'
import type { Flags } from './flags.ts'

const LINES = 100

/** @throws USAGE */
export function logRequest({ args, flags }: Pick<Context, 'args' | 'flags'>): LogRequest {
  const tail = flags.text('tail') ?? String(LINES)
  if (!/^\d+$/.test(tail)) throw flags.invalid('tail', `must be a number of lines, not '${tail}'`)
  return { services: args, follow: flags.has('follow'), tail: Number(tail), since: sinceOf(flags) }
}

/** Unix time in milliseconds of so long ago, or of a date. */
function sinceOf(flags: Flags): number | undefined {
  const text = flags.text('since')
  if (text === undefined) return undefined
  const ago = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : ms(text as StringValue)
  const time = ago === undefined || Number.isNaN(ago) ? Date.parse(text) : Date.now() - ago
  if (Number.isNaN(time))
    throw flags.invalid('since', `must be a duration such as 10m or a time such as 2026-01-31T12:00:00Z, not '${text}'`)
  return time
}
