/** Every sandbox of this user, running or not: one small file per project, so that `list` and a used port can name it. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { writeWhole } from '../compose/whole-file.ts'
import { stateHome } from './user-directories.ts'

const entry = z.object({ name: z.string(), projectDirectory: z.string(), stateDirectory: z.string() })

export type Registered = z.infer<typeof entry>

export function registerSandbox(env: NodeJS.ProcessEnv, { name, projectDirectory, stateDirectory }: Registered): void {
  mkdirSync(directory(env), { recursive: true, mode: 0o700 })
  const text = JSON.stringify({ name, projectDirectory, stateDirectory }, undefined, 2)
  writeWhole(fileOf(env, stateDirectory), `${text}\n`)
}

export function unregisterSandbox(env: NodeJS.ProcessEnv, stateDirectory: string): void {
  rmSync(fileOf(env, stateDirectory), { force: true })
}

/** Ordered by directory. An entry whose project is gone is forgotten. */
export function registeredSandboxes(env: NodeJS.ProcessEnv): Registered[] {
  if (!existsSync(directory(env))) return []
  const found: Registered[] = []
  for (const name of readdirSync(directory(env)).filter((file) => file.endsWith('.json'))) {
    const file = join(directory(env), name)
    const known = readEntry(file)
    if (known && existsSync(known.stateDirectory)) found.push(known)
    else rmSync(file, { force: true })
  }
  return found.sort((a, b) => a.projectDirectory.localeCompare(b.projectDirectory))
}

function readEntry(file: string): Registered | undefined {
  try {
    return entry.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data
  } catch {
    return undefined
  }
}

function fileOf(env: NodeJS.ProcessEnv, stateDirectory: string): string {
  return join(directory(env), `${createHash('sha256').update(stateDirectory).digest('hex').slice(0, 16)}.json`)
}

function directory(env: NodeJS.ProcessEnv): string {
  return join(stateHome(env), 'sandboxes')
}
