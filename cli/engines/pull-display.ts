/** Images on their way: at a terminal a line each with a bar that fills up, elsewhere a line at the beginning and one at the end. */
import type { Part, PullProgress } from '../../compose/stack.ts'
import type { Output } from '../output.ts'

const BAR_COLUMNS = 20
const WORDS = { pulling: 'pulling', present: 'has', done: 'pulled', failed: 'cannot pull' } as const

export class PullDisplay {
  readonly #output: Output
  readonly #images = new Map<Part, PullProgress>()
  readonly #told = new Set<string>()

  constructor(output: Output) {
    this.#output = output
  }

  show(progress: PullProgress): void {
    const { part, state, image } = progress
    // What is here already is not worth a word.
    if (state === 'present') return
    this.#images.set(part, progress)
    const line = `${part}: ${WORDS[state]} ${image}`
    if (!this.#output.lively && !this.#told.has(line)) this.#output.note(line)
    this.#told.add(line)
  }

  /** For a spinner, whose sign stands before the first line. */
  text(): string {
    if (!this.#output.lively) return 'pulling images'
    const columns = Math.max(40, process.stderr.columns ?? 80)
    const lines = [...this.#images.values()].map((progress) => `  ${lineOf(progress)}`.slice(0, columns - 1))
    return ['pulling images', ...lines].join('\n')
  }

  get pulled(): number {
    return [...this.#images.values()].filter(({ state }) => state === 'done').length
  }
}

function lineOf({ part, image, state, current = 0, total = 0 }: PullProgress): string {
  const share = state === 'done' ? 1 : total > 0 ? Math.min(1, current / total) : 0
  const filled = Math.round(share * BAR_COLUMNS)
  const bar = state === 'failed' ? 'cannot be had'.padEnd(BAR_COLUMNS) : '█'.repeat(filled).padEnd(BAR_COLUMNS, '░')
  return `${part.padEnd(11)} ${bar} ${megabytes(current, total).padStart(11)}  ${image}`
}

function megabytes(current: number, total: number): string {
  const spelled = (bytes: number) => Math.round(bytes / 1e6)
  return total > 0 ? `${spelled(current)}/${spelled(total)} MB` : ''
}
