/** What the queue cases do over and over. */
import assert from 'node:assert/strict'
import type { Domain } from './case.ts'
import { answers, send } from './http.ts'

export interface Job {
  id: number
  job: unknown
  status: string
  queue: string
  timestmp: string
  error?: string
}

export async function jobs({ onQueue }: Domain, status: 'READY' | 'ERROR'): Promise<Job[]> {
  const reply = await onQueue('GET', `?status=${status}`)
  const { jobs } = reply.json() as { jobs: Job[] }
  answers(reply, 200, { ok: true, jobs })
  return jobs
}

export async function post({ onQueue }: Domain, job: object): Promise<number> {
  const reply = await onQueue('POST', '', { json: job })
  const { id } = reply.json() as { id: number }
  answers(reply, 201, { ok: true, id })
  assert.ok(Number.isInteger(id), `id ${id}`)
  return id
}

export async function create({ onQueue }: Domain, target: string, secret?: string): Promise<void> {
  const json = { target, ...(secret !== undefined && { secret }) }
  answers(await onQueue('PUT', '', { json }), 201, { ok: true })
}

/** Another queue of the same app or the like, which the case removes itself. */
export function neighbour(domain: Domain, suffix: string): Domain {
  const queue = `${domain.queue}${suffix}`
  return { ...domain, queue, onQueue: (method, rest = '', sending) => send(method, queue + rest, sending) }
}
