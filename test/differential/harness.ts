/**
 * Two engines, one contract: the same generated calls on both, every answer compared as the client would see it. What is
 * counted is one call of a generated sequence, under one label: a route, an option or an operator.
 */
import { inspect } from 'node:util'
import fc from 'fast-check'
import { HyperError } from '../../server/error.ts'
import { decode } from '../../server/json-text.ts'

/** One call. */
export interface Step {
  /** Of the port, or a word of the service's own, such as `deliver`. */
  method: string
  args: Record<string, unknown>
}

export interface LabelledStep extends Step {
  /** What it is counted under. */
  label: string
}

/** What generates and performs the calls of one service. `S` is one engine and what is known of it. */
export interface Differential<S> {
  service: string
  /** Calls before the ones that are counted. */
  setup: fc.Arbitrary<Step[]>
  /** By what they are counted under. */
  steps: Record<string, fc.Arbitrary<Step>>
  /** Makes the engine as empty as it was at first. */
  reset(side: S): Promise<void>
  /** The answer after normalisation; it is compared as JSON text, members in order. */
  perform(side: S, step: Step): Promise<unknown>
  /** Whether the call changes anything: after one that was answered differently the two are not comparable any more. */
  isWrite(step: Step): boolean
  /** Reads after each write, which compare what it left. */
  observe: readonly Step[]
  /** Counted calls in a sequence at most: more where beginning anew is slow. @default 12 */
  length?: number
  /** Calls take seconds and leave nothing that others see: all of a sequence are made at once. */
  atOnce?: boolean
}

/** A failure that is none of the caller's says what caused it, and agrees with nothing. */
export type Answer = { value: string } | { code: string; message: string; cause?: string }

export interface Difference {
  service: string
  /** The calls before it, in order. */
  before: readonly Step[]
  step: Step
  embedded: Answer
  remote: Answer
}

export interface Verdict {
  kind: 'excepted' | 'lacks'
  name: string
}

export interface Judge<S> {
  /** Why a difference is none to mend; undefined: it is one. */
  explain(difference: Difference, sides: Sides<S>): Promise<Verdict | undefined>
  /** Why it says nothing that a call was answered alike; undefined: it does. */
  discount?(step: Step): Verdict | undefined
  /** Labels of what the other side lacks altogether: their cases are counted, and compare nothing. */
  missing?: ReadonlySet<string>
}

export interface Sides<S> {
  embedded: S
  remote: S
}

export interface Count {
  cases: number
  agreed: number
  /** Of those that agreed: refused by both, with the same code and message. */
  refused: number
  excepted: number
  lacks: number
}

export class DifferenceFound extends Error {
  readonly difference: Difference

  constructor(difference: Difference) {
    const { service, before, step, embedded, remote } = difference
    super(
      [
        `${service}: the engines differ`,
        ...before.map((earlier) => `  before   ${shown(earlier)}`),
        `  call     ${shown(step)}`,
        `  embedded ${JSON.stringify(embedded)}`,
        `  remote   ${JSON.stringify(remote)}`,
      ].join('\n'),
    )
    this.difference = difference
  }
}

function shown({ method, args }: Step): string {
  return `${method} ${inspect(args, { depth: 12, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 300 })}`
}

export interface Options<S> {
  /** Least number of comparable cases per label; of those the other side lacks, of any cases. */
  cases: number
  judge?: Judge<S>
  /** Of the generator: the same one generates the same calls. */
  seed: number
}

/** A label that still has too few comparable cases after so many times the wanted count is given up: `shortOf` names it. */
const PATIENCE = 3
const LENGTH = 12

const LATE = 'sequence given up: the server did not answer in time'
const MAX_LATE = 10

/** @throws what fast-check reports: the seed, and the shortest sequence found, whose cause is a DifferenceFound */
export async function differ<S>(
  differential: Differential<S>,
  sides: Sides<S>,
  { cases, judge, seed }: Options<S>,
): Promise<{ counts: Map<string, Count>; met: Map<string, number> }> {
  const { setup, steps, isWrite, observe, length = LENGTH } = differential
  const counts = new Map<string, Count>(
    Object.keys(steps).map((label) => [label, { cases: 0, agreed: 0, refused: 0, excepted: 0, lacks: 0 }]),
  )
  const met = new Map<string, number>()

  async function run(before: readonly Step[], counted: readonly LabelledStep[]): Promise<void> {
    try {
      await compareAll(before, counted)
    } catch (error) {
      // A server on a busy machine may be late; what it was asked then is not known to be done or not.
      const late = (met.get(LATE) ?? 0) + 1
      if (!(error instanceof HyperError) || error.code !== 'BACKEND_UNAVAILABLE' || late > MAX_LATE) throw error
      met.set(LATE, late)
    }
  }

  async function compareAll(before: readonly Step[], counted: readonly LabelledStep[]): Promise<void> {
    for await (const { step, embedded, difference } of compared(differential, sides, [...before, ...counted])) {
      const verdict = difference ? await judge?.explain(difference, sides) : judge?.discount?.(step)
      if (difference && !verdict) throw new DifferenceFound(difference)
      if (verdict) met.set(verdict.name, (met.get(verdict.name) ?? 0) + 1)
      const count = isCounted(step) ? counts.get(step.label) : undefined
      if (count) {
        count.cases += 1
        count[verdict?.kind ?? 'agreed'] += 1
        if (!verdict && 'code' in embedded) count.refused += 1
      }
      // What the two hold is not the same any more.
      if (difference && (isWrite(step) || observe.includes(step))) return
    }
  }

  for (let round = 0; ; round++) {
    const lacking = shortOf(counts, cases, judge).filter(([, { cases: had }]) => had < cases * PATIENCE)
    if (lacking.length === 0) return { counts, met }
    const labelled = lacking.map(([label]) =>
      (steps[label] as fc.Arbitrary<Step>).map((step): LabelledStep => ({ ...step, label })),
    )
    const missing = lacking.reduce((sum, [, { cases: had }]) => sum + Math.max(1, cases - had), 0)
    await fc.assert(
      fc.asyncProperty(setup, fc.array(fc.oneof(...labelled), { minLength: 1, maxLength: length, size: 'max' }), run),
      { seed: seed + round, numRuns: Math.ceil((2 * missing) / length) },
    )
  }
}

