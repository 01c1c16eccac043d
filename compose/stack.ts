/**
 * The containers of one sandbox on a Docker engine: what the command line asks of them. `createStack` is its only factory;
 * everything is found by labels, so that a stack is the same one after a crash, a reboot or another checkout of this tool.
 */
import type { ServiceName } from '../server/services.ts'

/** What runs in a container of its own. */
export const PARTS = ['mongo', 'redis', 'minio', 'meilisearch', 'gateway', 'workers'] as const

export type Part = (typeof PARTS)[number]

/** Which part keeps which service's data; cache and queue share one. */
export const PART_OF = {
  data: 'mongo',
  cache: 'redis',
  storage: 'minio',
  search: 'meilisearch',
  queue: 'redis',
} as const satisfies Record<ServiceName, Part>

export interface StackConfig {
  /** The sandbox's name, and the Compose project's. */
  name: string
  projectDirectory: string
  /** Where `compose.yaml`, its `.env` (0600) and `images.lock.json` are kept. */
  stateDirectory: string
  /** Services that run, each with the URL of a server that exists already, for which no container is made. */
  services: Partial<Record<ServiceName, { url?: string | undefined }>>
  /** TCP port 0: the one this stack had last, else a free one. */
  listen: { host: string; tcpPort: number; httpsTcpPort?: number | undefined }
  /** What the gateway is told by its environment besides the addresses of the parts. */
  gatewayEnvironment: Record<string, string>
  /** The container that apps run in, beside the gateway's; absent where there are none. */
  workers?: WorkersConfig | undefined
  /** Values that only containers see: the parts' passwords and the gateway's own secrets. */
  secrets: StackSecrets
  images: ImageSettings
  /** Publish the backends too, each on a free loopback port. */
  expose: boolean
  /** The user's own compose files, absolute: they add services, each with paths as its own file means them. */
  include: readonly string[]
  /** Of this tool. */
  version: string
}

export interface WorkersConfig {
  environment: Record<string, string>
  /** Which of the gateway's secrets it is told too. */
  secrets: readonly string[]
  /** Directories and files of the host that it may read, and where it sees them. */
  mounts: readonly { source: string; target: string }[]
  /** Directories of these that it sees empty. */
  hidden: readonly string[]
  /** `uid:gid` of who may read them. @default the image's */
  user?: string | undefined
  memoryLimit: string
}

/** The parts' own are base64url: they stand in addresses as they are. */
export interface StackSecrets {
  /** Kept in its data: another opens them no more. */
  mongo: string
  redis: string
  minio: string
  meilisearch: string
  /** More of the gateway's environment, none of it for anyone's eyes: `HYPER_SANDBOX_TOKEN` and so on. */
  gateway: Record<string, string>
}

export interface ImageSettings {
  /** One image instead of ours, or several tried in order. */
  override: Partial<Record<Part, readonly string[]>>
  /** Registry, with or without a path, that stands before every image of ours: `mirror.example/hub`. */
  mirror?: string | undefined
}

/** One image on its way. */
export interface PullProgress {
  part: Part
  image: string
  state: 'pulling' | 'present' | 'done' | 'failed'
  /** Bytes, as far as the registry has told them. */
  current?: number
  total?: number
}

export interface PartState {
  part: Part
  /** Docker's word: created, running, paused, restarting, exited, dead; or `missing`. */
  state: string
  /** What its own check says, where the container has one. */
  health?: 'starting' | 'healthy' | 'unhealthy'
  container?: string
  image?: string
  /** The image's version, from its labels or its tag. */
  version?: string
  startedAt?: string
  exitCode?: number
  /** With `--expose`, such as `127.0.0.1:49153`; the gateway's always. */
  address?: string
  /** Bytes. */
  memory?: number
  memoryLimit?: number
  /** Percent of one processor. */
  cpu?: number
}

export interface LogLine {
  part: Part
  /** ISO 8601. */
  time: string
  text: string
}

export interface Stack {
  /**
   * Has every image of the selected parts on this machine, each chosen once and then kept by its digest; `always` chooses anew and
   * asks the registry even for what is here. @throws ENGINE_UNAVAILABLE naming each image that cannot be had, and why;
   * CONFIG_INVALID for a lock file that cannot be read
   */
  pull(options: { onProgress(progress: PullProgress): void; always?: boolean; signal?: AbortSignal }): Promise<void>
  /**
   * Writes the files and creates, adopts, repairs or leaves each container as needed; resolves once they are started, not yet
   * ready, with the gateway's TCP port on the host. Where nothing was before, a failure or `signal` leaves no container and no
   * network. @throws ADDRESS_IN_USE, ENGINE_UNAVAILABLE, BACKEND_UNAVAILABLE, INTERRUPTED; CONFIG_INVALID for data of another
   * version or password, a name that another Compose project has, an included file with a mistake
   */
  up(options: { signal?: AbortSignal }): Promise<{ tcpPort: number; httpsTcpPort?: number }>
  /**
   * Rejects as soon as a container of this stack dies, or has died before, with its name, exit code, last 20 lines and what to try;
   * by `signal` with its reason. What someone stops on purpose has 15 s to come back.
   */
  failure(signal: AbortSignal): Promise<never>
  restart(parts: readonly Part[]): Promise<void>
  /** Removes containers and network, with `volumes` the data too; what is not there is fine. @throws CONFIG_INVALID for another's */
  down(options: { volumes: boolean; timeoutMs: number }): Promise<{ containers: number; volumes: number }>
  /** Every part of this stack that exists or should. */
  parts(options: { usage: boolean }): Promise<PartState[]>
  logs(options: {
    parts?: readonly Part[]
    follow: boolean
    /** Unix time in seconds. */
    since?: number
    tail?: number
    signal: AbortSignal
  }): AsyncIterable<LogLine>
}
