/** Runs a plan on a connection, the main thread's or the worker's. */

import { compareRanked, type Ranked, rank } from './order.ts'
import { type Plan, source } from './plan.ts'
import type { Predicate } from './predicate.ts'
import { explain } from './query-plan.ts'
import type { Statements } from './statements.ts'

export const PAGE_ITEMS = 1_000
export const PAGE_BYTES = 1_000_000
const SCAN_ROWS = 100

export interface Found {
  /** The first page's documents, as JSON text. */
  texts: string[]
  /** What follows, by `seq`, in order. An array of doubles crosses threads without being copied. */
  rest: Float64Array
}

/** For a plan that SQL decides alone. */
export function execute(statements: Statements, plan: Plan): Found {
  const { params, skip, limit } = plan
  // With a bare `LIMIT ?` SQLite plans for the value: it would prepare the statement anew at every run.
  const body = `${source(plan)} LIMIT ? + 0 OFFSET ? + 0`
  const first = statements.get(`SELECT text ${body}`)
  if (limit <= PAGE_ITEMS && limit * plan.largest <= PAGE_BYTES) {
    return { texts: first.all(...params, limit, skip).map(([text]) => text as string), rest: new Float64Array() }
  }
  const page = new FirstPage()
  for (const [text] of first.iterate(...params, Math.min(limit, PAGE_ITEMS), skip)) {
    page.add(text as string)
    if (page.full) break
  }
  const taken = page.texts.length
  if (!page.full || taken >= limit) return { texts: page.texts, rest: new Float64Array() }
  // With the document among its columns SQLite reads it the same way as the first page, hence in the same order.
  const following = statements.get(`SELECT seq, length(doc) ${body}`).all(...params, limit - taken, skip + taken)
  return { texts: page.texts, rest: Float64Array.from(following, ([seq]) => seq as number) }
}

/** For any plan: SQL gives candidates, JavaScript decides and, where SQL could not, sorts. */
export function executeInJs(statements: Statements, plan: Plan, accepts: Predicate): Found {
  const seqs =
    plan.sort === undefined ? inOrder(statements, plan, accepts) : sorted(statements, plan, accepts, plan.sort)
  return pageOf(statements, plan.database, Float64Array.from(seqs))
}

/** The first page of the documents `seqs`. Those gone meanwhile are left out. */
export function pageOf(statements: Statements, database: number, seqs: Float64Array): Found {
  const get = statements.get(`SELECT text FROM d${database} WHERE seq = ?`)
  const page = new FirstPage()
  let taken = 0
  while (taken < seqs.length && !page.full) {
    const row = get.get(seqs[taken++] as number)
    if (row !== undefined) page.add(row[0] as string)
  }
  return { texts: page.texts, rest: seqs.subarray(taken) }
}

class FirstPage {
  readonly texts: string[] = []
  #bytes = 0

  add(text: string): void {
    this.texts.push(text)
    this.#bytes += text.length
  }

  get full(): boolean {
    return this.texts.length >= PAGE_ITEMS || this.#bytes >= PAGE_BYTES
  }
}

type Candidate = [seq: number, doc: unknown]

function* candidates(statements: Statements, plan: Plan): Generator<Candidate> {
  const isLight = SCAN_ROWS * plan.largest <= 8 * PAGE_BYTES
  if (isLight && plan.orderBy === undefined && !explain(statements, plan)[0]?.startsWith('SEARCH')) {
    yield* scan(statements, plan)
    return
  }
  const rows = statements.get(`SELECT seq, text ${source(plan)}`).iterate(...plan.params)
  for (const [seq, text] of rows) yield [seq as number, JSON.parse(text as string)]
}

/** By the hundred: half the cost of stepping through rows one by one. */
function* scan(statements: Statements, { database, where, params }: Plan): Generator<Candidate> {
  const chunk = statements.get(
    `SELECT seq, text FROM d${database} WHERE ${where} AND seq > ? ORDER BY seq LIMIT ${SCAN_ROWS}`,
  )
  for (let last = -1; ; ) {
    const rows = chunk.all(...params, last)
    for (const [seq, text] of rows) yield [seq as number, JSON.parse(text as string)]
    if (rows.length < SCAN_ROWS) return
    last = rows.at(-1)?.[0] as number
  }
}

function inOrder(statements: Statements, plan: Plan, accepts: Predicate): number[] {
  const seqs: number[] = []
  let passed = 0
  for (const [seq, doc] of candidates(statements, plan)) {
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
  for (const [seq, doc] of candidates(statements, plan)) {
    if (!accepts(doc)) continue
    best.push(rank(doc, seq, keys))
    if (best.length >= 2 * wanted + PAGE_ITEMS) trim()
  }
  trim()
  return best.slice(plan.skip).map(({ seq }) => seq)
}
