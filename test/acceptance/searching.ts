/** What cases ask a search index, and what comes back. */
import type { Domain } from './case.ts'
import { answers, type Reply } from './http.ts'

export interface Match {
  id: string
  score: number
  terms: string[]
  queryTerms: string[]
  match: Record<string, string[]>
  [stored: string]: unknown
}

export function ask({ onSearch }: Domain, json: unknown): Promise<Reply> {
  return onSearch('POST', '/_query', { json })
}

/** @param q the query alone, or with its fields and filter */
export async function matches(domain: Domain, q: string | object): Promise<Match[]> {
  const reply = await ask(domain, typeof q === 'string' ? { query: q } : q)
  const { matches } = reply.json() as { matches: Match[] }
  answers(reply, 200, { ok: true, matches })
  return matches
}
