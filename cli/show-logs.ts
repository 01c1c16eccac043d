import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as sleep } from 'node:timers/promises'
import { prettyFactory } from 'pino-pretty'
import type { Context } from './command.ts'
import { PRETTY } from './log-format.ts'
import { findProject } from './project.ts'
import { inspect } from './running.ts'
import { stateFiles } from './state.ts'

const POLL_MS = 100
const CHUNK_BYTES = 64 * 1024

export async function showLogs({ flags, output, cwd, env }: Context): Promise<number> {
  const tail = flags.text('tail') ?? '100'
  if (!/^\d+$/.test(tail)) throw flags.invalid('tail', `must be a number of lines, not '${tail}'`)
  const project = findProject(cwd, flags.text('config'))
  const { log } = stateFiles(project.stateDirectory)
  if (!existsSync(log)) {
    output.answer({ file: log, records: [] }, `nothing was logged yet in ${project.directory}`)
    return 0
  }
  const colorize = process.stdout.isTTY === true && !env.NO_COLOR && !env.CI
  const pretty = prettyFactory({ ...PRETTY, colorize })
  await using file = await open(log)
  const reader = createLineReader(file)

  const kept: string[] = []
  for await (const line of reader.lines()) {
    kept.push(line)
    if (kept.length > Number(tail)) kept.shift()
  }
  if (output.json && !flags.has('follow')) {
    output.answer({ file: log, records: kept.map(parse) })
    return 0
  }
  const show = (line: string) => process.stdout.write(output.json ? `${line}\n` : pretty(line))
  for (const line of kept) show(line)
  if (!flags.has('follow')) return 0

  let readerLeft = false
  process.stdout.once('error', () => {
    readerLeft = true
  })
  // What the sandbox wrote before it ended is read after it is seen to have ended.
  for (let running = true; running && !readerLeft; ) {
    running = inspect(project.stateDirectory).state !== 'stopped'
    for await (const line of reader.lines()) show(line)
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

/** A line that a crash cut short is shown as it stands. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return { msg: line }
  }
}
