/** What S3 and the way to it say, as what our callers may be told. */
import { HyperError } from '../../server/error.ts'
import { unavailable } from '../shared/liveness.ts'

const TROUBLE: Record<string, string> = {
  InvalidAccessKeyId: 'refuses our access key',
  SignatureDoesNotMatch: 'refuses our secret key',
  AccessDenied: 'does not allow us this',
  AllAccessDisabled: 'does not allow us this',
  ExpiredToken: 'says that our credentials have expired',
  InvalidToken: 'refuses our credentials',
  CredentialsProviderError: 'was not asked: there are no credentials for it',
  RequestTimeTooSkewed: 'has another time than this machine',
  PermanentRedirect: 'has the S3 bucket in another region',
  AuthorizationHeaderMalformed: 'has the S3 bucket in another region',
  IllegalLocationConstraintException: 'has the S3 bucket in another region',
  BucketAlreadyExists: 'gave the name of the S3 bucket to someone else',
  XMinioStorageFull: 'has a full disk',
  XMinioStorageQuotaExceeded: 'has reached its quota',
  QuotaExceeded: 'has reached its quota',
  InsufficientCapacity: 'has a full disk',
  SlowDown: 'is too busy',
  TooManyRequests: 'is too busy',
  ServiceUnavailable: 'is not ready',
  XMinioServerNotInitialized: 'is not ready',
  InternalError: 'failed',
  NotImplemented: 'cannot do this',
}

/** `XMinioStorageFull` and the like; the text of S3 may name keys, and is for the log only. */
export function codeOf(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
}

export function isMissing(error: unknown): boolean {
  return ['NoSuchKey', 'NoSuchBucket', 'NotFound', 'NoSuchUpload'].includes(codeOf(error))
}

/** Whether a conditional write found something else than it was to replace. */
export function isConflict(error: unknown): boolean {
  return ['PreconditionFailed', 'ConditionalRequestConflict', 'NoSuchKey'].includes(codeOf(error))
}

/** Whether S3 takes nothing any more until something is removed. */
export function isFull(error: unknown): boolean {
  const { cause } = error as HyperError
  return ['XMinioStorageFull', 'XMinioStorageQuotaExceeded', 'QuotaExceeded', 'InsufficientCapacity'].includes(
    codeOf(cause),
  )
}

/** @param server such as `S3 at minio:9000` */
export function asS3Error(error: unknown, server: string): HyperError {
  if (error instanceof HyperError) return error
  const code = codeOf(error)
  const trouble = TROUBLE[code]
  if (trouble !== undefined) return new HyperError('BACKEND_UNAVAILABLE', `${server} ${trouble}`, { cause: error })
  if (statusOf(error) === undefined) return unavailable(server, error)
  return new HyperError('BACKEND_UNAVAILABLE', `${server} refuses: ${code}`, { cause: error })
}
