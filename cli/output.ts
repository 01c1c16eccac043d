/**
 * The only writer. Answers go to stdout, notices and progress to stderr; with `--json` stdout holds one envelope and nothing
 * else, and notices are dropped (warnings are in the envelope).
 */
import { styleText } from 'node:util'
import { CODES, type ErrorCode, type HyperError } from '../server/error.ts'

type Style = Parameters<typeof styleText>[0]

const RETRYABLE: readonly ErrorCode[] = [
  'NOT_READY',
  'BACKEND_UNAVAILABLE',
  'ENGINE_UNAVAILABLE',
  'ADDRESS_IN_USE',
  'CLOSED',
]
const PROGRESS_AFTER_MS = 1000
const REFRESH_MS = 200

export interface Envelope {
  schemaVersion: 1
  command: string
  status: 'ok' | 'error'
  data: unknown
  warnings: string[]
  error: null | {
    code: ErrorCode
    category: 'user' | 'system'
    message: string
    retryable: boolean
    /** What to type or change next. */
    actions: string[]
  }
}

export class Output {
  readonly json: boolean
  readonly #command: string
  readonly #env: NodeJS.ProcessEnv
  readonly #warnings: string[] = []

  constructor(options: { json: boolean; command: string; env: NodeJS.ProcessEnv }) {
    this.json = options.json
    this.#command = options.command
    this.#env = options.env
    // A reader that left (`| head`) or a terminal that closed must not end us half-way.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  }

  /** Spinners and colours are for people at a terminal. */
  get lively(): boolean {
    return process.stderr.isTTY === true && !this.#env.NO_COLOR && !this.#env.CI && this.#env.TERM !== 'dumb'
  }

  /** Whether someone is there to answer a question. */
  get interactive(): boolean {
    return process.stdin.isTTY === true && process.stderr.isTTY === true && !this.json && !this.#env.CI
  }

  note(text: string): void {
    if (!this.json) process.stderr.write(`${text}\n`)
  }

  warn(text: string): void {
    this.#warnings.push(text)
    this.note(`${this.style('yellow', 'warning:')} ${text}`)
  }

  /** The answer: `data` with `--json`, else `text`. Once per command. */
  answer(data: unknown, text?: string): void {
    if (this.json) this.#envelope(data, null)
    else if (text !== undefined) process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  }

  /** One line of an answer that goes on and on. */
  line(text: string): void {
    process.stdout.write(`${text}\n`)
  }

  /** As `answer`, for a person on stderr: what happened, not what was asked for. */
  report(data: unknown, text: string): void {
    if (this.json) this.#envelope(data, null)
    else this.note(text)
  }

  fail(error: HyperError, data: unknown = null): void {
    if (this.json) {
      this.#envelope(data, {
        code: error.code,
        category: CODES[error.code].category,
        message: error.message,
        retryable: RETRYABLE.includes(error.code),
        actions: error.hint === undefined ? [] : [error.hint],
      })
      return
    }
    process.stderr.write(`${this.style('red', 'error:')} ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`${error.hint}\n`)
    if (this.#env.HYPER_SANDBOX_DEBUG)
      process.stderr.write(`${(error.cause as Error | undefined)?.stack ?? error.stack}\n`)
  }

  /** Shown only when `work` takes over a second: a spinner at a terminal, its text kept up to date, else one plain line. */
  async progress<T>(text: string | (() => string), work: Promise<T>): Promise<T> {
    if (this.json) return await work
    const current = typeof text === 'string' ? () => text : text
    let spinner: { stop(): unknown } | undefined
    let refresher: NodeJS.Timeout | undefined
    let done = false
    const timer = setTimeout(async () => {
      // A terminal without a width (script(1), some CI) makes ora clear infinitely many lines.
      if (!this.lively || !process.stderr.columns) {
        this.note(`${current()} …`)
        return
      }
      const { default: ora } = await import('ora')
      if (done) return
      const shown = ora({ text: current(), stream: process.stderr, discardStdin: false }).start()
      refresher = setInterval(() => {
        shown.text = current()
      }, REFRESH_MS)
      spinner = shown
    }, PROGRESS_AFTER_MS)
    timer.unref()
    try {
      return await work
    } finally {
      done = true
      clearTimeout(timer)
      clearInterval(refresher)
      spinner?.stop()
    }
  }

  style(style: Style, text: string): string {
    return this.lively ? styleText(style, text, { validateStream: false }) : text
  }

  /** Resolves when all that was written has left this process. */
  async flush(): Promise<void> {
    for (const stream of [process.stdout, process.stderr]) {
      if (!stream.destroyed) await new Promise<void>((resolve) => stream.write('', () => resolve()))
    }
  }

  #envelope(data: unknown, error: Envelope['error']): void {
    const envelope: Envelope = {
      schemaVersion: 1,
      command: this.#command,
      status: error === null ? 'ok' : 'error',
      data,
      warnings: this.#warnings,
      error,
    }
    process.stdout.write(`${JSON.stringify(envelope)}\n`)
  }
}

/** Rows as aligned columns, the last one free. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length)
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
