/** One Meilisearch server: its client, how its tasks are waited for, and its errors as ours. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type EnqueuedTaskPromise,
  Meilisearch,
  MeilisearchApiError,
  MeilisearchRequestError,
  MeilisearchRequestTimeOutError,
  type Task,
} from 'meilisearch'
import { HyperError } from '../../server/error.ts'
import { createLiveness, type Liveness, unavailable } from '../shared/liveness.ts'
import { indexNotFound } from './catalogue.ts'

/** How long the server may take for one answer while it is alive. */
const ANSWER_MS = 30_000
/** How long it may take to say that it is there. */
const CHECK_MS = 1_200
/** Between two looks at a task; most take some 20 ms. */
const POLL_MS = 5

export class MeilisearchServer {
  readonly #client: Meilisearch
  readonly #name: string
  readonly #liveness: Liveness
  /** Indexes with a write that failed on its way: its task may be waiting there. */
  readonly #doubtful = new Set<string>()

  /** @param url its password, if it has one, is the key where no other is given */
  constructor(url: string, key?: string) {
    const address = new URL(url)
    const apiKey = key ?? decodeURIComponent(address.password)
    address.username = ''
    address.password = ''
    this.#name = `Meilisearch at ${address.host}`
    this.#client = new Meilisearch({ host: address.href, apiKey, timeout: ANSWER_MS })
    this.#liveness = createLiveness({ server: this.#name, ping: () => this.#client.health() })
  }

  /** @throws HyperError for whatever the server or the way to it has to say; BACKEND_UNAVAILABLE when it falls silent */
  async ask<T>(question: (client: Meilisearch) => Promise<T>): Promise<T> {
    return await this.watch(async () => {
      try {
        return await question(this.#client)
      } catch (error) {
        throw this.#asHyperError(error)
      }
    })
  }

  /** For what consists of several questions. @throws BACKEND_UNAVAILABLE when the server falls silent meanwhile */
  watch<T>(operation: () => Promise<T>): Promise<T> {
    return this.#liveness.watch(operation)
  }

  /** @throws BACKEND_UNAVAILABLE when there is no answer very soon */
  async askSoon<T>(question: (client: Meilisearch) => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(unavailable(this.#name)), CHECK_MS)
    })
    return await Promise.race([this.ask(question), late]).finally(() => clearTimeout(timer))
  }

  /**
   * Has the server do these one after the other; resolves when all are done and show. A task that waits behind others is slow,
   * not dead, and is waited for. @throws what the first that failed failed with
   */
  async perform(...steps: ((client: Meilisearch) => EnqueuedTaskPromise)[]): Promise<Task[]> {
    const enqueued: number[] = []
    for (const step of steps) enqueued.push((await this.ask(step)).taskUid)
    const tasks: Task[] = []
    for (const uid of enqueued) tasks.push(await this.#finished(uid))
    for (const { status, error } of tasks) {
      if (status === 'succeeded') continue
      if (error) throw this.#trouble(error.code, error)
      throw new HyperError('BACKEND_UNAVAILABLE', `${this.#name} was told to cancel the write`)
    }
    return tasks
  }

  /** The client's own way of waiting is one long question, which does not show that the server answers meanwhile. */
  async #finished(uid: number): Promise<Task> {
    for (;;) {
      const task = await this.ask((client) => client.tasks.getTask(uid))
      if (task.status !== 'enqueued' && task.status !== 'processing') return task
      await sleep(POLL_MS)
    }
  }

  /** Nobody knows what has become of a write to that index. */
  doubt(index: string): void {
    this.#doubtful.add(index)
  }

  /** What is decided from now on knows of every write that came before; those of other indexes are not waited for. */
  async settled(index: string): Promise<void> {
    if (!this.#doubtful.has(index)) return
    const { results } = await this.ask((client) =>
      client.tasks.getTasks({ indexUids: [index], statuses: ['enqueued', 'processing'], limit: 1 }),
    )
    // Those of one index are done in the order they came.
    for (const { uid } of results) await this.#finished(uid)
    this.#doubtful.delete(index)
  }

  close(): void {
    this.#liveness.close()
  }

  #asHyperError(error: unknown): unknown {
    if (error instanceof HyperError) return error
    // Something on the way, or another kind of server, knows none of Meilisearch's codes.
    if (error instanceof MeilisearchApiError) return this.#trouble(error.cause?.code ?? 'unavailable', error)
    if (error instanceof MeilisearchRequestError && error.cause instanceof MeilisearchRequestTimeOutError) {
      return new HyperError('QUERY_TIMEOUT', `${this.#name} took longer than ${ANSWER_MS / 1_000} s`, { cause: error })
    }
    // No connection, or an answer that is not Meilisearch's.
    return error instanceof MeilisearchRequestError || error instanceof SyntaxError
      ? unavailable(this.#name, error)
      : error
  }

  /** @param code Meilisearch's, of an answer or of a task */
  #trouble(code: string, cause: unknown): unknown {
    switch (code) {
      case 'index_not_found':
      // An index of ours has its settings from the start; one without was made by a write that came after its end.
      case 'invalid_document_filter':
      case 'invalid_search_filter':
      case 'invalid_search_facets':
        return indexNotFound(cause)
      case 'index_already_exists':
        return new HyperError('SEARCH_INDEX_EXISTS', 'index already exists', { cause })
      case 'payload_too_large':
        return new HyperError('PAYLOAD_TOO_LARGE', `${this.#name} takes no more at once`, {
          hint: 'Send less at once, or raise its MEILI_HTTP_PAYLOAD_SIZE_LIMIT.',
          cause,
        })
      case 'invalid_api_key':
      case 'missing_authorization_header':
        return new HyperError('BACKEND_UNAVAILABLE', `${this.#name} refuses the key`, {
          hint: 'Check services.search.key, or HYPER_SANDBOX_SEARCH_KEY: it needs all actions on all indexes.',
          cause,
        })
      case 'bad_request':
        return new HyperError('BACKEND_UNAVAILABLE', `${this.#name} does not understand what it is asked`, {
          hint: 'It has to be version 1.31 or newer.',
          cause,
        })
      case 'no_space_left_on_device':
      case 'database_size_limit_reached':
        return new HyperError('BACKEND_UNAVAILABLE', `the disk of ${this.#name} is full`, { cause })
      case 'unavailable':
      case 'too_many_search_requests':
      case 'too_many_open_files':
      case 'io_error':
      case 'internal':
        return unavailable(this.#name, cause)
      default:
        return cause instanceof Error ? cause : new Error(`${this.#name}: ${code}`, { cause })
    }
  }
}
