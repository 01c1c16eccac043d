/** What the command line asks of a running sandbox: empty services, fill them from a directory, stop (design §§6, 11). */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as z from 'zod'
import { hasToken, isLocalCall } from '../admin-access.ts'
import { HyperError } from '../error.ts'
import { readJsonBody } from '../json-body.ts'
import { purge } from '../purge.ts'
import { sendJson } from '../response.ts'
import { SERVICE_NAMES, type Services } from '../services.ts'
import { invalidArguments } from '../validation.ts'
import { type AppsControl, registerSandboxAppRoutes } from './sandbox-apps.ts'

const MAX_BODY_BYTES = 64 * 1024

const purgeRequest = z
  .object({
    kinds: z.array(z.enum(SERVICE_NAMES)).optional(),
    domain: z.string().optional(),
    all: z.boolean().optional(),
  })
  .refine(({ domain, all }) => (domain === undefined) !== (all !== true), {
    message: "name either a 'domain' or 'all': true",
    params: { code: 'INVALID_ARGUMENTS' },
  })

const importRequest = z.object({
  directory: z.string(),
  kinds: z.array(z.enum(SERVICE_NAMES)).optional(),
  domain: z.string().optional(),
})

export interface Control {
  token: string
  shutdown(): void
  /** Absent: no apps, and no such routes. */
  apps?: Pick<AppsControl, 'host' | 'apps'> | undefined
  /** Brings in what another server left in a directory of this machine. Absent: there is no such route. */
  importDirectory?: ((request: z.infer<typeof importRequest>) => Promise<object>) | undefined
}

export function registerSandboxRoutes(app: FastifyInstance, services: Services, control: Control): void {
  const onRequest = async (request: FastifyRequest) => admit(request, control.token)

  app.post('/_sandbox/purge', { onRequest }, async (request, reply) => {
    const body = await readJsonBody(request.raw, MAX_BODY_BYTES)
    const parsed = purgeRequest.safeParse(body)
    if (!parsed.success) throw invalidArguments(parsed.error, body)
    const emptied = await purge(services, parsed.data)
    return sendJson(request, reply, 200, JSON.stringify({ ok: true, emptied }))
  })

  const { importDirectory } = control
  if (importDirectory) {
    // Whoever may name a directory reads what this process can read: being on this machine is not enough.
    const byToken = async (request: FastifyRequest) => admitBearer(request, control.token)
    app.post('/_sandbox/import', { onRequest: byToken }, async (request, reply) => {
      const body = await readJsonBody(request.raw, MAX_BODY_BYTES)
      const parsed = importRequest.safeParse(body)
      if (!parsed.success) throw invalidArguments(parsed.error, body)
      return sendJson(request, reply, 200, JSON.stringify({ ok: true, ...(await importDirectory(parsed.data)) }))
    })
  }

  if (control.apps) {
    const change = (request: FastifyRequest) => admitBearer(request, control.token)
    const see = (request: FastifyRequest) => admit(request, control.token)
    registerSandboxAppRoutes(app, { ...control.apps, admit: { see, change } })
  }

  app.post('/_sandbox/shutdown', { onRequest }, async (request, reply) => {
    reply.raw.once('finish', control.shutdown)
    return sendJson(request, reply, 200, '{"ok":true}')
  })
}

/** A loopback peer that nobody forwarded and no web page sent, or the bearer of the sandbox's token. */
function admit(request: FastifyRequest, token: string): void {
  if (!isLocalCall(request.raw)) admitBearer(request, token)
}

function admitBearer({ raw }: FastifyRequest, token: string): void {
  if (hasToken(raw, token)) return
  throw new HyperError('TOKEN_REQUIRED', "this needs the sandbox's token: send 'Authorization: Bearer <token>'")
}
