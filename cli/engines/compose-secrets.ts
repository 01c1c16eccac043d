/** What a stack's `.env` has of what is secret: passwords that its data opens with, and the certificate its gateway has. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { BACKENDS } from '../../compose/services/backends.ts'
import type { Certificate } from '../../server/http-server.ts'
import type { PartSecrets } from '../state.ts'

export function passwordsInEnvFile(stateDirectory: string): Partial<PartSecrets> {
  const variables = envFile(stateDirectory)
  const known = Object.entries(BACKENDS).map(([part, { passwordVariable }]) => [part, variables[passwordVariable]])
  return Object.fromEntries(known.filter(([, password]) => password !== undefined))
}

export function certificateInEnvFile(stateDirectory: string): Certificate | undefined {
  const { HYPER_SANDBOX_TLS_CERTIFICATE: cert, HYPER_SANDBOX_TLS_KEY: key } = envFile(stateDirectory)
  return cert && key ? { cert, key } : undefined
}

function envFile(stateDirectory: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(join(stateDirectory, '.env'), 'utf8'))
  } catch {
    return {}
  }
}
