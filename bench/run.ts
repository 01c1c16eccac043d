/**
 * `npm run bench`: the real CLI and a bare `node:http` server, loaded alike and in turn within one run, because absolute
 * figures of a shared machine mean little. Prints the median of the paired ratios with their spread, and CPU per request;
 * `--json FILE` keeps everything. `--only NAME` runs the scenarios whose name contains it. `--engine compose` has the sandbox work on
 * real servers, beside a bare server that calls their drivers. `--peers` has others beside the apps' host.
 */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { measureApps } from './apps.ts'
import { measureDelivery } from './delivery.ts'
import { clientOf, documents, fill } from './fixture.ts'
import { CONNECTIONS, type Load, load, median, print, row, type Spread, show, spread, withUnique } from './load.ts'
import { builtCli, freeTcpPort, residentMegabytes, type Server, startBare, startSandbox } from './processes.ts'
import { type Scenario, scenarios } from './scenarios.ts'
import { measureOnServers } from './servers.ts'

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    json: { type: 'string' },
    engine: { type: 'string', default: 'embedded' },
    peers: { type: 'boolean', default: false },
  },
})
const rounds = Number(options.rounds)
const seconds = Number(options.seconds)
const STARTS = 7
const IDLE_MS = 3_000

interface Result {
  name: string
  ratio: Spread
  cpuRatio: Spread | undefined
  requestsPerSecond: { bare: number; sandbox: number }
  cpuMicroseconds: { bare: number | undefined; sandbox: number | undefined }
  failed: number
  floor: number
  aim: number
}

async function measure(sandbox: Server, target: Server, scenario: Scenario): Promise<Result> {
  await scenario.prepare?.(clientOf(sandbox.url), target.url)
  const body = scenario.bodies?.[0] && withUnique(scenario.bodies[0])
  const response = await fetch(sandbox.url + withUnique(scenario.path), {
    method: scenario.method,
    ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
  })
  const bare = await startBare({
    status: response.status,
    headers: [...response.headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name)),
    body: await response.text(),
  })
  try {
    const pairs: { bare: Load; sandbox: Load }[] = []
    await load(bare, scenario, 1)
    await load(sandbox, scenario, 2)
    for (let round = 0; round < rounds; round++) {
      await scenario.settle?.(sandbox.url)
      pairs.push({ bare: await load(bare, scenario, seconds), sandbox: await load(sandbox, scenario, seconds) })
    }
    const cpu = (side: 'bare' | 'sandbox') => median(pairs.map((pair) => pair[side].cpuMicroseconds ?? Number.NaN))
    const cpuRatios = pairs.map(
      (pair) => (pair.bare.cpuMicroseconds ?? Number.NaN) / (pair.sandbox.cpuMicroseconds ?? 1),
    )
    return {
      name: scenario.name,
      ratio: spread(pairs.map((pair) => pair.sandbox.requestsPerSecond / pair.bare.requestsPerSecond)),
      cpuRatio: cpuRatios.some(Number.isNaN) ? undefined : spread(cpuRatios),
      requestsPerSecond: {
        bare: median(pairs.map((pair) => pair.bare.requestsPerSecond)),
        sandbox: median(pairs.map((pair) => pair.sandbox.requestsPerSecond)),
      },
      cpuMicroseconds: { bare: cpu('bare'), sandbox: cpu('sandbox') },
      failed: pairs.reduce((sum, pair) => sum + pair.sandbox.failed + pair.bare.failed, 0),
      floor: scenario.floor,
      aim: scenario.aim,
    }
  } finally {
    await bare.close()
  }
}

async function measureStart(): Promise<{ startMs: Spread; idleMegabytes: Spread | undefined }> {
  const starts: number[] = []
  const resident: number[] = []
  for (let round = 0; round < STARTS; round++) {
    const server = await startSandbox(await freeTcpPort())
    starts.push(server.startMs)
    if (round < 3) {
      await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
      const megabytes = residentMegabytes(server.pid)
      if (megabytes !== undefined) resident.push(megabytes)
    }
    await server.close()
  }
  return { startMs: spread(starts), idleMegabytes: resident.length > 0 ? spread(resident) : undefined }
}

async function measureEmbedded(): Promise<void> {
  print(
    `${existsSync(builtCli) ? 'the built package' : 'the sources (npm run build measures what users run)'}, Node ${process.version}, ${cpus().length} cores`,
  )
  print(
    `autocannon, ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s in turn; the bare server gives the same answers`,
  )
  print(
    `1 000 documents of some ${Math.round(JSON.stringify(documents).length / documents.length)} bytes; a query answers 25`,
  )
  print('')
  print(`${row(['', 'floor', 'aim', 'µs CPU/req', 'bare µs'])}   × bare node:http: throughput, by CPU`)

  const results: Result[] = []
  const chosen = scenarios.filter((scenario) => scenario.name.includes(options.only))
  if (chosen.length > 0) {
    const sandbox = await startSandbox(await freeTcpPort())
    const target = await startBare({ status: 204, headers: [], body: '' })
    try {
      await fill(clientOf(sandbox.url))
      for (const scenario of chosen) {
        const result = await measure(sandbox, target, scenario)
        results.push(result)
        const { cpuMicroseconds: cpu, cpuRatio } = result
        print(
          `${row([result.name, result.floor, result.aim, cpu.sandbox?.toFixed(1) ?? '-', cpu.bare?.toFixed(1) ?? '-'])}   ${show(result.ratio, 2)}, ${cpuRatio ? show(cpuRatio, 2) : '-'}${result.failed > 0 ? `  ${result.failed} FAILED` : ''}`,
        )
      }
    } finally {
      await sandbox.close()
      await target.close()
    }
  }

  let delivery: number | undefined
  if (options.only === '' || 'delivery'.includes(options.only)) {
    const sandbox = await startSandbox(await freeTcpPort())
    try {
      delivery = await measureDelivery(sandbox)
    } finally {
      await sandbox.close()
    }
    print('')
    print(`delivery of queued jobs   ${delivery.toFixed(0)} a second to one local target`)
  }

  const start = options.only === '' || 'start'.includes(options.only) ? await measureStart() : undefined
  if (start) {
    print('')
    print(`start to first 2xx write  ${show(start.startMs, 0)} ms   floor 400, aim 300`)
    if (start.idleMegabytes) print(`idle memory               ${show(start.idleMegabytes, 0)} MB   floor 110, aim 90`)
  }
  print('')
  const apps = 'apps'.includes(options.only) ? await measureApps(rounds, seconds, options.peers) : undefined
  if (options.json) {
    await writeFile(
      options.json,
      `${JSON.stringify({ node: process.version, cores: cpus().length, rounds, seconds, results, delivery, start, apps: apps?.figures }, null, 2)}\n`,
    )
  }

  const missed = results.filter((result) => result.ratio.median < result.floor || result.failed > 0)
  const below = [...missed.map(({ name }) => name), ...(apps?.missed ?? [])]
  if (start && start.startMs.median > 400) below.push('start')
  if (below.length > 0) {
    print('')
    print(`below the floor: ${below.join(', ')}`)
    process.exitCode = 1
  }
}

if (options.engine === 'compose') {
  const { only, json } = options
  await measureOnServers({ rounds, seconds, only, json })
} else await measureEmbedded()
