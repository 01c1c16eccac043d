/** Is it alive, and does everything behind it answer (design §8). */
import type { FastifyInstance } from 'fastify'
import { sendJson } from '../response.ts'
import type { Services } from '../services.ts'

const CHECK_DEADLINE_MS = 2_000

export function registerHealthRoutes(
  app: FastifyInstance,
  services: Services,
  identity: { instance: string; version: string },
): void {
  for (const url of ['/health', '/healthz']) {
    app.get(url, async (request, reply) => sendJson(request, reply, 200, '{"status":"ok"}'))
  }

  app.get('/readyz', async (request, reply) => {
    const checks = await Promise.all(
      Object.entries(services).map(async ([name, service]) => [name, await check(service)] as const),
    )
    const ok = checks.every(([, result]) => result.ok)
    const body = JSON.stringify({ ok, ...identity, services: Object.fromEntries(checks) })
    return sendJson(request, reply, ok ? 200 : 503, body)
  })
}

async function check(service: { check(): Promise<void> }): Promise<{ ok: boolean; msg?: string }> {
  const { promise: late, resolve } = Promise.withResolvers<{ ok: boolean; msg: string }>()
  const timer = setTimeout(resolve, CHECK_DEADLINE_MS, { ok: false, msg: `no answer within ${CHECK_DEADLINE_MS} ms` })
  const answer = service.check().then(
    () => ({ ok: true }),
    (error: Error) => ({ ok: false, msg: error.message }),
  )
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}
