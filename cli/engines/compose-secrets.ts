/** The passwords of a stack's servers, known from `.env` where `secrets.json` is lost: data made with them opens with no other. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { BACKENDS } from '../../compose/services/backends.ts'
import type { PartSecrets } from '../state.ts'

export function passwordsInEnvFile(stateDirectory: string): Partial<PartSecrets> {
  let variables: NodeJS.Dict<string>
  try {
    variables = parseEnv(readFileSync(join(stateDirectory, '.env'), 'utf8'))
  } catch {
    return {}
  }
  const known = Object.entries(BACKENDS).map(([part, { passwordVariable }]) => [part, variables[passwordVariable]])
  return Object.fromEntries(known.filter(([, password]) => password !== undefined))
}
