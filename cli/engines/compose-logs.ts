/** `logs` of containers: each line with the part that said it. */
import { prettyFactory } from 'pino-pretty'
import { type LogLine, PART_OF, PARTS, type Part, type Stack } from '../../compose/stack.ts'
import { HyperError } from '../../server/error.ts'
import { isServiceName } from '../../server/services.ts'
import type { Context } from '../command.ts'
import { KINDS } from '../config.ts'
import { PRETTY } from '../log-format.ts'
import { isOf } from '../show-logs.ts'
import { didYouMean } from '../suggest.ts'
import type { LogRequest } from './engine.ts'

const PART_COLUMNS = Math.max(...PARTS.map((part) => part.length))

export async function showContainerLogs(stack: Stack, { output, env }: Context, request: LogRequest): Promise<number> {
  const { follow, tail, since, apps } = request
  // Apps are told of by the gateway.
  const parts: Part[] = apps ? ['gateway'] : partsNamed(request.services)
  const colorize = process.stdout.isTTY === true && !env.NO_COLOR && !env.CI
  const format = output.json ? (line: LogLine) => JSON.stringify(recordOf(line)) : logFormat(colorize)
  const reading = new AbortController()
  const logged = stack.logs({
    ...(parts.length > 0 ? { parts } : {}),
    follow,
    // The last lines of apps are not the last lines.
    ...(apps && !follow ? {} : { tail }),
    ...(since === undefined ? {} : { since: since / 1000 }),
    signal: reading.signal,
  })
  const lines = apps ? linesOf(apps, logged, follow ? Number.POSITIVE_INFINITY : tail) : logged
  if (output.json && !follow) {
    const records = (await Array.fromAsync(lines)).map(recordOf)
    output.answer({ records })
    return 0
  }
  process.stdout.once('error', () => reading.abort())
  let shown = 0
  for await (const line of lines) {
    output.line(format(line))
    shown += 1
  }
  if (shown === 0 && !follow) output.note('nothing was logged')
  return 0
}

/** What is of these apps; the last lines of it once all are known. */
async function* linesOf(apps: readonly string[], lines: AsyncIterable<LogLine>, tail: number): AsyncGenerator<LogLine> {
  const kept: LogLine[] = []
  for await (const line of lines) {
    if (!isOf(apps, (recordOf(line) as { app?: unknown }).app)) continue
    if (tail === Number.POSITIVE_INFINITY) yield line
    else if (kept.push(line) > tail) kept.shift()
  }
  yield* kept
}

/** A gateway's record as people read it, what others say as it is. */
function logFormat(colorize: boolean): (line: LogLine) => string {
  const pretty = prettyFactory({ ...PRETTY, colorize })
  return ({ part, text }) => `${part.padEnd(PART_COLUMNS)} | ${part === 'gateway' ? pretty(text).trimEnd() : text}`
}

/** A gateway's line is a record itself. */
function recordOf({ part, time, text }: LogLine): object {
  try {
    const record: unknown = JSON.parse(text)
    if (part === 'gateway' && typeof record === 'object' && record !== null) return { part, ...record }
  } catch {
    // Not every line of it is one.
  }
  return { part, time, text }
}

/** @throws USAGE */
function partsNamed(names: readonly string[]): Part[] {
  const parts = names.map((name) => {
    if (isServiceName(name)) return PART_OF[name]
    const part = PARTS.find((one) => one === name)
    if (part) return part
    const known = [...KINDS, ...PARTS]
    throw new HyperError('USAGE', `logs: there is no service '${name}'${didYouMean(name, known)}`, {
      hint: `Choose from: ${known.join(', ')}.`,
    })
  })
  return [...new Set(parts)]
}
