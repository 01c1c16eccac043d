/**
 * `npm run bench:stack`: how long `up` takes on the compose engine with images at hand, against `docker compose up -d` of the file
 * that it writes plus the slowest backend's first healthy answer, in pairs; and how long an idle `down` takes. Docker has to run,
 * with the images of `npm run parts` and of `npm run image`.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, parseEnv } from 'node:util'
import { Redis } from 'ioredis'
import { MongoClient } from 'mongodb'
import { stringify } from 'yaml'
import { builtCli } from './processes.ts'
import { percentile } from './timing.ts'

const { values: options } = parseArgs({
  options: { pairs: { type: 'string', default: '10' }, gateway: { type: 'string', default: 'hyper-sandbox' } },
})
const PAIRS = Number(options.pairs)
const UP_LIMIT = 1.15
const DOWN_LIMIT_MS = 3_000
const POLL_MS = 20
const BACKENDS = { mongo: 27017, redis: 6379, minio: 9000 } as const

const print = (line: string) => process.stdout.write(`${line}\n`)
const median = (figures: number[]) => percentile(figures, 0.5)

const project = mkdtempSync(join(tmpdir(), 'hyper-sandbox-bench-'))
const env = { ...process.env, HYPER_SANDBOX_HOME: join(project, 'home') }
const images = Object.fromEntries(Object.keys(BACKENDS).map((part) => [part, `hyper-sandbox-test/${part}`]))
writeFileSync(join(project, 'hyper-sandbox.yaml'), stringify({ images: { ...images, gateway: options.gateway } }))

function ours(...args: string[]): number {
  const began = performance.now()
  execFileSync(process.execPath, [builtCli, ...args], { cwd: project, env, stdio: ['ignore', 'ignore', 'inherit'] })
  return performance.now() - began
}

const up = () =>
  ours(
    'up',
    '--engine',
    'compose',
    '--detach',
    '--wait',
    '--port',
    '0',
    '--expose',
    ...['--data', '--cache', '--storage', '--queue'],
  )

/** By hand, with the same file. */
function compose(...args: string[]): string {
  const file = join(project, '.hyper-sandbox', 'compose.yaml')
  return execFileSync('docker', ['compose', '--progress', 'quiet', '--file', file, ...args], { encoding: 'utf8' })
}

async function composeUp(): Promise<number> {
  const began = performance.now()
  compose('up', '--detach')
  await Promise.all((Object.keys(BACKENDS) as (keyof typeof BACKENDS)[]).map(firstHealthyAnswer))
  return performance.now() - began
}

async function firstHealthyAnswer(part: keyof typeof BACKENDS): Promise<void> {
  const address = compose('port', part, String(BACKENDS[part])).trim()
  while (!(await isHealthy(part, address).catch(() => false))) await sleep(POLL_MS)
}

async function isHealthy(part: keyof typeof BACKENDS, address: string): Promise<boolean> {
  const secrets = parseEnv(readFileSync(join(project, '.hyper-sandbox', '.env'), 'utf8'))
  if (part === 'minio') return (await fetch(`http://${address}/minio/health/ready`)).ok
  if (!(await accepts(address))) return false
  if (part === 'redis') {
    const redis = new Redis(`redis://:${secrets.SANDBOX_REDIS_PASSWORD}@${address}`, {
      retryStrategy: () => null,
      lazyConnect: true,
    })
    redis.on('error', () => {})
    try {
      await redis.connect()
      return (await redis.ping()) === 'PONG'
    } finally {
      redis.disconnect()
    }
  }
  const url = `mongodb://hyper:${secrets.SANDBOX_MONGO_PASSWORD}@${address}/?authSource=admin`
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 1_000 })
  try {
    await client.db('admin').command({ listDatabases: 1, nameOnly: true })
    return true
  } finally {
    await client.close()
  }
}

function accepts(address: string): Promise<boolean> {
  const [host = '', tcpPort] = address.split(':')
  return new Promise((resolve) => {
    const socket = connect(Number(tcpPort), host)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

const figures = { up: [] as number[], compose: [] as number[], ratios: [] as number[], down: [] as number[] }
try {
  up() // makes volumes and files
  ours('down')
  for (let pair = 1; pair <= PAIRS; pair += 1) {
    const byUs = up()
    await sleep(500)
    const down = ours('down')
    const byHand = await composeUp()
    compose('down')
    figures.up.push(byUs)
    figures.compose.push(byHand)
    figures.ratios.push(byUs / byHand)
    figures.down.push(down)
    print(
      `${pair}: up ${byUs.toFixed(0)} ms, docker compose up and healthy ${byHand.toFixed(0)} ms, down ${down.toFixed(0)} ms`,
    )
  }
} finally {
  ours('down', '--volumes', '--yes')
  rmSync(project, { recursive: true, force: true })
}
const ratio = median(figures.ratios)
print(
  `up: median ${median(figures.up).toFixed(0)} ms, by hand ${median(figures.compose).toFixed(0)} ms, paired × ${ratio.toFixed(2)} (limit ${UP_LIMIT})`,
)
print(`down: median ${median(figures.down).toFixed(0)} ms (limit ${DOWN_LIMIT_MS})`)
if (ratio > UP_LIMIT || median(figures.down) > DOWN_LIMIT_MS) process.exitCode = 1