/** The labels with fewer comparable cases than wanted. */
export function shortOf(
  counts: ReadonlyMap<string, Count>,
  cases: number,
  judge: Pick<Judge<never>, 'missing'> = {},
): [string, Count][] {
  return [...counts].filter(([label, { cases: had, lacks }]) => had - (judge.missing?.has(label) ? 0 : lacks) < cases)
}

/** The first difference that a sequence of calls meets. */
export async function differenceOf<S>(
  differential: Differential<S>,
  sides: Sides<S>,
  steps: readonly Step[],
): Promise<Difference | undefined> {
  for await (const { difference } of compared(differential, sides, steps)) if (difference) return difference
  return undefined
}

interface Compared {
  step: Step
  embedded: Answer
  difference: Difference | undefined
}

/** Calls one after the other on both engines, empty at first; after each write, what it left is read too. */
async function* compared<S>(
  differential: Differential<S>,
  sides: Sides<S>,
  steps: readonly Step[],
): AsyncGenerator<Compared> {
  const { service, isWrite, observe, atOnce } = differential
  await Promise.all([differential.reset(sides.embedded), differential.reset(sides.remote)])
  const ask = (step: Step) =>
    Promise.all([answerOf(differential, sides.embedded, step), answerOf(differential, sides.remote, step)])
  const all = steps.flatMap((step) => (isWrite(step) ? [step, ...observe] : [step]))
  const asked = atOnce ? all.map(ask) : []
  await Promise.allSettled(asked)
  const before: Step[] = []
  for (const [n, step] of all.entries()) {
    const [embedded, remote] = await (asked[n] ?? ask(step))
    const difference = isSame(embedded, remote) ? undefined : { service, before: [...before], step, embedded, remote }
    yield { step, embedded, difference }
    if (!observe.includes(step)) before.push(step)
  }
}

async function answerOf<S>({ perform }: Pick<Differential<S>, 'perform'>, side: S, step: Step): Promise<Answer> {
  try {
    return { value: JSON.stringify(await perform(side, step)) ?? 'nothing' }
  } catch (error) {
    if (!(error instanceof HyperError)) throw error
    const { code, status, message, cause } = error
    if (code === 'BACKEND_UNAVAILABLE') throw error
    return status < 500 ? { code, message } : { code, message, cause: cause instanceof Error ? cause.message : '' }
  }
}

function isCounted(step: Step | LabelledStep): step is LabelledStep {
  return 'label' in step
}

function isSame(a: Answer, b: Answer): boolean {
  if ('value' in a || 'value' in b) return 'value' in a && 'value' in b && a.value === b.value
  return a.cause === undefined && b.cause === undefined && a.code === b.code && a.message === b.message
}

/** Calls of one method with generated arguments. */
export function step(method: string, args: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Step> {
  return fc.record({ method: fc.constant(method), args: fc.record(args) })
}

/** Calls a port's method by its name; what is stored JSON text comes back as its value. */
export async function callWith(port: object, method: string, args: unknown): Promise<unknown> {
  const answer = await (port as Record<string, (args: unknown) => Promise<unknown>>)[method]?.(args)
  return decode(answer)
}

/** The distribution, a line per label. */
export function table(counts: ReadonlyMap<string, Count>): string[] {
  const width = Math.max(...[...counts.keys()].map((label) => label.length)) + 2
  const row = (label: string, cells: (string | number)[]) =>
    `${label.padEnd(width)}${cells.map((cell) => String(cell).padStart(10)).join('')}`
  return [
    row('', ['cases', 'agreed', '(refused)', 'excepted', 'lacks']),
    ...[...counts].map(([label, { cases, agreed, refused, excepted, lacks }]) =>
      row(label, [cases, agreed, `(${refused})`, excepted, lacks]),
    ),
  ]
}
