/** Runs a plan on a connection, the main thread's or the worker's. */
import type { Predicate } from './match.ts'
import { compareRanked, type Ranked, rank } from './order.ts'
import type { Plan } from './plan.ts'
import type { Statements } from './statements.ts'

export const PAGE_ITEMS = 1_000
export const PAGE_BYTES = 1_000_000

export interface Found {
  /** The first page's documents, as JSON text. */
  texts: string[]
  /** What follows, by `seq`, in order. */
  rest: number[]
}

/** For a plan that SQL decides alone. */
export function execute(statements: Statements, plan: Plan): Found {
  const { where, params, orderBy, skip } = plan
  const limit = Math.min(plan.limit, Number.MAX_SAFE_INTEGER)
  const body = `FROM d${plan.database} WHERE ${where} ORDER BY ${orderBy} LIMIT ? OFFSET ?`
  const page = new FirstPage()
  const first = statements.get(`SELECT json(doc) AS text ${body}`)
  for (const row of first.iterate(...params, Math.min(limit, PAGE_ITEMS), skip)) page.add(row.text as string)
  const taken = page.texts.length
  if (!page.full || taken >= limit) return { texts: page.texts, rest: [] }
  const rest = statements.get(`SELECT seq ${body}`).all(...params, limit - taken, skip + taken)
  return { texts: page.texts, rest: rest.map((row) => row.seq as number) }
}

/** For any plan: SQL gives candidates, JavaScript decides and, where SQL could not, sorts. */
export function executeInJs(statements: Statements, plan: Plan, accepts: Predicate): Found {
  const seqs =
    plan.sort === undefined ? inOrder(statements, plan, accepts) : sorted(statements, plan, accepts, plan.sort)
  return pageOf(statements, plan.database, seqs)
}

/** The first page of the documents `seqs`. Those gone meanwhile are left out. */
export function pageOf(statements: Statements, database: number, seqs: readonly number[]): Found {
  const get = statements.get(`SELECT json(doc) AS text FROM d${database} WHERE seq = ?`)
  const page = new FirstPage()
  let taken = 0
  while (taken < seqs.length && !page.full) {
    const row = get.get(seqs[taken++] as number)
    if (row !== undefined) page.add(row.text as string)
  }
  return { texts: page.texts, rest: seqs.slice(taken) }
}

class FirstPage {
  readonly texts: string[] = []
  #bytes = 0

  add(text: string): void {
    if (this.full) return
    this.texts.push(text)
    this.#bytes += text.length
  }

  get full(): boolean {
    return this.texts.length >= PAGE_ITEMS || this.#bytes >= PAGE_BYTES
  }
}

function* candidates(statements: Statements, plan: Plan): Generator<{ seq: number; doc: unknown }> {
  const rows = statements
    .get(`SELECT seq, json(doc) AS text FROM d${plan.database} WHERE ${plan.where} ORDER BY ${plan.orderBy}`)
    .iterate(...plan.params)
  for (const row of rows) yield { seq: row.seq as number, doc: JSON.parse(row.text as string) }
}

function inOrder(statements: Statements, plan: Plan, accepts: Predicate): number[] {
  const seqs: number[] = []
  let passed = 0
  for (const { seq, doc } of candidates(statements, plan)) {
    if (!accepts(doc)) continue
    if (passed++ >= plan.skip) seqs.push(seq)
    if (seqs.length >= plan.limit) break
  }
  return seqs
}

/** Holds no more than about twice what the query asks for. */
function sorted(statements: Statements, plan: Plan, accepts: Predicate, keys: NonNullable<Plan['sort']>): number[] {
  const wanted = plan.skip + plan.limit
  const best: Ranked[] = []
  const trim = () => {
    best.sort((a, b) => compareRanked(a, b, keys))
    best.length = Math.min(best.length, wanted)
  }
  for (const { seq, doc } of candidates(statements, plan)) {
    if (!accepts(doc)) continue
    best.push(rank(doc, seq, keys))
    if (best.length >= 2 * wanted + PAGE_ITEMS) trim()
  }
  trim()
  return best.slice(plan.skip).map(({ seq }) => seq)
}
