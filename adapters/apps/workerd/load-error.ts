import type { LoadError, LoadErrorName } from '../../../server/ports/apps.ts'

/** A line of source with a marker below. @param column from 1 */
export function codeFrame(line: number, source: string, column: number, length = 1): string {
  const margin = ' '.repeat(String(line).length)
  // Tabs stay tabs, or the marker would stand elsewhere.
  const indent = source.slice(0, column - 1).replace(/[^\t]/g, ' ')
  return `${line} | ${source}\n${margin} | ${indent}${'^'.repeat(Math.max(1, length))}`
}

/** An app that cannot be loaded: its author's to mend, and nobody else's trouble. */
export class AppLoadError extends Error implements LoadError {
  override readonly name: LoadErrorName
  readonly location: string | undefined
  readonly frame: string | undefined

  constructor(name: LoadErrorName, message: string, where: Pick<LoadError, 'location' | 'frame'> = {}) {
    super(message)
    this.name = name
    this.location = where.location
    this.frame = where.frame
  }
}

export function asLoadError(error: unknown): LoadError {
  return error instanceof AppLoadError ? error : new AppLoadError('ExecutionFailed', (error as Error).message)
}
