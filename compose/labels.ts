/** By which labels containers, networks and volumes are known as ours, whatever else is lost. */

export const LABEL = {
  /** The sandbox's name. */
  project: 'io.hyper63.sandbox.project',
  /** The project's directory on the host. */
  directory: 'io.hyper63.sandbox.directory',
  /** The part, such as `mongo`. */
  service: 'io.hyper63.sandbox.service',
  /** On a container: version of what runs in it. On a volume: of what wrote it first. */
  version: 'io.hyper63.sandbox.version',
  /** On a volume: what its files are, such as `mongodb`. */
  format: 'io.hyper63.sandbox.format',
  /** On a volume that keeps a password: which one, as a digest of it. */
  password: 'io.hyper63.sandbox.password',
} as const

/** Compose's own. */
export const COMPOSE_LABEL = {
  project: 'com.docker.compose.project',
  network: 'com.docker.compose.network',
  workingDirectory: 'com.docker.compose.project.working_dir',
} as const

export type Labels = Record<string, string>
