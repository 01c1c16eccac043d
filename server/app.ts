/** Builds the gateway: services in, fastify instance out. It never listens (server/start.ts does). */
import { randomBytes } from 'node:crypto'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HookHandlerDoneFunction,
} from 'fastify'
import type { Logger } from 'pino'
import { createRoutingServer, type Handler, hasBadHost } from './app-routing.ts'
import { type Credentials, requireCredentials } from './credentials.ts'
import { HyperError } from './error.ts'
import { createHostRules } from './host-rules.ts'
import { HTTP_OPTIONS } from './http-server.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { answerClientError, sendError } from './plugins/errors.ts'
import type { AppHost } from './ports/apps.ts'
import { parseQuery } from './query-string.ts'
import { ADMIN_PATHS, type AdminOptions, createAdmin } from './routes/admin.ts'
import { registerDocsRoutes } from './routes/docs.ts'
import { registerHealthRoutes } from './routes/health.ts'
import { notFound, registerHyperRoutes } from './routes/hyper.ts'
import { type Control, registerSandboxRoutes } from './routes/sandbox.ts'
import { registerSignedRoutes } from './routes/signed.ts'
import type { Services } from './services.ts'
import { createSigner } from './signed-url.ts'
import { isUploading } from './upload-timeout.ts'

export interface GatewayOptions {
  services: Services
  /** Answer the requests to their hosts. */
  apps?: AppHost | undefined
  logger: Logger
  version: string
  /** Random id of this run, shown by `/readyz`. */
  instance: string
  allowedHosts?: readonly string[]
  allowedOrigins?: readonly string[]
  /** Log every request, not only failed and slow ones (design §14). */
  logRequests?: boolean
  /** Admits admin calls from anywhere; made up when absent. */
  token?: string
  /** 32 secret bytes that URLs are signed with; made up when absent. */
  signingKey?: Uint8Array
  /** Whose tokens hyper's API asks for; absent: any, or none. */
  credentials?: Credentials
  /** Where what apps answer is noted too; made when absent. */
  metrics?: Metrics
  /** NANO's admin API; absent: there is none. */
  admin?: Omit<AdminOptions, 'token' | 'isOpenLocally' | 'allowsHost'> | undefined
  /** Requests that come before it resolves wait for it; one that rejects is the caller's to handle. */
  prepared?: Promise<void>
  /** Called when an admin asks the sandbox to stop. */
  onShutdown?: () => void
  importDirectory?: Control['importDirectory']
}

const TIMEOUTS = { requestTimeout: 300_000, keepAliveTimeout: 72_000 }

/** What apps do not get to see, and where they are found besides on their hosts. */
const ROUTES = { ours: /^\/(?:health|healthz|metrics)(?:\?|$)/, byPath: true }

/** Slower requests are logged. */
const SLOW_MS = 1_000

/** The parser's own limit on the request line bounds these long before. */
const MAX_PARAM_LENGTH = 1_000_000

/** Answered for any Host, as NANO does (design §8.1). */
const ANY_HOST = new Set(['/health', '/healthz', '/metrics'])

