/**
 * `npm run bench:neighbours`: ten apps at half of what they can answer, then the same while one of them loops for ever or eats
 * memory, in pairs. Prints what that does to the other nine: requests lost, and their times over those without a culprit.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { culpritSaying } from '../test/apps/culprit.ts'
import { asFastAsItCan, atRate } from './hello-load.ts'
import { print, show, spread } from './load.ts'
import { freeTcpPort, type Server, startSandbox } from './processes.ts'
import { percentile } from './timing.ts'

const { values: options } = parseArgs({
  options: { pairs: { type: 'string', default: '5' }, seconds: { type: 'string', default: '4' } },
})
const pairs = Number(options.pairs)
const seconds = Number(options.seconds)
const APPS = Array.from({ length: 10 }, (_, n) => `app-${n}`)
const [CULPRIT = '', ...NEIGHBOURS] = APPS
/** What one process can send at a steady pace without being what is measured. */
const MOST_PER_SECOND = 1_000
const MOST = 1.5
const BACK_MS = 35_000

const APP = culpritSaying('Hello, world!')

const CONFIG = `apps:
${APPS.map((name) => `  - { name: ${name}, path: ./app.js, timeout_ms: 1000 }`).join('\n')}
`

interface Times {
  p50: number
  p99: number
}

/** All of the neighbours' answers at this pace; one that fails ends the run. */
async function neighbours({ url }: Server, perSecond: number): Promise<Times> {
  const each = perSecond / APPS.length
  const times = await Promise.all(NEIGHBOURS.map((name) => atRate(url, `${name}.localhost`, seconds, each)))
  const all = times.flat()
  return { p50: percentile(all, 0.5), p99: percentile(all, 0.99) }
}

/** Asks for what the app ought not to do, again and again. @returns how often it was ended */
async function misbehave({ url }: Server, path: string, during: Promise<unknown>): Promise<number> {
  let ended = 0
  let isOver = false
  const over = () => {
    isOver = true
  }
  void during.then(over, over)
  while (!isOver) {
    const answer = await fetch(`${url}/_app/${CULPRIT}${path}`, { method: 'POST' })
    if (/timed out|Memory limit/.test(await answer.text())) ended += 1
    // It is given time before it is started again.
    else await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return ended
}

async function comesBack({ url }: Server): Promise<boolean> {
  const deadline = performance.now() + BACK_MS
  while (performance.now() < deadline) {
    if ((await fetch(`${url}/_app/${CULPRIT}/`)).ok) return true
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return false
}

const sandbox = await startSandbox(await freeTcpPort(), {}, { 'hyper-sandbox.yaml': CONFIG, 'app.js': APP })
try {
  const { requestsPerSecond } = await asFastAsItCan(sandbox.url, `${NEIGHBOURS[0]}.localhost`, 3)
  const perSecond = Math.min(requestsPerSecond / 2, MOST_PER_SECOND)
  print(
    `${cpus().length} cores; ${perSecond.toFixed(0)} requests a second to ${APPS.length} apps, ${pairs} pairs of ${seconds} s`,
  )
  await neighbours(sandbox, perSecond)
  for (const path of ['/loop', '/memory']) {
    const ratios: Times[] = []
    let ended = 0
    for (let pair = 0; pair < pairs; pair++) {
      const alone = await neighbours(sandbox, perSecond)
      const beside = neighbours(sandbox, perSecond)
      ended += await misbehave(sandbox, path, beside)
      const { p50, p99 } = await beside
      ratios.push({ p50: p50 / alone.p50, p99: p99 / alone.p99 })
    }
    const isBack = await comesBack(sandbox)
    const [p50, p99] = [spread(ratios.map((one) => one.p50)), spread(ratios.map((one) => one.p99))]
    print(
      `${path.padEnd(9)} p50 × ${show(p50, 2)}, p99 × ${show(p99, 2)}   at most ${MOST}; ended ${ended} times, ${isBack ? 'back' : 'NOT BACK'}`,
    )
    if (p50.median > MOST || p99.median > MOST || !isBack || ended === 0) process.exitCode = 1
  }
} finally {
  await sandbox.close()
}
