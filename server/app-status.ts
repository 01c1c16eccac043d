import type { AppStatus, LoadError } from './ports/apps.ts'

/** The same for JSON, which has no message of an error. */
export function plainStatus({ error, ...status }: AppStatus): AppStatus {
  return error ? { ...status, error: plainError(error) } : status
}

export function plainError({ name, message, location, frame }: LoadError): LoadError {
  return { name, message, location, frame }
}
