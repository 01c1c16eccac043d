/**
 * The queue port: named queues that send each job to a target URL until it answers 2xx (hyper-api §§2, 8).
 *
 * A job is acknowledged only when it survives a kill of the process; then it is delivered at least once, also after a restart.
 * Each queue has workers of its own, so a target that hangs holds up no other queue. A failed delivery is tried again,
 * later each time; when the last attempt failed the job is kept with its error until it is retried or cancelled.
 */
import * as z from 'zod'
import type { Stored } from '../json-text.ts'
import { jsonObject, type Page, type PortLifecycle, type PortSchemas, pageOf, ruledString } from './common.ts'

export const JOB_STATUSES = ['READY', 'ERROR'] as const

/** READY: waiting, being sent, or waiting for its next attempt. ERROR: every attempt failed. */
export type JobStatus = (typeof JOB_STATUSES)[number]

export interface QueueJob {
  id: number
  status: JobStatus
  queue: string
  job: Stored<Record<string, unknown>>
  /** When it was enqueued, as an ISO 8601 time (the member's name is hyper's, hyper-api §8.4). */
  timestmp: string
  /** Why the last attempt failed: what the target answered, or why it could not be reached. */
  error?: string | undefined
}

/** Every method but start, stop, create and list throws QUEUE_NOT_FOUND when the queue does not exist. */
export interface QueuePort extends PortLifecycle {
  /** Begins to deliver; until then jobs only wait, so that a store can be emptied before anything is sent. Safe to repeat. */
  start(args: Record<never, never>): Promise<void>
  /**
   * Begins no further delivery until `start`; those on their way go on. When a sandbox ends, its targets may end with it, and no
   * job's attempts shall be spent on that. Safe to repeat.
   */
  stop(args: Record<never, never>): Promise<void>
  /** `name` arrives lowercased; `""` as secret is none. @throws QUEUE_EXISTS */
  create(args: { name: string; target: string; secret?: string | undefined }): Promise<void>
  /** Removes the queue and its jobs; one that is being sent is cut off. */
  delete(args: { name: string }): Promise<void>
  /** Names, in the order of creation. */
  list(args: Record<never, never>): Promise<{ names: string[] }>
  /** Removes every job, keeps target and secret. Answers how many jobs went. */
  empty(args: { name: string }): Promise<{ count: number }>
  /** With `error` the job is kept as one whose last attempt failed so, and not sent: it comes from another queue's store. */
  post(args: { name: string; job: Record<string, unknown>; error?: string | undefined }): Promise<{ id: number }>
  /** In the order of enqueueing. */
  get(args: { name: string; status: JobStatus }): Promise<Page<QueueJob>>
  /** Sends a failed job again, with all its attempts; fine for one that is waiting. @throws JOB_NOT_FOUND */
  retry(args: { name: string; id: string }): Promise<void>
  /** Removes the job; if it is being sent, the request is cut off. @throws JOB_NOT_FOUND */
  cancel(args: { name: string; id: string }): Promise<void>
}

const QUEUE_NAME = /^[a-z0-9\-~_]+$/

/** The rule is for new names alone: any other name is that of no queue (hyper-api §2.4). */
const newName = ruledString('NAME_INVALID', 'queue name is not valid!', (text) => QUEUE_NAME.test(text))
const name = z.string()
const id = z.string()

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)
}

/** Other schemes cannot be posted to (B8). */
const target = z.string().refine(isHttpUrl, { message: 'Invalid url' }).meta({ format: 'uri' })

const none = z.void()

export const queuePort = {
  start: { args: z.object({}), result: none },
  stop: { args: z.object({}), result: none },
  create: { args: z.object({ name: newName, target, secret: z.string().max(100).optional() }), result: none },
  delete: { args: z.object({ name }), result: none },
  list: { args: z.object({}), result: z.object({ names: z.array(z.string()) }) },
  empty: { args: z.object({ name }), result: z.object({ count: z.number() }) },
  post: {
    args: z.object({ name, job: jsonObject, error: z.string().optional() }),
    result: z.object({ id: z.number().int() }),
  },
  get: { args: z.object({ name, status: z.enum(JOB_STATUSES) }), result: pageOf<QueueJob>() },
  retry: { args: z.object({ name, id }), result: none },
  cancel: { args: z.object({ name, id }), result: none },
} satisfies PortSchemas<QueuePort>
