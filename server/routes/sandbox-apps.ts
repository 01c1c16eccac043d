/** What the command line asks about apps of a running sandbox: how they are, and to run others. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import * as z from 'zod'
import type { AppSet } from '../app-set.ts'
import { plainError, plainStatus } from '../app-status.ts'
import { readJsonBody } from '../json-body.ts'
import type { AppConfig, AppHost } from '../ports/apps.ts'
import { sendJson } from '../response.ts'
import { invalidArguments } from '../validation.ts'

const MAX_BODY_BYTES = 4 * 1024 * 1024

/** What it was made from is checked where that is read; both ends are of one version. */
const applyRequest = z.object({
  apps: z.array(z.looseObject({ name: z.string(), hostnames: z.array(z.string()), path: z.string() })),
  /** Names of those that get new processes even where nothing has changed. */
  fresh: z.array(z.string()).optional(),
})

export interface AppsControl {
  host: Pick<AppHost, 'status'>
  apps: AppSet
  /** @throws HyperError for who may not see them; a change takes the token, since it names files to read */
  admit: { see(request: FastifyRequest): void; change(request: FastifyRequest): void }
}

export function registerSandboxAppRoutes(app: FastifyInstance, { host, apps, admit }: AppsControl): void {
  app.get('/_sandbox/apps', { onRequest: async (request) => admit.see(request) }, async (request, reply) => {
    return sendJson(request, reply, 200, JSON.stringify({ ok: true, apps: host.status().map(plainStatus) }))
  })

  app.post('/_sandbox/apps', { onRequest: async (request) => admit.change(request) }, async (request, reply) => {
    const body = await readJsonBody(request.raw, MAX_BODY_BYTES)
    const parsed = applyRequest.safeParse(body)
    if (!parsed.success) throw invalidArguments(parsed.error, body)
    const { fresh } = parsed.data
    const wanted = { apps: parsed.data.apps as unknown as AppConfig[] }
    const { failed, drained, ...reloaded } = await apps.apply(wanted, fresh ? { fresh } : {})
    const told = failed.map(({ name, error }) => ({ name, error: plainError(error) }))
    return sendJson(request, reply, 200, JSON.stringify({ ok: true, ...reloaded, failed: told }))
  })
}
