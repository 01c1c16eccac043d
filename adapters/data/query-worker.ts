/** The main thread's end of the worker: one task at a time, a deadline for each, started when needed, stopped when idle. */
import { Worker } from 'node:worker_threads'
import { type ErrorCode, HyperError } from '../../server/error.ts'
import type { IndexRequest } from './catalogue.ts'
import type { Found } from './execute.ts'
import type { Plan } from './plan.ts'

export const QUERY_DEADLINE_MS = 30_000
const IDLE_MS = 30_000

export interface WorkerSettings {
  path: string
}

export type Task = { kind: 'query'; plan: Plan } | { kind: 'index'; database: number; request: IndexRequest }

export type Answer =
  | { kind: 'found'; found: Found }
  | { kind: 'done' }
  /** Documents came in of a shape the plan did not allow for: make another. */
  | { kind: 'stale' }
  /** The database was removed meanwhile. */
  | { kind: 'gone' }
  | { kind: 'failed'; code: ErrorCode; message: string; cause: unknown }

// Not the process's own flags: some (`--input-type`) forbid a file. Node 22 warns that node:sqlite is experimental.
const EXEC_ARGV = ['--disable-warning=ExperimentalWarning']

const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 512 }

interface Job {
  task: Task
  resolve(answer: Answer): void
  reject(error: HyperError): void
}

// Beside this file under Node, beside the bundle once it is built.
const ENTRY = new URL(import.meta.url.endsWith('.ts') ? './query.worker.ts' : './query.worker.js', import.meta.url)

export class QueryWorker {
  readonly #settings: WorkerSettings
  readonly #deadline: number
  #queue: Job[] = []
  #running: Job | undefined
  #thread: Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(path: string, deadline = QUERY_DEADLINE_MS) {
    this.#settings = { path }
    this.#deadline = deadline
  }

  /** @throws QUERY_TIMEOUT, CLOSED, or what the task failed with */
  run(task: Task): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(closedError())
      else {
        this.#queue.push({ task, resolve, reject })
        this.#next()
      }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const job of this.#queue.splice(0)) job.reject(closedError())
    this.#running?.reject(closedError())
    await this.#stop()
  }

  #next(): void {
    if (this.#running !== undefined) return
    clearTimeout(this.#timer)
    this.#running = this.#queue.shift()
    if (this.#running === undefined) {
      this.#thread?.unref()
      this.#timer = setTimeout(() => void this.#stop(), IDLE_MS).unref()
      return
    }
    this.#thread ??= this.#start()
    this.#thread.ref()
    this.#thread.postMessage(this.#running.task)
    if (this.#running.task.kind === 'query') this.#timer = setTimeout(() => this.#expire(), this.#deadline)
  }

  #start(): Worker {
    const thread = new Worker(ENTRY, {
      workerData: this.#settings,
      execArgv: EXEC_ARGV,
      resourceLimits: RESOURCE_LIMITS,
    })
    thread.on('message', (answer: Answer) => {
      if (this.#thread !== thread) return // a late word from one that was given up
      if (answer.kind === 'failed') this.#running?.reject(asError(answer))
      else this.#running?.resolve(answer)
      this.#running = undefined
      this.#next()
    })
    thread.on('error', (error) => {
      if (this.#thread !== thread) return
      this.#abandon(asThreadError(error))
    })
    return thread
  }

  /** SQLite cannot be interrupted from outside, nor can a pattern: the thread goes, the tasks behind it get a new one. */
  #expire(): void {
    const seconds = this.#deadline / 1_000
    this.#abandon(
      new HyperError('QUERY_TIMEOUT', `the query ran longer than ${seconds} s`, {
        hint: 'Make an index for its selector or sort, or narrow it.',
      }),
    )
  }

  #abandon(error: HyperError): void {
    this.#running?.reject(error)
    this.#running = undefined
    void this.#stop()
    if (!this.#closed) this.#next()
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer)
    const thread = this.#thread
    this.#thread = undefined
    await thread?.terminate()
  }
}

function asError({ code, message, cause }: Extract<Answer, { kind: 'failed' }>): HyperError {
  return new HyperError(code, message, { cause })
}

/** An expression can ask for any amount of memory; only its own thread dies of it. */
function asThreadError(cause: Error): HyperError {
  if ((cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new HyperError('QUERY_INVALID', 'the query needs too much memory', { cause })
  }
  return new HyperError('INTERNAL', 'Internal Server Error', { cause })
}

function closedError(): HyperError {
  return new HyperError('CLOSED', 'the service is shutting down')
}
