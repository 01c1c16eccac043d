/** A gateway whose container is started again goes on with the apps that it was told of since the container was made. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '../compose/whole-file.ts'
import type { AppConfig } from '../server/ports/apps.ts'

/** @param given what the container was made with, as text: what was kept in another is of no use */
export function keptApps(stateDirectory: string, given: string): AppConfig[] | undefined {
  try {
    const { over, apps } = JSON.parse(readFileSync(fileIn(stateDirectory), 'utf8'))
    return over === digestOf(given) ? apps : undefined
  } catch {
    return undefined
  }
}

export function keepApps(stateDirectory: string, given: string, apps: readonly AppConfig[]): void {
  writeWhole(fileIn(stateDirectory), JSON.stringify({ over: digestOf(given), apps }), 0o600)
}

function fileIn(stateDirectory: string): string {
  return join(stateDirectory, 'apps.json')
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}
