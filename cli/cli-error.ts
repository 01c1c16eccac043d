import { HyperError } from '../server/error.ts'

/** Any failure as the command line tells it. Unlike over HTTP a defect's own text is shown: it is this user's machine. */
export function asCliError(error: unknown): HyperError {
  if (error instanceof HyperError && error.code !== 'INTERNAL') return error
  const cause = error instanceof HyperError && error.cause !== undefined ? error.cause : error
  if (cause instanceof HyperError) return cause
  return new HyperError('INTERNAL', cause instanceof Error ? cause.message : String(cause), {
    hint: 'If this looks like a defect, run it again with HYPER_SANDBOX_DEBUG=1 and report what it prints.',
    cause,
  })
}
