/**
 * `npm run bench -- --engine compose`: what the gateway costs over the drivers themselves. The real CLI on real servers and a bare
 * `node:http` server that calls the same servers' drivers, loaded alike and in turn; a ratio of 1 would cost nothing. The servers
 * are those of the tests (`npm run parts`); MongoDB is played by a stand-in unless `HYPER_TEST_MONGO_URL` names a real one.
 */
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { cpus } from 'node:os'
import type { ServerKind } from '../test/parts/server-kinds.ts'
import { type RealServer, startServer } from '../test/parts/servers.ts'
import type { Addresses } from './driver-server.ts'
import { clientOf, fill } from './fixture.ts'
import { CONNECTIONS, type Load, load, median, print, row, type Spread, show, spread } from './load.ts'
import { freeTcpPort, type Server, startDrivers, startSandbox } from './processes.ts'
import { type Scenario, scenarios } from './scenarios.ts'

export interface Measuring {
  rounds: number
  seconds: number
  only: string
  json: string | undefined
}

/** What each scenario works on. */
const WORKS_ON: Record<string, ServerKind> = {
  'GET cache': 'redis',
  'PUT cache': 'redis',
  'GET data': 'mongo',
  'POST data': 'mongo',
  '_query by scan': 'mongo',
  'GET object': 'minio',
  'POST object': 'minio',
  'search rare word': 'meilisearch',
  'POST search': 'meilisearch',
  enqueue: 'redis',
}

interface Result {
  name: string
  ratio: Spread
  requestsPerSecond: { driver: number; gateway: number }
  /** Of our own processes, not of the servers behind them. */
  cpuMicroseconds: { driver: number; gateway: number }
  failed: number
}

export async function measureOnServers({ rounds, seconds, only, json }: Measuring): Promise<void> {
  const started = new Map<ServerKind, RealServer>()
  const missing: Record<string, string> = {}
  for (const kind of ['mongo', 'redis', 'minio', 'meilisearch'] as const) {
    const server = await startServer(kind)
    if ('missing' in server) missing[kind] = server.missing
    else started.set(kind, server)
  }
  const closing: { close(): Promise<void> }[] = []
  const kept = <T extends Server>(server: T): T => {
    closing.unshift(server)
    return server
  }
  const results: Result[] = []
  try {
    const drivers = kept(await startDrivers(addressesOf(started)))
    const gateway = kept(await startSandbox(await freeTcpPort(), environmentOf(started)))
    const target = await startSilence()
    closing.unshift(target)
    await fill(clientOf(gateway.url))

    print(
      `${started.get('mongo')?.isOurs ? "MongoDB's stand-in" : 'MongoDB'}, Node ${process.version}, ${cpus().length} cores`,
    )
    print(
      `autocannon, ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s in turn; the peer calls the driver alone`,
    )
    for (const [kind, reason] of Object.entries(missing)) print(`not measured, ${kind}: ${reason}`)
    print('')
    print(`${row(['', 'driver/s', 'gateway/s', 'driver µs', 'gateway µs'])}   × the driver alone`)
    for (const scenario of scenarios) {
      const kind = WORKS_ON[scenario.name]
      if (!kind || !started.has(kind) || !scenario.name.includes(only)) continue
      await scenario.prepare?.(clientOf(gateway.url), target.url)
      const result = await measure(scenario, drivers, gateway, rounds, seconds)
      results.push(result)
      print(shown(result))
    }
  } finally {
    for (const server of closing) await server.close()
    for (const server of started.values()) await server[Symbol.asyncDispose]()
  }
  if (json) {
    const means = { node: process.version, cores: cpus().length, rounds, seconds, missing }
    await writeFile(json, `${JSON.stringify({ ...means, results }, null, 2)}\n`)
  }
  if (results.some(({ failed }) => failed > 0)) process.exitCode = 1
}

async function measure(
  scenario: Scenario,
  drivers: Server,
  gateway: Server,
  rounds: number,
  seconds: number,
): Promise<Result> {
  const pairs: { driver: Load; gateway: Load }[] = []
  for (const server of [drivers, gateway]) await load(server, scenario, 1)
  for (let round = 0; round < rounds; round++) {
    pairs.push({
      driver: await load(drivers, scenario, seconds),
      gateway: await load(gateway, scenario, seconds),
    })
  }
  const middle = (of: (load: Load) => number) => ({
    driver: median(pairs.map(({ driver }) => of(driver))),
    gateway: median(pairs.map(({ gateway }) => of(gateway))),
  })
  return {
    name: scenario.name,
    ratio: spread(pairs.map(({ driver, gateway }) => gateway.requestsPerSecond / driver.requestsPerSecond)),
    requestsPerSecond: middle((load) => load.requestsPerSecond),
    cpuMicroseconds: middle((load) => load.cpuMicroseconds ?? Number.NaN),
    failed: pairs.reduce((sum, { driver, gateway }) => sum + driver.failed + gateway.failed, 0),
  }
}

/** Takes connections and says nothing. */
async function startSilence(): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => void sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

function shown({ name, ratio, requestsPerSecond: rate, cpuMicroseconds: cpu, failed }: Result): string {
  const cells = [rate.driver, rate.gateway, cpu.driver, cpu.gateway].map((figure) => figure.toFixed(0))
  return `${row([name, ...cells])}   ${show(ratio, 2)}${failed > 0 ? `  ${failed} FAILED` : ''}`
}

function addressesOf(started: ReadonlyMap<ServerKind, RealServer>): Addresses {
  const addresses: Addresses = {}
  for (const kind of ['mongo', 'redis', 'minio'] as const) {
    const server = started.get(kind)
    if (server) addresses[kind] = server.url
  }
  const meilisearch = started.get('meilisearch')
  if (meilisearch) addresses.meilisearch = { url: meilisearch.url, key: meilisearch.key }
  return addresses
}

/** One delivery at a time, to a target that never answers: what is measured of queues is taking jobs in. */
function environmentOf(started: ReadonlyMap<ServerKind, RealServer>): Record<string, string> {
  const variables = {
    HYPER_SANDBOX_DATA_URL: started.get('mongo')?.url,
    HYPER_SANDBOX_CACHE_URL: started.get('redis')?.url,
    HYPER_SANDBOX_QUEUE_URL: started.get('redis')?.url,
    HYPER_SANDBOX_QUEUE_CONCURRENCY: '1',
    HYPER_SANDBOX_STORAGE_URL: started.get('minio')?.url,
    HYPER_SANDBOX_SEARCH_URL: started.get('meilisearch')?.url,
    HYPER_SANDBOX_SEARCH_KEY: started.get('meilisearch')?.key,
  }
  const entries = Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(entries)
}
