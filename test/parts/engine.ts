/** A Docker engine: the one that answers, else one that is started here and stopped again, exactly that one. */
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PARTS_DIRECTORY } from './cache.ts'
import { isRoot, run, runAsRoot } from './part.ts'

const START_MS = 30_000
const STOP_MS = 30_000

export interface Engine extends AsyncDisposable {
  version: string
  /** Started here, and stopped when disposed of. */
  isOurs: boolean
}

export async function engineVersion(): Promise<string | undefined> {
  return await run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 10_000 }).catch(() => undefined)
}

/**
 * @param command what starts one
 * @throws Error with the engine's last words when it does not start
 */
export async function ensureEngine(command: readonly string[] = ['dockerd']): Promise<Engine> {
  const answering = await engineVersion()
  if (answering) return { version: answering, isOurs: false, [Symbol.asyncDispose]: async () => {} }

  mkdirSync(PARTS_DIRECTORY, { recursive: true })
  const log = join(PARTS_DIRECTORY, 'dockerd.log')
  const output = openSync(log, 'w')
  // Its socket is ours to use even where root has to start it.
  const args = [...command, '--group', String(process.getgid?.())]
  const [file = '', ...rest] = isRoot() ? args : ['sudo', '--non-interactive', ...args]
  const child = spawn(file, rest, { detached: true, stdio: ['ignore', output, output] })
  closeSync(output)
  let failure: string | undefined
  child.on('error', (error) => {
    failure = error.message
  })
  child.on('exit', (code, signal) => {
    failure = `it ended with ${code ?? signal}`
  })
  child.unref()

  const stop = async () => {
    if (failure !== undefined) return
    const { pid = 0 } = child
    await runAsRoot('kill', [String(pid)])
    const deadline = performance.now() + STOP_MS
    while (failure === undefined) {
      if (performance.now() > deadline) throw new Error(`dockerd (process ${pid}) does not stop; see ${log}`)
      await sleep(50)
    }
  }
  const deadline = performance.now() + START_MS
  for (;;) {
    const version = await engineVersion()
    if (version) return { version, isOurs: true, [Symbol.asyncDispose]: stop }
    const late = performance.now() > deadline
    if (failure !== undefined || late) {
      await stop()
      const words = readFileSync(log, 'utf8').split('\n').slice(-10).join('\n')
      throw new Error(`dockerd does not start: ${failure ?? `no answer after ${START_MS / 1000} s`}\n${words}`)
    }
    await sleep(200)
  }
}
