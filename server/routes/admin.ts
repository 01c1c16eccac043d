/** NANO's admin API (worker-runtime §6): the apps that run, listed, added, removed, reloaded and tried. */
import { realpathSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isAbsolute, relative, resolve } from 'node:path'
import { hasToken, isLocalCall } from '../admin-access.ts'
import type { AppSet } from '../app-set.ts'
import { HyperError } from '../error.ts'
import type { AppEntry } from '../ports/app-entry.ts'
import { appEntry } from '../ports/app-entry.ts'
import type { AppConfig, AppHost, AppStatus } from '../ports/apps.ts'
import { hostPatternOf } from '../ports/hostnames.ts'
import { decodedText } from '../ports/url-text.ts'
import { readAll } from '../request-body.ts'

const MAX_BODY_BYTES = 1024 * 1024

export interface AdminOptions {
  host: AppHost
  apps: AppSet
  /** Admits from anywhere. */
  token?: string | undefined
  /** Being on this machine is enough. */
  isOpenLocally: boolean
  /** A host by which this machine may be called without the token. */
  allowsHost(host: string | undefined): boolean
  /** Directories below which apps may be added without the token: others could hold what only this user may read. Relative paths are taken from the first. */
  roots: readonly string[]
  /** What relative paths are taken from, and defaults filled in. */
  configOf(entry: AppEntry): Promise<AppConfig>
}

interface Answer {
  status: number
  body: object
  headers?: Record<string, string>
}

/** Answers what is below `/admin/`, and always does. */
export function createAdmin(
  options: AdminOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const { status, body, headers } = await answer(options, request).catch(failure)
    const text = JSON.stringify(body)
    response.statusCode = status
    const own = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }
    response.setHeaders(new Map(Object.entries({ ...own, ...headers })))
    response.end(request.method === 'HEAD' ? undefined : text)
  }
}

async function answer(options: AdminOptions, request: IncomingMessage): Promise<Answer> {
  const { token, isOpenLocally, allowsHost } = options
  const isBearer = token !== undefined && hasToken(request, token)
  const isLocal = isOpenLocally && isLocalCall(request) && allowsHost(request.headers.host)
  if (!isBearer && !isLocal) {
    return token === undefined
      ? refusal(403, 'Forbidden')
      : { ...refusal(401, 'Unauthorized'), headers: { 'www-authenticate': 'Bearer' } }
  }
  const url = new URL(request.url ?? '/', 'http://localhost')
  if (url.pathname === '/admin/health') return { status: 200, body: { status: 'ok', admin: true } }
  const call: Call = { ...options, request, isBearer, query: url.searchParams, id: '' }
  const [, encoded] = /^\/admin\/apps\/([^/]+)/.exec(url.pathname) ?? []
  if (encoded !== undefined) call.id = decodedText(encoded)
  const path = encoded === undefined ? url.pathname : url.pathname.replace(encoded, ':id')
  const methods = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined
  if (!methods) return refusal(404, 'Not found')
  const method = request.method === 'HEAD' ? 'GET' : (request.method ?? '')
  const answerCall = Object.hasOwn(methods, method) ? methods[method] : undefined
  if (answerCall) return await answerCall(call)
  return { ...refusal(405, 'Method not allowed'), headers: { allow: Object.keys(methods).join(', ') } }
}

interface Call extends AdminOptions {
  request: IncomingMessage
  isBearer: boolean
  query: URLSearchParams
  /** An app's name, or one of its hosts. */
  id: string
}

const ROUTES: Readonly<Record<string, Readonly<Record<string, (call: Call) => Answer | Promise<Answer>>>>> = {
  '/admin/apps': {
    GET: ({ host }) => ({ status: 200, body: { apps: host.status().map(describe) } }),
    POST: addApp,
    DELETE(call) {
      const hostname = call.query.get('hostname')
      return hostname === null ? refusal(400, 'Missing hostname parameter') : removeApp({ ...call, id: hostname })
    },
  },
  '/admin/apps/:id': { GET: showApp, DELETE: removeApp },
  '/admin/apps/:id/scheduled': { POST: schedule },
  '/admin/reload': { POST: reload },
}

/** Where a router that is not ours finds us. */
export const ADMIN_PATHS = [...Object.keys(ROUTES), '/admin/health']

/** NANO's fields first, then ours. */
function describe(app: AppStatus): object {
  const { name, hostnames, path, timeoutMs, memoryMb, memoryBytes, state, requests, errors, pids, version, error } = app
  return {
    hostname: hostnames[0],
    path,
    memory_percent: Math.round((memoryBytes / (memoryMb * 1024 * 1024)) * 1000) / 10,
    timeout_ms: timeoutMs,
    name,
    hostnames,
    memory_mb: memoryMb,
    state,
    requests,
    errors,
    pid: pids[0] ?? null,
    version,
    ...(error === undefined ? {} : { error: { ...error, name: error.name, message: error.message } }),
  }
}

