/** `up`: on which engine, and what if that cannot be had. */
import { HyperError } from '../server/error.ts'
import type { Context } from './command.ts'
import { resolveConfig } from './config.ts'
import { durationOf } from './duration.ts'
import { chooseEngine } from './engines/choose.ts'
import { engineNamed } from './engines/engine.ts'
import { isOn } from './flags.ts'

const READY_MS = 60_000

export interface BringUpOptions {
  /** hyper nano's own form. */
  nano?: boolean
}

/** Resolves with the exit code, in the foreground when the sandbox has ended. */
export async function bringUp(context: Context, { nano = false }: BringUpOptions = {}): Promise<number> {
  const { flags, output } = context
  const timeoutMs = durationOf(flags, 'timeout', READY_MS)
  const resolved = await resolveConfig({ ...context, nano })
  for (const note of resolved.notes) output.note(note)
  const { host } = resolved.config.listen
  // Our image says that it is one: what it publishes was decided by whoever started it.
  if (!isLoopback(host) && !isOn(context.env.HYPER_SANDBOX_CONTAINER))
    output.warn(`listening on ${host}: whoever reaches this machine can read and change everything`)

  const { engine, mayFallBack } = await chooseEngine(context, resolved)
  try {
    return await engine.up(context, resolved, { timeoutMs, nano })
  } catch (error) {
    if (!mayFallBack || !(error instanceof HyperError) || error.meta?.reason !== 'images') throw error
    output.warn(`the engine compose cannot be had, so this is the embedded one: ${error.message}`)
    output.note('To try again: hyper-sandbox down; then hyper-sandbox up --engine compose')
    const embedded = await engineNamed('embedded', context.env)
    return await embedded.up(context, resolved, { timeoutMs, nano })
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}
