/** What serves the same app beside the sandbox: its own workerd without a gateway, and peers. */
import { execFileSync, spawn } from 'node:child_process'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { end, endWithUs, freeTcpPort, type Server } from './processes.ts'

export const APP = `export default { fetch: () => new Response('Hello, world!') }\n`
const PATIENCE_MS = 60_000
/** One that every peer's workerd knows. */
const COMPATIBILITY_DATE = '2026-01-01'

/** The same program with the same configuration, on a TCP port. @param temporary directory that a sandbox keeps its sockets in */
export async function startWorkerd(temporary: string): Promise<Server> {
  const [own = ''] = (await readdir(temporary)).filter((name) => name.startsWith('hyper-sandbox-'))
  const [version = ''] = (await readdir(join(temporary, own))).filter((name) => /^\d+$/.test(name))
  const directory = await mkdtemp(join(tmpdir(), 'hyper-sandbox-bench-'))
  await cp(join(temporary, own, version), directory, { recursive: true, filter: (name) => !name.endsWith('.sock') })
  const tcpPort = await freeTcpPort()
  const workerd = createRequire(import.meta.url)('workerd').default as string
  return await start(
    [workerd, 'serve', `--socket-addr=app=127.0.0.1:${tcpPort}`, 'config.capnp', ...asides(directory)],
    directory,
    tcpPort,
  )
}

/** Sockets that nobody asks here. */
function asides(directory: string): string[] {
  return ['control', 'ping'].map((name) => `--socket-addr=${name}=unix:${join(directory, name)}`)
}

export const PEERS = ['miniflare', 'wrangler'] as const
export type Peer = (typeof PEERS)[number]

/** Into a directory of their own: no dependencies of ours. @returns the directory */
export async function installPeers(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'hyper-sandbox-peers-'))
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...PEERS], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return directory
}

export async function startPeer(peer: Peer, installed: string): Promise<Server> {
  const directory = await mkdtemp(join(installed, `${peer}-`))
  const tcpPort = await freeTcpPort()
  await writeFile(join(directory, 'index.js'), APP)
  if (peer === 'miniflare') {
    const options = JSON.stringify({ modules: true, script: APP, port: tcpPort, compatibilityDate: COMPATIBILITY_DATE })
    await writeFile(
      join(directory, 'serve.mjs'),
      `import { Miniflare } from 'miniflare'\nawait new Miniflare(${options}).ready\n`,
    )
    return await start([process.execPath, 'serve.mjs'], directory, tcpPort)
  }
  await writeFile(
    join(directory, 'wrangler.toml'),
    `name = "hello"\nmain = "index.js"\ncompatibility_date = "${COMPATIBILITY_DATE}"\n`,
  )
  const program = join(installed, 'node_modules/wrangler/bin/wrangler.js')
  return await start([process.execPath, program, 'dev', '--port', String(tcpPort)], directory, tcpPort)
}

async function start([file = '', ...args]: string[], directory: string, tcpPort: number): Promise<Server> {
  const began = performance.now()
  const env = { ...process.env, CI: 'true', WRANGLER_SEND_METRICS: 'false' }
  const child = spawn(file, args, { cwd: directory, env, stdio: 'ignore' })
  endWithUs(child)
  const url = `http://127.0.0.1:${tcpPort}`
  while ((await fetch(url).catch(() => undefined))?.status !== 200) {
    if (child.exitCode !== null || performance.now() - began > PATIENCE_MS) throw new Error(`${file} does not serve`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    url,
    pid: child.pid ?? 0,
    startMs: performance.now() - began,
    async close() {
      await end(child)
      await rm(directory, { recursive: true, force: true })
    },
  }
}
