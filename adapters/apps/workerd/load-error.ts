import type { LoadError, LoadErrorName } from '../../../server/ports/apps.ts'

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
