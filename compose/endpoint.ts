/** Where a Docker engine may be: what the user says, else the places where engines put their sockets. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { HyperError } from '../server/error.ts'

export interface Endpoint {
  /** As DOCKER_HOST has it: `unix:///var/run/docker.sock`. */
  host: string
  /** Who says so, for messages. */
  source: string
  /** Said by the user for this command: no other will do. */
  isExplicit: boolean
  /** Directory of `ca.pem`, `cert.pem` and `key.pem`. */
  certificates?: string
}

/** In the order of trial. @throws ENGINE_UNAVAILABLE for a context that does not exist */
export function endpoints(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): Endpoint[] {
  if (env.DOCKER_HOST) {
    const host = env.DOCKER_HOST.includes('://') ? env.DOCKER_HOST : `tcp://${env.DOCKER_HOST}`
    return [{ host, source: 'DOCKER_HOST', isExplicit: true, ...certificatesIn(env) }]
  }
  const home = env.HOME ?? env.USERPROFILE ?? homedir()
  const configDirectory = env.DOCKER_CONFIG ?? join(home, '.docker')
  if (env.DOCKER_CONTEXT && env.DOCKER_CONTEXT !== 'default') {
    const found = contextEndpoint(configDirectory, env.DOCKER_CONTEXT)
    if (found) return [{ ...found, source: `the Docker context '${env.DOCKER_CONTEXT}'`, isExplicit: true }]
    throw new HyperError('ENGINE_UNAVAILABLE', `there is no Docker context '${env.DOCKER_CONTEXT}' (DOCKER_CONTEXT)`, {
      hint: 'See which there are with: docker context ls',
      meta: { reason: 'context' },
    })
  }
  const known = knownSockets(env, home, platform).map((host) => ({ host, source: host, isExplicit: false }))
  const current = env.DOCKER_CONTEXT ? undefined : currentContext(configDirectory)
  const found = current === undefined ? undefined : contextEndpoint(configDirectory, current)
  return found ? [{ ...found, source: `the Docker context '${current}'`, isExplicit: false }, ...known] : known
}

function certificatesIn({ DOCKER_TLS_VERIFY, DOCKER_CERT_PATH }: NodeJS.ProcessEnv): { certificates?: string } {
  return DOCKER_TLS_VERIFY && DOCKER_CERT_PATH ? { certificates: DOCKER_CERT_PATH } : {}
}

const configFile = z.object({ currentContext: z.string().optional() })
const contextFile = z.object({ Endpoints: z.object({ docker: z.object({ Host: z.string().min(1) }) }) })

function currentContext(configDirectory: string): string | undefined {
  const name = readJson(join(configDirectory, 'config.json'), configFile)?.currentContext
  return name === 'default' ? undefined : name
}

function contextEndpoint(configDirectory: string, name: string): Pick<Endpoint, 'host' | 'certificates'> | undefined {
  const id = createHash('sha256').update(name).digest('hex')
  const meta = readJson(join(configDirectory, 'contexts', 'meta', id, 'meta.json'), contextFile)
  if (!meta) return undefined
  const certificates = join(configDirectory, 'contexts', 'tls', id, 'docker')
  return { host: meta.Endpoints.docker.Host, ...(existsSync(certificates) ? { certificates } : {}) }
}

function knownSockets(env: NodeJS.ProcessEnv, home: string, platform: NodeJS.Platform): string[] {
  if (platform === 'win32') return ['npipe:////./pipe/docker_engine', 'npipe:////./pipe/dockerDesktopLinuxEngine']
  const runtime = env.XDG_RUNTIME_DIR
  return [
    '/var/run/docker.sock',
    ...(runtime ? [join(runtime, 'docker.sock')] : []),
    ...[
      '.docker/run/docker.sock',
      '.docker/desktop/docker.sock',
      '.rd/docker.sock',
      '.config/colima/default/docker.sock',
      '.colima/default/docker.sock',
      '.colima/docker.sock',
      '.orbstack/run/docker.sock',
      '.local/share/containers/podman/machine/podman.sock',
      '.lima/docker/sock/docker.sock',
    ].map((path) => join(home, path)),
    '/run/podman/podman.sock',
    ...(runtime ? [join(runtime, 'podman/podman.sock')] : []),
  ].map((path) => `unix://${path}`)
}

/** Another tool's file: what we cannot read of it says nothing. */
function readJson<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(readFileSync(file, 'utf8'))).data
  } catch {
    return undefined
  }
}
