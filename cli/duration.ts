import ms, { type StringValue } from 'ms'
import type { Flags } from './flags.ts'

/** A flag such as `60s` or `2m` in milliseconds; a bare number is seconds. @throws USAGE */
export function durationOf(flags: Flags, name: string, defaultMs: number): number {
  const text = flags.text(name)
  if (text === undefined) return defaultMs
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : ms(text as StringValue)
  if (value === undefined || Number.isNaN(value) || value <= 0 || value > 2 ** 31 - 1)
    throw flags.invalid(name, `must be a duration such as 30s or 2m, not '${text}'`)
  return value
}
