/** Finds the Docker engine that stacks run on, and says in one sentence why there is none. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Docker from 'dockerode'
import { type ExecaError, execa } from 'execa'
import { HyperError } from '../server/error.ts'
import { type Endpoint, endpoints } from './endpoint.ts'

const OLDEST_API = '1.41'
const OLDEST_COMPOSE = '2.24'
const ANSWER_MS = 3_000
const COMMAND_MS = 10_000

export interface Engine {
  docker: Docker
  /** As DOCKER_HOST has it. */
  host: string
  engineVersion: string
  apiVersion: string
  /** Of the engine's machine, as images name it: `amd64`, `arm64`. */
  architecture: string
  /** For `docker` as a command: the caller's, pointed at this engine. */
  env: NodeJS.ProcessEnv
}

/** Why there is none, in `meta.reason` of the error. */
export type EngineReason =
  | 'absent'
  | 'stopped'
  | 'permission'
  | 'old'
  | 'remote'
  | 'context'
  | 'no-command'
  | 'no-compose'
  | 'old-compose'

/** All that stacks are started with. @throws ENGINE_UNAVAILABLE with `meta.reason`, an EngineReason */
export async function findEngine(env: NodeJS.ProcessEnv): Promise<Engine & { composeVersion: string }> {
  const engine = await connectEngine(env)
  return { ...engine, composeVersion: await checkCompose(engine) }
}

/** The engine alone, which is all that looking at stacks and removing them takes. @throws as `findEngine` */
export async function connectEngine(env: NodeJS.ProcessEnv): Promise<Engine> {
  const candidates = endpoints(env).filter(({ host, isExplicit }) => isExplicit || exists(host))
  const refusals: { endpoint: Endpoint; error: NodeJS.ErrnoException }[] = []
  for (const endpoint of candidates) {
    refuseRemote(endpoint)
    const docker = connect(endpoint)
    const version = await answer(docker).catch((error: NodeJS.ErrnoException) => {
      refusals.push({ endpoint, error })
    })
    if (!version) continue
    if (isOlder(version.ApiVersion, OLDEST_API)) {
      throw unavailable(
        'old',
        `Docker ${version.Version} (API ${version.ApiVersion}) is too old: API ${OLDEST_API} is needed`,
        {
          hint: 'Update Docker to 20.10 or newer, or use --engine embedded.',
        },
      )
    }
    return {
      docker,
      host: endpoint.host,
      engineVersion: version.Version,
      apiVersion: version.ApiVersion,
      architecture: version.Arch,
      env: environmentFor(endpoint, env),
    }
  }
  throw noEngine(refusals, env)
}

function socketPath(host: string): string | undefined {
  return /^(?:unix|npipe):\/\/(.*)$/.exec(host)?.[1]
}