export function buildApp(options: GatewayOptions): FastifyInstance {
  const { services, apps, logger, logRequests = false, onShutdown = () => {} } = options
  const token = options.token ?? randomBytes(24).toString('base64url')
  const hostRules = createHostRules(options.allowedHosts ?? [], options.allowedOrigins ?? [])
  const metrics = options.metrics ?? createMetrics()
  if (apps) metrics.showApps(apps)

  const app = Fastify({
    logger: false,
    ...(apps
      ? {
          serverFactory: (handler: Handler) =>
            createRoutingServer(apps, handler, { ...HTTP_OPTIONS, ...TIMEOUTS, ...ROUTES }),
        }
      : { http: HTTP_OPTIONS }),
    ...TIMEOUTS,
    return503OnClosing: false, // what is open when we close is still served
    // The ports' schemas check; without these two, fastify would load ajv and a serializer at start.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    routerOptions: {
      caseSensitive: false,
      ignoreTrailingSlash: true,
      maxParamLength: MAX_PARAM_LENGTH,
      querystringParser: parseQuery,
    },
    frameworkErrors: (error, request, reply) => sendError(request, reply, error, logger),
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isUploading(socket)) return
      answerClientError(error, socket)
    },
  })

  // An expectation we do not know may be ignored (RFC 9110 §10.1.1); Node's own 417 has no body.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))

  app.setErrorHandler((error, request, reply) => sendError(request, reply, error, logger))
  app.setNotFoundHandler((request, reply) => sendError(request, reply, notFound(), logger))

  // Fastify reads no bodies: an operation that takes one reads it itself, to hyper's rules (server/json-body.ts).
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  }

  let prepared = options.prepared?.finally(() => {
    prepared = undefined
  })
  prepared?.catch(() => {})
  app.addHook('onRequest', (request, reply, done) => {
    if (prepared) void prepared.finally(() => admit(request, reply, done)).catch(() => {})
    else admit(request, reply, done)
  })

  function admit(request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
    const { host, origin } = request.headers
    if (hasBadHost(request.raw)) {
      const which = host === undefined ? 'no Host header' : `a Host header that names no host: '${host}'`
      done(new HyperError('BAD_REQUEST', `the request has ${which}`))
    } else if (!hostRules.allowsHost(host) && !ANY_HOST.has(request.url)) {
      done(
        new HyperError(
          'HOST_REFUSED',
          `the host '${host}' is not served here: add it to listen.allowed_hosts in hyper-sandbox.yaml, or call 127.0.0.1`,
        ),
      )
    } else if (origin !== undefined && !hostRules.allowsOrigin(origin, host)) {
      done(
        new HyperError(
          'ORIGIN_REFUSED',
          `pages from '${origin}' may not call this sandbox: add it to listen.allowed_origins in hyper-sandbox.yaml`,
        ),
      )
    } else if (request.method === 'OPTIONS') {
      preflight(request.headers['access-control-request-headers'], reply)
    } else {
      done()
    }
  }

  app.addHook('onResponse', (request, reply, done) => {
    const ms = reply.elapsedTime
    const status = reply.statusCode
    metrics.observe(request.routeOptions.config.service ?? 'gateway', request.method, status, ms)
    if (logRequests || status >= 400 || ms > SLOW_MS) {
      const level = status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info'
      logger[level]({ method: request.method, url: request.url, status, ms: Math.round(ms * 100) / 100 }, 'request')
    }
    done()
  })

  registerHealthRoutes(app, services, { instance: options.instance, version: options.version })
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()))
  registerSandboxRoutes(app, services, {
    token,
    shutdown: onShutdown,
    importDirectory: options.importDirectory,
    apps: options.admin,
  })
  if (options.admin) {
    const admin = createAdmin({ ...options.admin, token, isOpenLocally: true, allowsHost: () => true })
    for (const path of ADMIN_PATHS) {
      app.all(path, (request, reply) => {
        reply.hijack()
        return admin(request.raw, reply.raw)
      })
    }
  }
  registerDocsRoutes(app, options.version)
  const signer = createSigner(options.signingKey ?? randomBytes(32))
  void app.register(async (hyper) => {
    if (options.credentials) requireCredentials(hyper, options.credentials, token)
    registerHyperRoutes(hyper, services, signer)
  })
  registerSignedRoutes(app, services.storage, signer)
  return app
}

function noCompiler(): never {
  throw new Error('no route has a fastify schema')
}

/** Any path, existing or not (hyper-api §1.4). */
function preflight(asked: string | undefined, reply: FastifyReply): void {
  reply.header('access-control-allow-methods', 'GET,HEAD,PUT,PATCH,POST,DELETE')
  reply.header('vary', 'Access-Control-Request-Headers')
  if (asked !== undefined) reply.header('access-control-allow-headers', asked)
  reply.code(204).send()
}
