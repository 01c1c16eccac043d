/** What containers say: taken apart into lines with their times, those of several merged. */
import { createInterface } from 'node:readline'
import { PassThrough, Readable } from 'node:stream'
import type Docker from 'dockerode'
import { partOf, stackContainers } from './containers.ts'
import { containerEvents } from './events.ts'
import type { LogLine, Part, Stack } from './stack.ts'

type LogOptions = Parameters<Stack['logs']>[0]
type TimedLine = Omit<LogLine, 'part'>

interface ReadOptions {
  follow: boolean
  /** Seconds, and nanoseconds after a point. */
  since?: number | string | undefined
  tail?: number | undefined
  signal: AbortSignal
}

/** What there is in the order of time; then, following, what comes, over restarts too. */
export async function* stackLogs(docker: Docker, project: string, options: LogOptions): AsyncIterable<LogLine> {
  const { parts, follow, tail, signal } = options
  const isAsked = (part: Part | undefined) => part !== undefined && (parts === undefined || parts.includes(part))
  // Listening first, so that no start is missed between the two.
  const events = follow ? await containerEvents(docker, project, signal) : undefined
  const containers = (await stackContainers(docker, project)).flatMap(({ Id, Labels }) => {
    const part = partOf(Labels)
    return part !== undefined && isAsked(part) ? [{ id: Id, part }] : []
  })

  const earlier = await Promise.all(
    containers.map(async ({ id, part }) => {
      const lines = await Array.fromAsync(readLines(docker.getContainer(id), { ...options, follow: false }))
      return lines.map((line) => ({ part, ...line }))
    }),
  )
  const lines = earlier.flat().sort((a, b) => (a.time < b.time ? -1 : 1))
  yield* tail === undefined ? lines : lines.slice(Math.max(0, lines.length - tail))
  if (!events) return

  const merged = new PassThrough({ objectMode: true })
  const lastTimes = new Map(containers.map(({ id }, index) => [id, earlier[index]?.at(-1)?.time]))
  const followed = new Set<string>()
  const attach = async (id: string, part: Part) => {
    if (followed.has(id)) return
    followed.add(id)
    const last = lastTimes.get(id)
    for await (const line of readLines(docker.getContainer(id), { follow, since: last && seconds(last), signal })) {
      // `since` includes its own moment.
      if (line.time <= (lastTimes.get(id) ?? '')) continue
      lastTimes.set(id, line.time)
      merged.write({ part, ...line })
    }
    followed.delete(id)
  }
  const end = (error?: unknown) => (error && !signal.aborted ? merged.destroy(error as Error) : merged.end())
  const attachAll = async () => {
    for (const { id, part } of containers) attach(id, part).catch(end)
    for await (const { action, id, part } of events) {
      if (action === 'start' && part !== undefined && isAsked(part)) attach(id, part).catch(end)
    }
  }
  attachAll().then(end, end)
  yield* merged as AsyncIterable<LogLine>
}

/** The end of what a container said, for messages. */
export async function lastLines(container: Docker.Container, count: number): Promise<string[]> {
  const options = { follow: false, tail: count, signal: AbortSignal.timeout(2_000) }
  const lines = await Array.fromAsync(readLines(container, options))
  return lines.sort((a, b) => (a.time < b.time ? -1 : 1)).map(({ text }) => text)
}

async function* readLines(container: Docker.Container, options: ReadOptions): AsyncIterable<TimedLine> {
  const { follow, since, tail, signal } = options
  const asked = {
    stdout: true,
    stderr: true,
    timestamps: true,
    abortSignal: signal,
    ...(since === undefined ? {} : { since: since as number }),
    ...(tail === undefined ? {} : { tail }),
  }
  let stream: NodeJS.ReadableStream
  try {
    stream = follow
      ? await container.logs({ ...asked, follow: true })
      : Readable.from([await container.logs({ ...asked, follow: false })])
  } catch (error) {
    // Removed meanwhile, or nobody listens any more.
    if (signal.aborted || (error as { statusCode?: number }).statusCode === 404) return
    throw error
  }
  const lines = new PassThrough({ objectMode: true })
  const outputs = [new PassThrough(), new PassThrough()] as const
  container.modem.demuxStream(stream, ...outputs)
  const ended = outputs.map(async (output) => {
    for await (const line of createInterface({ input: output })) lines.write(timed(line))
  })
  const finish = () => {
    for (const output of outputs) output.end()
  }
  stream.once('end', finish).once('close', finish).once('error', finish)
  Promise.all(ended).then(
    () => lines.end(),
    (error: Error) => lines.destroy(error),
  )
  yield* lines as AsyncIterable<TimedLine>
}

function timed(line: string): TimedLine {
  const space = line.indexOf(' ')
  return { time: line.slice(0, space), text: line.slice(space + 1).trimEnd() }
}

/** As the engine reads times: seconds, a point, nanoseconds. */
function seconds(time: string): string {
  const [, fraction = '0'] = /\.(\d+)/.exec(time) ?? []
  return `${Math.floor(Date.parse(time) / 1000)}.${fraction}`
}
