/** What the SQLite adapter has done on another thread: queries that would hold up the main one, and index builds. */
import type { IndexRequest } from './catalogue.ts'
import type { Found } from './execute.ts'
import type { Plan } from './plan.ts'
import { entryBeside, TaskThread } from './task-thread.ts'

export const QUERY_DEADLINE_MS = 30_000

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

export class QueryWorker {
  readonly #thread: TaskThread<Task, Answer>
  readonly #deadline: number

  constructor(path: string, deadline = QUERY_DEADLINE_MS) {
    const settings: WorkerSettings = { path }
    this.#thread = new TaskThread(entryBeside(import.meta.url, 'query.worker'), settings)
    this.#deadline = deadline
  }

  /** @throws QUERY_TIMEOUT, CLOSED, or what the task failed with */
  run(task: Task): Promise<Answer> {
    return this.#thread.run(task, task.kind === 'query' ? this.#deadline : undefined)
  }

  async close(): Promise<void> {
    await this.#thread.close()
  }
}