/** The published port would be on another machine. */
function refuseRemote({ host, source }: Endpoint): void {
  if (socketPath(host) !== undefined) return
  if (!URL.canParse(host)) {
    const hint = 'It should be such as unix:///var/run/docker.sock.'
    throw unavailable('context', `${source} is no address of an engine: '${host}'`, { hint })
  }
  const { protocol, hostname } = new URL(host)
  if (protocol === 'tcp:' && /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return
  throw unavailable(
    'remote',
    `${source} names an engine on another machine, ${host}: its ports are not this machine's`,
    {
      hint: 'Unset it to use an engine of this machine, or use --engine embedded.',
    },
  )
}

function connect({ host, certificates }: Endpoint): Docker {
  // Named each, so that nothing of them is taken from the environment; without a version, which engines refuse by turns.
  const path = socketPath(host)
  if (path !== undefined) return new Docker({ socketPath: path, host: undefined, protocol: 'http' })
  const { hostname, port } = new URL(host)
  if (certificates === undefined) return new Docker({ host: hostname, port: port || 2375, protocol: 'http' })
  const read = (name: string) => readFileSync(join(certificates, name), 'utf8')
  const files = { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') }
  return new Docker({ host: hostname, port: port || 2376, protocol: 'https', ...files })
}

async function answer(docker: Docker): Promise<Docker.DockerVersion> {
  const abortSignal = AbortSignal.timeout(ANSWER_MS)
  const version = await new Promise<Docker.DockerVersion>((resolve, reject) => {
    const options = { path: '/version', method: 'GET', abortSignal, statusCodes: { 200: true } }
    docker.modem.dial(options, (error, body) => (error ? reject(error) : resolve(body as Docker.DockerVersion)))
  })
  if (typeof version?.ApiVersion !== 'string') throw new Error('what answers there is no Docker engine')
  return version
}

function environmentFor({ host, certificates }: Endpoint, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { DOCKER_CONTEXT: _context, DOCKER_TLS_VERIFY: _verify, DOCKER_CERT_PATH: _path, ...others } = env
  // The user's own settings of Compose are about other projects.
  const rest = Object.fromEntries(Object.entries(others).filter(([name]) => !name.startsWith('COMPOSE_')))
  const tls = certificates === undefined ? {} : { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: certificates }
  return { ...rest, DOCKER_HOST: host, ...tls }
}

const checked = new WeakMap<Engine, Promise<string>>()

/** Asked once of an engine. @returns the version of `docker compose`. @throws ENGINE_UNAVAILABLE when there is none, or an old one */
export function checkCompose(engine: Engine): Promise<string> {
  const known = checked.get(engine) ?? composeVersion(engine.env)
  checked.set(engine, known)
  return known
}

async function composeVersion(env: NodeJS.ProcessEnv): Promise<string> {
  const options = { env, extendEnv: false, stdin: 'ignore', timeout: COMMAND_MS, windowsHide: true } as const
  let version: string
  try {
    const { stdout } = await execa('docker', ['compose', 'version', '--short'], options)
    version = stdout.trim().replace(/^v/, '')
  } catch (error) {
    if ((error as ExecaError).code === 'ENOENT') {
      throw unavailable('no-command', 'a Docker engine runs, but the docker command is not on the PATH', {
        hint: 'Install the Docker CLI with its Compose plugin, or use --engine embedded.',
        cause: error,
      })
    }
    throw unavailable('no-compose', 'the docker command has no Compose plugin', {
      hint: 'Install it (on Debian and Ubuntu: apt-get install docker-compose-plugin), or use --engine embedded.',
      cause: error,
    })
  }
  if (!isOlder(version, OLDEST_COMPOSE)) return version
  throw unavailable('old-compose', `Docker Compose ${version} is too old: ${OLDEST_COMPOSE} is needed`, {
    hint: 'Update the Compose plugin, or use --engine embedded.',
  })
}

function noEngine(refusals: readonly { endpoint: Endpoint; error: NodeJS.ErrnoException }[], env: NodeJS.ProcessEnv) {
  const locked = refusals.find(({ error }) => error.code === 'EACCES' || error.code === 'EPERM')
  if (locked) {
    const { host } = locked.endpoint
    return unavailable('permission', `this user may not use the Docker engine at ${host}`, {
      hint: 'On Linux: sudo usermod -aG docker $USER, then log in again. Or use --engine embedded.',
      cause: locked.error,
    })
  }
  const [first] = refusals
  if (first?.endpoint.isExplicit) {
    const { host, source } = first.endpoint
    return unavailable('stopped', `the Docker engine at ${host} (${source}) does not answer: ${first.error.message}`, {
      hint: `Start it, or change ${source}; or use --engine embedded.`,
      cause: first.error,
    })
  }
  if (first || isOnPath('docker', env)) {
    return unavailable('stopped', 'Docker is installed, but its engine does not run', {
      hint: 'Start Docker Desktop, or on Linux: sudo systemctl start docker. Or use --engine embedded.',
      ...(first ? { cause: first.error } : {}),
    })
  }
  return unavailable('absent', 'Docker is not installed', {
    hint: 'Install Docker with Compose (https://docs.docker.com/get-docker), or use --engine embedded.',
  })
}

function unavailable(reason: EngineReason, message: string, options: { hint: string; cause?: unknown }): HyperError {
  return new HyperError('ENGINE_UNAVAILABLE', message, { ...options, meta: { reason } })
}

function exists(host: string): boolean {
  const path = socketPath(host)
  return path === undefined || existsSync(path)
}

function isOnPath(command: string, { PATH = '' }: NodeJS.ProcessEnv): boolean {
  const separator = process.platform === 'win32' ? ';' : ':'
  const names = process.platform === 'win32' ? [`${command}.exe`, `${command}.cmd`] : [command]
  return PATH.split(separator).some((directory) => names.some((name) => existsSync(join(directory, name))))
}

/** By major and minor, all that such floors are about. */
function isOlder(version: string, floor: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  const [leastMajor = 0, leastMinor = 0] = floor.split('.').map(Number)
  return major < leastMajor || (major === leastMajor && minor < leastMinor)
}
