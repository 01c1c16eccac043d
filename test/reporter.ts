/**
 * How `npm test` tells: a line per file, failures in full, and the counts last. Only leaves count: a test with tests inside is a
 * heading, whose own failure counts only when none of those inside failed.
 */
import { relative } from 'node:path'
import { inspect } from 'node:util'

interface Place {
  /** Where the test is written, which may be in a suite. */
  file?: string
  /** The file that was run. */
  entryFile?: string
}

interface Result extends Place {
  name: string
  nesting: number
  skip?: string | boolean
  todo?: string | boolean
  details: { type?: 'suite' | 'test'; duration_ms: number; error?: Error }
}

type Event =
  | { type: 'test:pass' | 'test:fail'; data: Result }
  | { type: 'test:start'; data: { name: string; nesting: number } & Place }
  | { type: 'test:summary'; data: { duration_ms: number } & Place }
  | { type: 'test:stderr' | 'test:stdout'; data: { message: string } }
  | { type: 'test:diagnostic'; data: { message: string } }

interface Counts {
  passed: number
  failed: number
  skipped: number
}

/** The runner's own summary; ours is the last line. */
const RUNNER_COUNT = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /

export default async function* report(events: AsyncIterable<Event>): AsyncGenerator<string> {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 }
  const files = new Map<string, Counts>()
  const headings = new Map<string, string[]>()
  /** Per file: results of the tests inside the one that is running, by depth. */
  const inside = new Map<string, { results: number; failures: number }[]>()

  for await (const event of events) {
    if (event.type === 'test:stdout' || event.type === 'test:stderr') {
      yield event.data.message
    } else if (event.type === 'test:diagnostic' && !RUNNER_COUNT.test(event.data.message)) {
      yield `  ${event.data.message}\n`
    } else if (event.type === 'test:start') {
      const file = fileOf(event.data)
      const path = headings.get(file) ?? []
      headings.set(file, [...path.slice(0, event.data.nesting), event.data.name])
    } else if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { data } = event
      const file = fileOf(data)
      const levels = inside.get(file) ?? []
      inside.set(file, levels)
      const within = levels[data.nesting + 1] ?? { results: 0, failures: 0 }
      levels.length = data.nesting + 1
      levels[data.nesting] ??= { results: 0, failures: 0 }
      const level = levels[data.nesting] as { results: number; failures: number }
      level.results += 1
      const failed = event.type === 'test:fail' && data.todo === undefined
      if (failed) level.failures += 1

      const isHeading = data.details.type === 'suite' || within.results > 0
      if (isHeading && !(failed && within.failures === 0)) continue
      const counts = files.get(file) ?? { passed: 0, failed: 0, skipped: 0 }
      files.set(file, counts)
      const reason = data.skip ?? data.todo
      const outcome = failed ? 'failed' : reason === undefined ? 'passed' : 'skipped'
      counts[outcome] += 1
      total[outcome] += 1
      if (outcome === 'passed') continue
      const path = [...(headings.get(file) ?? []).slice(0, data.nesting), data.name]
      const name = data.name === file ? 'outside any test' : path.join(' > ')
      if (outcome === 'skipped')
        yield `- skipped: ${name} (${typeof reason === 'string' ? reason : 'no reason given'})\n`
      else yield `\n✖ ${shown(file)}: ${name}\n${indented(explained(data.details.error))}\n\n`
    } else if (event.type === 'test:summary' && event.data.file !== undefined) {
      const { duration_ms } = event.data
      const file = fileOf(event.data)
      const { passed, failed, skipped } = files.get(file) ?? { passed: 0, failed: 0, skipped: 0 }
      const rest = [failed && `${failed} failed`, skipped && `${skipped} skipped`].filter(Boolean)
      const figures = [`${passed} passed`, ...rest].join(', ')
      yield `${failed ? '✖' : '✔'} ${shown(file)}: ${figures} (${(duration_ms / 1000).toFixed(1)} s)\n`
    }
  }
  if (total.passed + total.failed + total.skipped === 0) {
    process.exitCode = 1
    yield 'no test was found\n'
  }
  yield `${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`
}

function fileOf({ entryFile, file }: Place): string {
  return entryFile ?? file ?? ''
}

function shown(file: string): string {
  return relative(process.cwd(), file)
}

/** Node wraps what a test threw; the cause is what its author wants to see. */
function explained(error: Error | undefined): string {
  const cause = error?.cause ?? error
  return cause instanceof Error ? inspect(cause) : String(cause)
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ')
}
