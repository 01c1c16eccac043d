/** What apps' KV and R2 bindings reach: the sandbox's own services, by workerd's protocols. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { CODES, HyperError } from '../error.ts'
import { BINDINGS_PATH } from '../ports/apps.ts'
import type { Services } from '../services.ts'
import { drain } from './body.ts'
import { createKv } from './kv.ts'
import { createR2, r2Failure } from './r2.ts'

type Handler = (name: string, request: IncomingMessage, response: ServerResponse) => Promise<void>

const PATH = new RegExp(`^${BINDINGS_PATH}(kv|r2)/([^/]*)(?=/)`)

/**
 * @param onDefect told of what the app itself is not told
 * @returns whether the request was a binding's, and so is answered
 */
export function createAppBindings({ cache, storage }: Services, onDefect: (error: unknown) => void) {
  const kinds = {
    kv: { handle: cache ? createKv(cache) : notStarted('cache'), refuse: kvFailure },
    r2: { handle: storage ? createR2(storage) : notStarted('storage'), refuse: r2Failure },
  }

  async function answer(kind: 'kv' | 'r2', name: string, request: IncomingMessage, response: ServerResponse) {
    const { handle, refuse } = kinds[kind]
    try {
      await handle(name, request, response)
    } catch (error) {
      if (response.headersSent || response.destroyed) return response.destroy()
      await drain(request)
      refuse(response, told(error))
    }
  }

  function told(error: unknown): HyperError {
    if (error instanceof HyperError && CODES[error.code].category === 'user') return error
    onDefect(error)
    return error instanceof HyperError ? error : new HyperError('INTERNAL', 'the binding failed; the log says more')
  }

  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const [prefix, kind, name] = PATH.exec(request.url ?? '') ?? []
    if (prefix === undefined) return false
    request.url = request.url?.slice(prefix.length)
    void answer(kind as 'kv' | 'r2', decodeURIComponent(name ?? ''), request, response)
    return true
  }
}

/** The app is shown the reason phrase. */
function kvFailure(response: ServerResponse, { status, message }: HyperError): void {
  response.writeHead(status, message.replaceAll(/[^\x20-\x7e]/g, '?'), { 'content-length': 0 }).end()
}

function notStarted(service: 'cache' | 'storage'): Handler {
  return () =>
    Promise.reject(new HyperError('SERVICE_NOT_STARTED', `the ${service} service, which keeps it, was not started`))
}
