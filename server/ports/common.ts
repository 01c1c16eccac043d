/** What all ports share: lifecycle, paging, and the zod pieces their schemas are built from. */
import * as z from 'zod'
import type { ErrorCode } from '../error.ts'
import { JsonText, type Stored } from '../json-text.ts'

export interface PortLifecycle {
  /** Called once before the first method, by the guard; a failed call is tried again at the next use. */
  open(): Promise<void>
  /** Resolves when the backend answers now. @throws BACKEND_UNAVAILABLE */
  check(): Promise<void>
  /** Finishes what was accepted, then releases everything. Safe to repeat. */
  close(): Promise<void>
}

/**
 * A result that may be larger than memory should hold: `items` now, and `next` for the following page, absent on the
 * last one. A page that nobody asks for costs nothing, so a reader may stop at any time. Pages are not a snapshot: a
 * write between two of them may show in the later one, but no item is skipped or repeated that was there throughout.
 */
export interface Page<T> {
  items: readonly Stored<T>[]
  next?: (() => Promise<Page<T>>) | undefined
}

/** Each method's argument and result schema. Argument schemas may coerce: an adapter receives their output. */
export type PortSchemas<P> = {
  [K in Exclude<keyof P, keyof PortLifecycle>]: P[K] extends (args: infer A) => Promise<infer R>
    ? { args: z.ZodType<A>; result: z.ZodType<R> }
    : never
}

/** JSON object: not an array, not null (hyper-api §2.1). Members are not looked at. */
export const jsonObject = z
  .custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null && !Array.isArray(value), {
    params: { expected: 'object' },
  })
  .meta({ type: 'object' })

/** What an adapter may return for a stored object: the object or its JSON text. */
export const storedObject = z.custom<Stored<Record<string, unknown>>>(
  (value) => value instanceof JsonText || (typeof value === 'object' && value !== null && !Array.isArray(value)),
  { params: { expected: 'object' } },
)

/** One page; its items are the adapter's word, `items` and `next` are checked. */
export function pageOf<T>(): z.ZodType<Page<T>> {
  return z.custom<Page<T>>(
    (value) => {
      const page = value as Partial<Page<T>> | null
      return (
        typeof page === 'object' &&
        page !== null &&
        Array.isArray(page.items) &&
        (page.next === undefined || typeof page.next === 'function')
      )
    },
    { params: { expected: 'page' } },
  )
}

/** A number, or a string that `parseFloat` reads (hyper-api §2.1: `"10abc"` is 10). */
export const numberLike = z
  .preprocess((value) => {
    if (typeof value !== 'string') return value
    const number = Number.parseFloat(value)
    return Number.isNaN(number) ? value : number
  }, z.number())
  .meta({ type: 'number' })

/** A string that must pass `test`; failing it is `code` with exactly `message`, whatever else is wrong. */
export function ruledString(code: ErrorCode, message: string, test: (value: string) => boolean) {
  return z.string().refine(test, { message, params: { code } })
}

/** All pages' items, decoded lazily by the caller. For results known to be small, and for tests. */
export async function collect<T>(page: Page<T>): Promise<Stored<T>[]> {
  const items = [...page.items]
  for (let { next } = page; next !== undefined; ) {
    const following = await next()
    items.push(...following.items)
    next = following.next
  }
  return items
}
