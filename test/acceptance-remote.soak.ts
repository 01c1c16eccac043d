/** The acceptance cases again, on real servers behind the gateway; a service whose server is missing is the embedded one. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { registerCases } from './acceptance/cases.ts'
import { STAND_IN_LACKS } from './acceptance/lacks.ts'
import type { ServerKind } from './parts/server-kinds.ts'
import { type RealServer, startServer as startRealServer } from './parts/servers.ts'
import { serverOfThisFile } from './server-process.ts'

const SERVICES_ON: Record<ServerKind, string[]> = {
  mongo: ['DATA'],
  redis: ['CACHE', 'QUEUE'],
  minio: ['STORAGE'],
  meilisearch: ['SEARCH'],
}

const env: NodeJS.ProcessEnv = {}
const servers: RealServer[] = []
for (const [kind, services] of Object.entries(SERVICES_ON) as [ServerKind, string[]][]) {
  const server = await startRealServer(kind)
  if ('missing' in server) {
    test(`${services.join(' and ')} on a server of its own`, { skip: server.missing }, () => {})
    assert.ok(!process.env.CI || kind === 'meilisearch', server.missing)
    continue
  }
  servers.push(server)
  for (const service of services) {
    env[`HYPER_SANDBOX_${service}_URL`] = server.url
    if (server.key !== undefined) env[`HYPER_SANDBOX_${service}_KEY`] = server.key
  }
}

const server = await serverOfThisFile([], env)
// After the gateway has ended.
after(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]()
})
// A gateway is there before it has connected.
const deadline = performance.now() + 30_000
while (!(await fetch(`${server.url}/readyz`)).ok && performance.now() < deadline) await sleep(100)

const isStandIn = servers.some(({ url, isOurs }) => isOurs && url.startsWith('mongodb:'))
registerCases({ test, origin: () => server.url, lacks: isStandIn ? STAND_IN_LACKS : {} })
