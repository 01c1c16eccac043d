/**
 * The guard every adapter runs behind: arguments checked before, results after; opened once, on first use, a failed
 * open tried again; nothing after close; and no error but a HyperError ever leaves. Adapters can then stay naive.
 */
import type * as z from 'zod'
import { HyperError } from './error.ts'
import type { PortLifecycle, PortSchemas } from './ports/common.ts'
import { invalidArguments, invalidReturn } from './validation.ts'

type Methods<P> = Exclude<keyof P, keyof PortLifecycle>

/** A port as its callers see it: arguments as they come off the wire, coerced and checked on the way in. */
export type Guarded<P extends PortLifecycle> = PortLifecycle & {
  [K in Methods<P>]: P[K] extends (args: infer A) => Promise<infer R>
    ? (args: { [M in keyof A]: unknown }) => Promise<R>
    : never
}

type Method = (args: unknown) => Promise<unknown>

export function guard<P extends PortLifecycle>(schemas: PortSchemas<P>, adapter: P): Guarded<P> {
  let opening: Promise<void> | undefined
  let ready = false
  let closing: Promise<void> | undefined

  async function open(): Promise<void> {
    if (closing) throw new HyperError('CLOSED', 'the service is shutting down')
    opening ??= adapter.open()
    try {
      await opening
      ready = true
    } catch (error) {
      opening = undefined
      throw asHyperError(error)
    }
  }

  const guarded: Record<string, unknown> = {
    open,
    async check() {
      if (!ready || closing) await open()
      await adapter.check().catch((error: unknown) => {
        throw asHyperError(error)
      })
    },
    close() {
      closing ??= (async () => {
        await opening?.catch(() => {})
        if (opening) await adapter.close()
      })()
      return closing
    },
  }

  for (const [name, { args: argsSchema, result: resultSchema }] of Object.entries(schemas) as [
    string,
    { args: z.ZodType; result: z.ZodType },
  ][]) {
    const method = (adapter as unknown as Record<string, Method>)[name]?.bind(adapter)
    if (!method) throw new HyperError('INVALID_RETURN', `the adapter lacks the method '${name}'`)
    guarded[name] = async (args: unknown) => {
      const parsed = argsSchema.safeParse(args)
      if (!parsed.success) throw invalidArguments(parsed.error, args)
      if (!ready || closing) await open()
      let result: unknown
      try {
        result = await method(parsed.data)
      } catch (error) {
        throw asHyperError(error)
      }
      const checked = resultSchema.safeParse(result)
      if (!checked.success) throw invalidReturn(checked.error, result)
      return checked.data
    }
  }
  return guarded as Guarded<P>
}

/** Anything but a HyperError is a defect or a dead backend: its text stays in the log (B6). */
export function asHyperError(error: unknown): HyperError {
  if (error instanceof HyperError) return error
  return new HyperError('INTERNAL', 'Internal Server Error', { cause: error })
}
