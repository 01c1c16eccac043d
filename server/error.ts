/**
 * Every failure a user can meet, once. `status` is what HTTP answers, `exitCode` what the command line ends with,
 * `category` who can mend it: `user` (change the request), `system` (something of ours or around us failed).
 */
export const CODES = {
  // What a client sent
  BAD_REQUEST: { status: 400, exitCode: 2, category: 'user' }, // body, path or encoding cannot be read at all
  INVALID_ARGUMENTS: { status: 422, exitCode: 2, category: 'user' }, // readable, but of the wrong shape
  INVALID_UNION: { status: 400, exitCode: 2, category: 'user' }, // none of several allowed shapes fits (hyper-api: sort, index fields)
  PAYLOAD_TOO_LARGE: { status: 413, exitCode: 2, category: 'user' }, // body over the route's limit, after decompression
  UNSUPPORTED_MEDIA: { status: 415, exitCode: 2, category: 'user' }, // charset or content encoding we do not read
  NAME_INVALID: { status: 422, exitCode: 2, category: 'user' }, // service name breaks the service's name rule
  NAME_RESERVED: { status: 422, exitCode: 2, category: 'user' }, // hyper's own metadata name
  KEY_INVALID: { status: 422, exitCode: 2, category: 'user' }, // key or id breaks the service's rule
  PATH_INVALID: { status: 400, exitCode: 2, category: 'user' }, // bucket or object name is relative, empty or too long
  TTL_INVALID: { status: 422, exitCode: 2, category: 'user' }, // ttl is no duration
  DOCUMENT_EMPTY: { status: 400, exitCode: 2, category: 'user' }, // create without any member
  QUERY_INVALID: { status: 422, exitCode: 2, category: 'user' }, // selector operator unknown, refused or misused
  ORIGIN_REFUSED: { status: 403, exitCode: 1, category: 'user' }, // browser origin that is not allowed
  SIGNATURE_INVALID: { status: 403, exitCode: 1, category: 'user' }, // signed URL that was altered, or is for another method
  SIGNATURE_EXPIRED: { status: 403, exitCode: 1, category: 'user' },
  NOT_AUTHORIZED: { status: 401, exitCode: 1, category: 'user' }, // no valid token of the configured credentials
  TOKEN_REQUIRED: { status: 401, exitCode: 1, category: 'user' }, // admin call without the sandbox's token
  HOST_REFUSED: { status: 403, exitCode: 1, category: 'user' }, // Host header that is not allowed (DNS rebinding)

  // What is not there, or already there
  ROUTE_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  DATABASE_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  DATABASE_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  DOCUMENT_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  DOCUMENT_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  INDEX_CONFLICT: { status: 409, exitCode: 1, category: 'user' }, // same index name, other fields
  STORE_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  STORE_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  KEY_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  KEY_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  BUCKET_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  BUCKET_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  OBJECT_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  SEARCH_INDEX_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  SEARCH_INDEX_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  SEARCH_DOCUMENT_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  SEARCH_DOCUMENT_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  QUEUE_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  QUEUE_EXISTS: { status: 409, exitCode: 1, category: 'user' },
  JOB_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  APP_NOT_FOUND: { status: 404, exitCode: 1, category: 'user' },
  APP_EXISTS: { status: 409, exitCode: 1, category: 'user' }, // its name or one of its hosts is another app's
  APP_NOT_LOADED: { status: 500, exitCode: 1, category: 'user' }, // its files are not an app
  LAST_APP: { status: 400, exitCode: 1, category: 'user' }, // something has to answer
  PRECONDITION_FAILED: { status: 412, exitCode: 1, category: 'user' }, // If-Match and its like do not hold

  // What we cannot do now
  SERVICE_NOT_STARTED: { status: 503, exitCode: 7, category: 'user' }, // this sandbox runs without that service
  BACKEND_UNAVAILABLE: { status: 503, exitCode: 4, category: 'system' }, // storage engine gone, busy or full
  QUERY_TIMEOUT: { status: 503, exitCode: 1, category: 'system' }, // a scan ran past its deadline and was ended
  CLOSED: { status: 503, exitCode: 7, category: 'system' }, // used after close
  INVALID_RETURN: { status: 500, exitCode: 1, category: 'system' }, // an adapter broke its port
  INTERNAL: { status: 500, exitCode: 1, category: 'system' }, // a defect; the log has the detail

  // Command line
  SOURCE_INVALID: { status: 400, exitCode: 1, category: 'user' }, // what import was pointed at cannot be read
  USAGE: { status: 400, exitCode: 2, category: 'user' }, // unknown flag, verb or value
  CONFIRMATION_NEEDED: { status: 400, exitCode: 3, category: 'user' }, // destructive verb off a terminal without --yes
  ENGINE_UNAVAILABLE: { status: 503, exitCode: 4, category: 'system' },
  ADDRESS_IN_USE: { status: 503, exitCode: 5, category: 'user' },
  NOT_READY: { status: 503, exitCode: 6, category: 'system' }, // start or wait ran past its timeout
  NOT_RUNNING: { status: 503, exitCode: 7, category: 'user' },
  CONFIG_INVALID: { status: 400, exitCode: 8, category: 'user' },
  INTERRUPTED: { status: 503, exitCode: 130, category: 'user' },
} as const satisfies Record<string, { status: number; exitCode: number; category: 'user' | 'system' }>

export type ErrorCode = keyof typeof CODES

export interface HyperErrorOptions {
  /** What to type or change next, as a sentence. Shown by the command line, never sent over HTTP. */
  hint?: string
  cause?: unknown
  /** Figures for machine output (`--json`). */
  meta?: Record<string, unknown>
}

/** The one error class. Adapters throw it with a code; they never choose an HTTP status themselves. */
export class HyperError extends Error {
  override readonly name = 'HyperError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly meta: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, options: HyperErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.meta = options.meta
  }

  get status(): number {
    return CODES[this.code].status
  }

  get exitCode(): number {
    return CODES[this.code].exitCode
  }
}
