/**
 * `npm run parts`: brings what tests run on and this machine does not have, once; a second run looks and takes seconds. Everything
 * of it is on this machine then: Debian's packages, a Compose plugin of this user, the parts cache, images of the Docker engine.
 * `npm run parts -- npm test` runs a command with all that, on a Docker engine that is started and stopped with it where none runs.
 */
import { execa } from 'execa'
import { ensureEngine } from './engine.ts'
import type { Part } from './part.ts'
import { IMAGES, PROGRAMS } from './table.ts'

/** Missing without need. */
const failures: string[] = []

for (const part of PROGRAMS) await bring(part)
const engine = await ensureEngine().catch((error: Error) => {
  failures.push(`Docker engine: ${error.message}`)
  return undefined
})
try {
  tell('Docker engine', engine ? `${engine.version}, ${engine.isOurs ? 'started for now' : 'runs already'}` : 'missing')
  if (engine) for (const part of IMAGES) await bring(part)
  for (const failure of failures) console.error(failure)
  process.exitCode = failures.length > 0 ? 1 : await runCommand(process.argv.slice(2))
} finally {
  await engine?.[Symbol.asyncDispose]()
}

async function bring(part: Part): Promise<void> {
  const name = `${part.name} ${part.version}`
  if (part.variable && process.env[part.variable]) return tell(name, `${part.variable} names a server`)
  if (await part.isThere()) return tell(name, 'there')
  const begun = performance.now()
  try {
    await part.get()
    tell(name, `brought in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  } catch (error) {
    tell(name, part.optional ? `left out: ${part.optional}` : 'missing')
    if (!part.optional) failures.push(`${name}: ${(error as Error).message}`)
  }
}

function tell(name: string, what: string): void {
  console.error(`${name}: ${what}`)
}

/** Signals reach it as they reach us, and we end after it. */
async function runCommand([file, ...args]: string[]): Promise<number> {
  if (file === undefined) return 0
  const child = execa(file, args, { stdio: 'inherit', reject: false })
  const pass = (signal: NodeJS.Signals) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, pass)
  const { exitCode } = await child
  return exitCode ?? 1
}
