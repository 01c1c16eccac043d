/** Another thread, for work that would hold up the main one: one task at a time, started when needed, stopped when idle. */
import { parentPort, type Transferable, Worker } from 'node:worker_threads'
import { type ErrorCode, HyperError } from '../../server/error.ts'
import { asHyperError } from '../../server/port.ts'

const IDLE_MS = 30_000

// Not the process's own flags: some (`--input-type`) forbid a file. Node 22 warns that node:sqlite is experimental.
const EXEC_ARGV = ['--disable-warning=ExperimentalWarning']

const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 512 }

type Reply<Answer> =
  | { kind: 'answer'; answer: Answer }
  | { kind: 'failure'; code: ErrorCode; message: string; cause: unknown }

interface Job<Task, Answer> {
  task: Task
  deadline: number | undefined
  resolve(answer: Answer): void
  reject(error: HyperError): void
}

/** The file `name` beside the module `url`, as it is called under Node and, beside the bundle, once it is built. */
export function entryBeside(url: string, name: string): URL {
  return new URL(`./${name}.${url.endsWith('.ts') ? 'ts' : 'js'}`, url)
}

/** The main thread's end. */
export class TaskThread<Task, Answer> {
  readonly #entry: URL
  readonly #settings: unknown
  #queue: Job<Task, Answer>[] = []
  #running: Job<Task, Answer> | undefined
  #thread: Worker | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  /** @param settings plain data, the thread's `workerData` */
  constructor(entry: URL, settings?: unknown) {
    this.#entry = entry
    this.#settings = settings
  }

  /**
   * @param deadline how long it may run once its turn has come, in milliseconds
   * @throws QUERY_TIMEOUT, CLOSED, or what the task failed with
   */
  run(task: Task, deadline?: number): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) reject(closedError())
      else {
        this.#queue.push({ task, deadline, resolve, reject })
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
    const { task, deadline } = this.#running
    this.#thread ??= this.#start()
    this.#thread.ref()
    this.#thread.postMessage(task)
    if (deadline !== undefined) this.#timer = setTimeout(() => this.#expire(deadline), deadline)
  }

  #start(): Worker {
    const thread = new Worker(this.#entry, {
      workerData: this.#settings,
      execArgv: EXEC_ARGV,
      resourceLimits: RESOURCE_LIMITS,
    })
    thread.on('message', (reply: Reply<Answer>) => {
      if (this.#thread !== thread) return // a late word from one that was given up
      if (reply.kind === 'failure') this.#running?.reject(asError(reply))
      else this.#running?.resolve(reply.answer)
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
  #expire(deadline: number): void {
    this.#abandon(tookTooLong(deadline))
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

/** The thread's own end: answers each task by `run`. */
export function serveTasks<Task, Answer>(
  run: (task: Task) => Promise<Answer>,
  transfers: (answer: Answer) => Transferable[],
): void {
  parentPort?.on('message', async (task: Task) => {
    try {
      const answer = await run(task)
      parentPort?.postMessage({ kind: 'answer', answer } satisfies Reply<Answer>, transfers(answer))
    } catch (thrown) {
      const { code, message, cause } = asHyperError(thrown)
      parentPort?.postMessage({ kind: 'failure', code, message, cause } satisfies Reply<Answer>)
    }
  })
}

/** @param deadline in milliseconds */
export function tookTooLong(deadline: number, cause?: unknown): HyperError {
  return new HyperError('QUERY_TIMEOUT', `the query ran longer than ${deadline / 1_000} s`, {
    hint: 'Make an index for its selector or sort, or narrow it.',
    cause,
  })
}

function asError({ code, message, cause }: Extract<Reply<never>, { kind: 'failure' }>): HyperError {
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
