/** What a stack's volumes hold already, and whether the images and passwords of this start open it. */
import { createHash } from 'node:crypto'
import type Docker from 'dockerode'
import type { VolumeInspectInfo } from 'dockerode'
import { HyperError } from '../server/error.ts'
import { COMPOSE_LABEL, LABEL, type Labels } from './labels.ts'
import { type Backend, type DataFormat, type StackImage, versionNumbers } from './part.ts'
import { BACKENDS } from './services/backends.ts'
import type { Part, StackConfig } from './stack.ts'

export interface KeptVolume {
  name: string
  /** Ours only: Compose adds its own. */
  labels: Labels
}

/** A random password's digest tells nothing about it. */
export function passwordDigest(password: string): string {
  return createHash('sha256').update(password).digest('hex').slice(0, 16)
}

/** All of the Compose project, those of included files too. */
export async function stackVolumes(docker: Docker, project: string): Promise<VolumeInspectInfo[]> {
  const { Volumes } = await docker.listVolumes({ filters: { label: [`${COMPOSE_LABEL.project}=${project}`] } })
  return Volumes ?? []
}

export function keptByPart(volumes: readonly VolumeInspectInfo[]): Partial<Record<Backend, KeptVolume>> {
  const entries = volumes.flatMap(({ Name, Labels }) => {
    const part = Labels?.[LABEL.service]
    return part === undefined || !(part in BACKENDS) ? [] : [[part, { name: Name, labels: ours(Labels) }]]
  })
  return Object.fromEntries(entries)
}

/** Ours of an object's labels, which Compose's stand beside. */
export function ours(labels: Labels | undefined): Labels {
  const own = Object.values<string>(LABEL)
  return Object.fromEntries(Object.entries(labels ?? {}).filter(([name]) => own.includes(name)))
}

/**
 * @param written who wrote each part's files last, as far as the project remembers; else the volume's labels tell who began them
 * @throws CONFIG_INVALID for files that these images or passwords would not open
 */
export function checkKeptData(
  config: StackConfig,
  volumes: Partial<Record<Backend, KeptVolume>>,
  images: Partial<Record<Part, StackImage>>,
  written: Partial<Record<Backend, DataFormat>>,
): void {
  for (const [part, { name, labels }] of Object.entries(volumes) as [Backend, KeptVolume][]) {
    const image = images[part]
    if (!image) continue
    const then = written[part] ?? { format: labels[LABEL.format] ?? '', version: labels[LABEL.version] ?? '' }
    if (!isOpened(part, image, then)) throw otherFormat(part, image, then)
    const digest = labels[LABEL.password]
    if (digest !== undefined && digest !== passwordDigest(config.secrets[part])) throw otherPassword(part, name)
  }
}

/** Where a version is not known, only the kind of files counts. */
function isOpened(part: Backend, now: StackImage, then: DataFormat): boolean {
  if (then.format !== '' && then.format !== now.format) return false
  const areKnown = [now, then].every(({ version }) => versionNumbers(version).length > 0)
  return !areKnown || BACKENDS[part].opens(now, then)
}

function otherFormat(part: Backend, now: StackImage, then: DataFormat): HyperError {
  const spelled = ({ format, version }: DataFormat) => `${format} ${version}`.trim()
  return new HyperError(
    'CONFIG_INVALID',
    `the data of ${part} was written by ${spelled(then)}; ${spelled(now)} (${now.reference}) would not open it safely`,
    {
      hint: `Keep it: set images.${part} in hyper-sandbox.yaml to an image of ${spelled(then)}. Or begin anew, without this sandbox's data: hyper-sandbox down --volumes`,
      meta: { part, written: then, image: now.reference },
    },
  )
}

function otherPassword(part: Backend, volume: string): HyperError {
  return new HyperError(
    'CONFIG_INVALID',
    `the password that the data of ${part} was made with is lost: .hyper-sandbox/secrets.json has another`,
    {
      hint: "Restore that file; .hyper-sandbox/.env may still have the password. Or begin anew, without this sandbox's data: hyper-sandbox down --volumes",
      meta: { part, volume },
    },
  )
}
