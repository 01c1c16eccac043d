import { HyperError } from '../../server/error.ts'

const TROUBLE: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk is full',
  EFBIG: 'the object is larger than the file system takes',
  EROFS: 'the store is read-only',
  EMFILE: 'too many files are open',
  ENFILE: 'too many files are open',
}

/** The file system's own text names paths and never reaches a client (B6); the cause is kept for the log. */
function asFileError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (error instanceof HyperError || typeof code !== 'string') return error
  return new HyperError('BACKEND_UNAVAILABLE', TROUBLE[code] ?? 'the store cannot be read or written', { cause: error })
}

/** Runs work on files; whatever the file system refuses becomes BACKEND_UNAVAILABLE. */
export async function onFiles<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw asFileError(error)
  }
}