async function addApp(call: Call): Promise<Answer> {
  const body = await readJson(call.request)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return refusal(400, 'Expected JSON object')
  for (const field of ['hostname', 'path']) {
    if ((body as Record<string, unknown>)[field] === undefined) return refusal(400, `Missing ${field}`)
  }
  const { hostname } = body as { hostname: unknown }
  const name = String(hostname).replace(/[^\w.*-]/g, '-')
  const parsed = appEntry.safeParse({ name, ...body })
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    const detail = `${issue?.path.join('.') || 'the app'}: ${issue?.message}`
    return { status: 400, body: { error: 'Invalid field types', detail } }
  }
  const isAllowed = (place: string | undefined) =>
    call.isBearer || place === undefined || call.roots.some((root) => isBelow(root, place))
  // Before anything there is read; what is read there may lead elsewhere.
  if (!isAllowed(resolve(call.roots[0] ?? '', parsed.data.path))) return refusal(400, 'Path not allowed')
  const config = await call.configOf(parsed.data)
  if (!isAllowed(config.path) || !isAllowed(config.assets)) return refusal(400, 'Path not allowed')
  const error = await call.apps.add(config)
  if (!error) return { status: 201, body: { success: true } }
  const { message, location } = error
  return { status: 500, body: { error: `Failed to load app: ${error.name}`, detail: message, location } }
}

/** Also where links lead. What does not exist is judged by its name: loading it says what is wrong. */
function isBelow(root: string, path: string): boolean {
  const isInside = (outer: string, inner: string) => {
    const way = relative(outer, inner)
    return way.split(/[\\/]/)[0] !== '..' && !isAbsolute(way)
  }
  try {
    return isInside(realpathSync(root), realpathSync(path))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && isInside(resolve(root), path)
  }
}

async function removeApp({ apps, id }: Call): Promise<Answer> {
  const hostname = hostPatternOf(id)
  await apps.remove(({ name, hostnames }) => (hostname !== undefined && hostnames.includes(hostname)) || name === id)
  return { status: 200, body: { success: true } }
}

function showApp({ host, id }: Call): Answer {
  const app = find(host, id)
  return app ? { status: 200, body: describe(app) } : refusal(404, 'App not found')
}

function find(host: AppHost, id: string): AppStatus | undefined {
  const hostname = hostPatternOf(id)
  const all = host.status()
  return (
    all.find(({ hostnames }) => hostname !== undefined && hostnames.includes(hostname)) ??
    all.find(({ name }) => name === id)
  )
}

async function reload({ apps }: Call): Promise<Answer> {
  if (!apps.canReload) return refusal(400, 'No config file configured')
  let failed: Awaited<ReturnType<AppSet['reload']>>['failed']
  try {
    ;({ failed } = await apps.reload())
  } catch (error) {
    const { code, meta, message } = error as HyperError
    return { status: 500, body: { error: `Reload failed: ${meta?.reason ?? code}`, detail: message } }
  }
  const [first] = failed
  if (!first) return { status: 200, body: { success: true } }
  const broken = failed.map(({ name, error: { name: error, message: detail, location } }) => ({
    name,
    error,
    detail,
    location,
  }))
  return { status: 500, body: { error: `Reload failed: ${first.error.name}`, apps: broken } }
}

/** As a clock would: `{ cron?, scheduledTime? }`. */
async function schedule({ host, id, request }: Call): Promise<Answer> {
  const body = await readJson(request, '{}')
  const app = find(host, id)
  if (!app) return refusal(404, 'App not found')
  const { cron = '* * * * *', scheduledTime = Date.now() } = (body ?? {}) as { cron?: unknown; scheduledTime?: unknown }
  if (typeof cron !== 'string' || typeof scheduledTime !== 'number') return refusal(400, 'Invalid field types')
  return { status: 200, body: await host.schedule(app.name, cron, scheduledTime) }
}

/** @throws BAD_REQUEST, PAYLOAD_TOO_LARGE */
async function readJson(request: IncomingMessage, absent = ''): Promise<unknown> {
  const text = (await readAll(request, MAX_BODY_BYTES)).toString('utf8') || absent
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new HyperError('BAD_REQUEST', 'Invalid JSON', { cause })
  }
}

const WORDS: Partial<Record<string, string>> = {
  APP_NOT_FOUND: 'App not found',
  APP_EXISTS: 'Hostname already exists',
  LAST_APP: 'Cannot remove last app',
  PAYLOAD_TOO_LARGE: 'Payload too large',
}

function failure(error: unknown): Answer {
  if (!(error instanceof HyperError)) return refusal(500, 'Internal Server Error')
  return refusal(error.status, WORDS[error.code] ?? error.message)
}

function refusal(status: number, error: string): Answer {
  return { status, body: { error } }
}
