/** What a file of `services/` says of its part: everything the generator, the images and the guard of formats need to know. */
import type { ServiceName } from '../server/services.ts'
import type { Part } from './stack.ts'

/** A part that keeps data. */
export type Backend = Exclude<Part, 'gateway' | 'workers'>

export function isBackend(part: Part): part is Backend {
  return part !== 'gateway' && part !== 'workers'
}

/** An image that was chosen. */
export interface StackImage {
  /** What Docker is given: by digest wherever the image has one. */
  reference: string
  /** What kind of files it writes, such as `mongodb`. */
  format: string
  /** Of what is inside, such as `8.0.30`; empty where the image does not tell. */
  version: string
}

/** Who wrote a volume's files. */
export type DataFormat = Pick<StackImage, 'format' | 'version'>

/** The members of a Compose service that we use. */
export interface ComposeService {
  command?: readonly string[]
  environment: Record<string, string>
  healthcheck?: { test: readonly string[]; interval: string; timeout: string; retries: number; start_period: string }
  tmpfs?: readonly string[]
  mem_limit: string
  stop_grace_period: string
}

export interface BackendDefinition {
  /** In a few words, for whoever reads the generated file. */
  about: string
  /** Tried in order. */
  images: readonly string[]
  /** The kind of files that an image of this name writes. */
  formatOf(image: string): string
  /** Variable of the image that tells its version. */
  versionVariable?: string
  /** Variable of the generated `.env` that has its password. */
  passwordVariable: string
  tcpPort: number
  /** Where in the container the volume is. */
  dataDirectory: string
  /** Whether `now` starts on files that `then` wrote last and leaves them whole. */
  opens(now: DataFormat, then: DataFormat): boolean
  /** The password is kept in the files, so a new one does not open old files. */
  keepsPassword?: boolean
  service(image: StackImage): ComposeService
  /** What the gateway is told, for the services of it that run here. */
  gateway(services: readonly ServiceName[]): Record<string, string>
}

/** Left to Compose to fill in. */
export const fromEnvFile = (variable: string) => `\${${variable}}`

/**
 * Cheap and rare: they tell `status` and `docker ps` how a part is, and nothing waits for them, since engines before API 1.44
 * ignore `start_interval`.
 */
export const healthcheck = (...test: string[]): NonNullable<ComposeService['healthcheck']> => ({
  test,
  interval: '30s',
  timeout: '10s',
  retries: 3,
  start_period: '60s',
})

/** `8.0.30` as numbers; what is no version has none. */
export function versionNumbers(version: string): number[] {
  return /\d+(?:\.\d+)*/.exec(version)?.[0].split('.').map(Number) ?? []
}
