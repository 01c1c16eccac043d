/** What a binding keeps its values in need not be created first: it is made when it turns out to be missing. */
import { type ErrorCode, HyperError } from '../error.ts'

/** @param make fine to be refused by a 409: another request was faster */
export function madeOnFirstUse(missing: ErrorCode, make: (name: string) => Promise<void>) {
  return async <T>(name: string, operation: () => Promise<T>): Promise<T> => {
    try {
      return await operation()
    } catch (error) {
      if (!(error instanceof HyperError && error.code === missing)) throw error
    }
    await make(name).catch((error: unknown) => {
      if (!(error instanceof HyperError && error.status === 409)) throw error
    })
    return await operation()
  }
}
