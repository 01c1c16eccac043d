import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as sleep } from 'node:timers/promises'
import { prettyFactory } from 'pino-pretty'
import { HyperError } from '../server/error.ts'
import { isServiceName, SERVICE_NAMES, type ServiceName } from '../server/services.ts'
import type { Context } from './command.ts'
import type { LogRequest } from './engines/engine.ts'
import { PRETTY } from './log-format.ts'
import type { Project } from './project.ts'
import { inspectProcess } from './running.ts'
import { stateFiles } from './state.ts'
import { didYouMean } from './suggest.ts'

const POLL_MS = 100
const CHUNK_BYTES = 64 * 1024

export async function showLogs({ output, env }: Context, project: Project, request: LogRequest): Promise<number> {
  const { follow, tail } = request
  const { log } = stateFiles(project.stateDirectory)
  if (!existsSync(log)) {
    output.answer({ file: log, records: [] }, `nothing was logged yet in ${project.directory}`)
    return 0
  }
  const colorize = process.stdout.isTTY === true && !env.NO_COLOR && !env.CI
  const pretty = prettyFactory({ ...PRETTY, colorize })
  await using file = await open(log)
  const reader = createLineReader(file)

  const wanted = filterOf(request)
  const kept: string[] = []
  for await (const line of reader.lines()) {
    if (!wanted(line)) continue
    kept.push(line)
    if (kept.length > tail) kept.shift()
  }
  if (output.json && !follow) {
    output.answer({ file: log, records: kept.map(parse) })
    return 0
  }
  const show = (line: string) => process.stdout.write(output.json ? `${line}\n` : pretty(line))
  for (const line of kept) show(line)
  if (!follow) return 0

  let readerLeft = false
  process.stdout.once('error', () => {
    readerLeft = true
  })
  // What the sandbox wrote before it ended is read after it is seen to have ended.
  for (let running = true; running && !readerLeft; ) {
    running = inspectProcess(project.stateDirectory).state !== 'stopped'
    for await (const line of reader.lines()) if (wanted(line)) show(line)
    if (running) await sleep(POLL_MS)
  }
  return 0
}

/** Whole lines as the file grows; `lines()` ends where the file does and goes on from there at the next call. */
function createLineReader(file: Awaited<ReturnType<typeof open>>) {
  const decoder = new StringDecoder('utf8')
  const buffer = Buffer.alloc(CHUNK_BYTES)
  let position = 0
  let rest = ''
  return {
    async *lines(): AsyncGenerator<string> {
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position)
        if (bytesRead === 0) return
        position += bytesRead
        const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n')
        rest = lines.pop() ?? ''
        yield* lines.filter((line) => line !== '')
      }
    },
  }
}

/** One process logs for all services: what is one service's are the requests to it, in both structures of addresses. */
function filterOf({ services, apps, since }: LogRequest): (line: string) => boolean {
  const named = parseKinds(services)
  if (named.length === 0 && since === undefined && apps === undefined) return () => true
  return (line) => {
    const { time = 0, url, app } = parse(line)
    if (since !== undefined && time < since) return false
    if (apps && !isOf(apps, app)) return false
    if (named.length === 0) return true
    const [first = '', second = ''] = (url ?? '').split('?')[0]?.split('/').slice(1) ?? []
    return named.some((service) => service === first || (service === second && !isServiceName(first)))
  }
}

function parseKinds(services: readonly string[]): ServiceName[] {
  return services.flatMap((name) => {
    if (name === 'gateway') return []
    if (isServiceName(name)) return [name]
    throw new HyperError('USAGE', `logs: there is no service '${name}'${didYouMean(name, SERVICE_NAMES)}`, {
      hint: `The embedded engine is one process; its log can be narrowed to ${SERVICE_NAMES.join(', ')}.`,
    })
  })
}

/** @param apps none named: any */
export function isOf(apps: readonly string[], app: unknown): boolean {
  return typeof app === 'string' && (apps.length === 0 || apps.includes(app))
}

/** A line that a crash cut short is shown as it stands. */
function parse(line: string): { time?: number; url?: string; app?: string; msg?: string } {
  try {
    return JSON.parse(line)
  } catch {
    return { msg: line }
  }
}
