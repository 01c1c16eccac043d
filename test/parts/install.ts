/**
 * `npm run parts`: brings what tests run on and this machine does not have, once; a second run looks and takes seconds. All of it
 * stays on this machine: Debian's packages, a Compose plugin of this user, the parts cache, images of the Docker engine.
 * `npm run parts -- npm test` runs a command with all that, on a Docker engine that is started and stopped with it where none runs.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Engine, ensureEngine } from './engine.ts'
import type { Part } from './part.ts'
import { IMAGES, PROGRAMS } from './table.ts'

/** What is missing without need. */
const failures: string[] = []
let engine: Engine | undefined
let starting: Promise<Engine> | undefined
let command: ChildProcess | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
try {
  for (const part of PROGRAMS) await bring(part)
  engine = await startEngine()
  if (engine) for (const part of IMAGES) await bring(part)
  if (failures.length > 0) console.error(`missing: ${failures.join(', ')}`)
  const [file, ...args] = process.argv.slice(2)
  if (failures.length > 0) process.exitCode = 1
  else if (file !== undefined) process.exitCode = await runCommand(file, args)
} finally {
  await engine?.[Symbol.asyncDispose]()
}

async function bring(part: Part): Promise<void> {
  const { instead = [] } = part
  const name = `${part.name} ${part.version}`
  if (instead.length > 0 && instead.every((variable) => process.env[variable]))
    return console.error(`- ${name}: not needed with ${instead.join(' and ')}`)
  if (await part.isThere()) return console.error(`✔ ${name}: there`)
  const begun = performance.now()
  console.error(`… ${name}: on its way`)
  try {
    await part.get()
    console.error(`✔ ${name}: brought in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  } catch (error) {
    const { message } = error as Error
    console.error(part.optional ? `- ${name}: left out, ${part.optional}` : `✖ ${name}: ${message}`)
    if (!part.optional) failures.push(name)
  }
}

async function startEngine(): Promise<Engine | undefined> {
  try {
    starting = ensureEngine()
    const found = await starting
    console.error(`✔ Docker engine ${found.version}: ${found.isOurs ? 'started, and stopped at the end' : 'runs'}`)
    return found
  } catch (error) {
    console.error(`✖ Docker engine: ${(error as Error).message}`)
    failures.push('Docker engine')
    return undefined
  }
}

async function runCommand(file: string, args: readonly string[]): Promise<number> {
  command = spawn(file, args, { stdio: 'inherit', detached: true })
  const [code] = await once(command, 'exit')
  return code ?? 1
}

/** A command ends first, with what it started, and we after it. */
function end(signal: NodeJS.Signals): void {
  if (command?.pid) process.kill(-command.pid, signal)
  else void stopEngine().finally(() => process.exit(130))
}

/** Also one that was about to start. */
async function stopEngine(): Promise<void> {
  const started = await starting?.catch(() => undefined)
  await started?.[Symbol.asyncDispose]()
}
