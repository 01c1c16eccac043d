/**
 * What the gateway costs an app over the same workerd without it, in turn within one run, and how long apps take to start and to be
 * replaced: `npm run bench -- --only apps`. With `--peers`, miniflare and wrangler are brought into a temporary directory and
 * measured on the same app.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAppHost } from '../test/helpers/app-host.ts'
import { APP, installPeers, PEERS, startPeer, startWorkerd } from './app-servers.ts'
import { asFastAsItCan, atRate, CONNECTIONS, hasWrk } from './hello-load.ts'
import { median, print, show, spread } from './load.ts'
import { freeTcpPort, type Server, startSandbox } from './processes.ts'
import { percentile } from './timing.ts'

const HOST = 'hello.localhost'
const RATE = 200
const MANY = 50

export interface AppFigures {
  /** All that was measured, by what it is. */
  figures: Record<string, number[]>
  missed: string[]
}

export async function measureApps(rounds: number, seconds: number, withPeers: boolean): Promise<AppFigures> {
  const result: AppFigures = { figures: {}, missed: [] }
  const { figures: kept, missed } = result
  print(
    `${hasWrk ? 'wrk' : 'autocannon'}, ${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s in turn; medians of pairs`,
  )
  await measureRequests()
  await measureStarts()
  return result

  /** @param isMet of the median */
  function tell(
    what: string,
    numbers: number[],
    digits: number,
    unit: string,
    bound: string,
    isMet: (n: number) => boolean,
  ) {
    const figures = spread(numbers)
    kept[what] = numbers
    print(`${what.padEnd(40)} ${show(figures, digits)}${unit}   ${bound}`)
    if (!isMet(figures.median)) missed.push(what)
  }

  async function measureRequests(): Promise<void> {
    const temporary = await mkdtemp(join(tmpdir(), 'hyper-sandbox-bench-'))
    const sandbox = await startSandbox(
      await freeTcpPort(),
      { TMPDIR: temporary },
      { 'hyper-sandbox.yaml': 'apps: [{ name: hello, path: ./hello.js }]\n', 'hello.js': APP },
    )
    const servers: Record<string, Server> = { gateway: sandbox, workerd: await startWorkerd(temporary) }
    const installed = withPeers ? await installPeers() : undefined
    try {
      if (installed) for (const peer of PEERS) servers[peer] = await startPeer(peer, installed)
      const perSecond: Record<string, number[]> = {}
      for (const { url } of Object.values(servers)) await asFastAsItCan(url, HOST, 2)
      for (let round = 0; round < rounds; round++) {
        for (const [name, { url }] of Object.entries(servers)) {
          const { requestsPerSecond, failed } = await asFastAsItCan(url, HOST, seconds)
          perSecond[name] = [...(perSecond[name] ?? []), requestsPerSecond]
          if (failed > 0) missed.push(`${name}: ${failed} failed`)
        }
      }
      const over = (name: string) => (perSecond.gateway ?? []).map((count, at) => count / (perSecond[name]?.[at] ?? 1))
      print(
        Object.entries(perSecond)
          .map(([name, counts]) => `${name} ${median(counts).toFixed(0)}/s`)
          .join(', '),
      )
      tell('through the gateway, × workerd alone', over('workerd'), 2, '', 'floor 0.70, aim 0.90', (n) => n >= 0.7)
      if (installed) {
        tell('through the gateway, × miniflare', over('miniflare'), 1, '', 'floor 2', (n) => n >= 2)
        tell('through the gateway, × wrangler dev', over('wrangler'), 1, '', 'floor 8', (n) => n >= 8)
      }
      const ratios: number[] = []
      for (let round = 0; round < rounds; round++) {
        const [through, alone] = [sandbox.url, servers.workerd?.url ?? ''].map((url) =>
          atRate(url, HOST, seconds, RATE),
        )
        ratios.push(percentile((await through) ?? [], 0.5) / percentile((await alone) ?? [], 0.5))
      }
      tell(`half of the answers at ${RATE}/s, × workerd`, ratios, 2, '', 'at most 1.3', (n) => n <= 1.3)
      await measureReload(sandbox)
    } finally {
      for (const { close } of Object.values(servers)) await close()
      for (const directory of [temporary, installed])
        if (directory) await rm(directory, { recursive: true, force: true })
    }
  }

  async function measureReload({ url, project }: Server & { project: string }): Promise<void> {
    const times: number[] = []
    for (let version = 1; version <= 2 * rounds; version++) {
      await new Promise((resolve) => setTimeout(resolve, 300))
      await writeFile(join(project, 'hello.js'), `export default { fetch: () => new Response('version ${version}') }`)
      const began = performance.now()
      while ((await (await fetch(`${url}/_app/hello/`)).text()) !== `version ${version}`)
        await new Promise((resolve) => setTimeout(resolve, 2))
      times.push(performance.now() - began)
    }
    tell('from a saved file to its answer', times, 0, ' ms', 'at most 300', (n) => n <= 300)
  }

  async function measureStarts(): Promise<void> {
    await using apps = await startAppHost({ cold: { files: { 'index.js': APP }, lazy: true, idle_ms: 100 } })
    const times: number[] = []
    for (let round = 0; round < 2 * rounds; round++) {
      while (apps.processes().length > 0) await new Promise((resolve) => setTimeout(resolve, 50))
      const began = performance.now()
      await apps.get('cold')
      times.push(performance.now() - began)
    }
    tell('first answer of an app that is started', times, 0, ' ms', 'at most 80', (n) => n <= 80)

    const all: number[] = []
    for (let round = 0; round < 3; round++) {
      await using many = await startAppHost()
      const names = Array.from({ length: MANY }, (_, n) => `app-${n}`)
      const began = performance.now()
      await many.apply(Object.fromEntries(names.map((name) => [name, APP])))
      await Promise.all(names.map((name) => many.get(name)))
      all.push((performance.now() - began) / 1_000)
    }
    tell(`${MANY} apps, all answering`, all, 1, ' s', 'at most 3', (n) => n <= 3)
  }
}
