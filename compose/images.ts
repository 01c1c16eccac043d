/** Has the images of a stack on this machine, each chosen once and then kept by its digest. */
import type { ImageInspectInfo } from 'dockerode'
import { HyperError } from '../server/error.ts'
import { checkCompose, type Engine } from './engine.ts'
import { imagedParts } from './generate.ts'
import { type ImageLock, type LockedImage, readImageLock, writeImageLock } from './image-lock.ts'
import { formatOf, imageCandidates } from './image-names.ts'
import { type Backend, isBackend, type StackImage } from './part.ts'
import { pullImage } from './pull.ts'
import { BACKENDS } from './services/backends.ts'
import type { Part, PullProgress, StackConfig } from './stack.ts'

export interface EnsureOptions {
  onProgress(progress: PullProgress): void
  /** Choose anew, and ask the registry even for what is here. */
  always?: boolean | undefined
  signal?: AbortSignal | undefined
}

interface Refusal {
  image: string
  reason: string
  /** It is here, for another processor: the network would not help. */
  isForeign?: true
}

/** @throws ENGINE_UNAVAILABLE naming every image that cannot be had; CONFIG_INVALID for a lock file that cannot be read */
export async function ensureImages(
  engine: Engine,
  config: StackConfig,
  options: EnsureOptions,
): Promise<Partial<Record<Part, StackImage>>> {
  const lock = readImageLock(config.stateDirectory)
  const parts = imagedParts(config)
  const outcomes = await Promise.all(parts.map((part) => ensureImage(part, lock, { engine, config, ...options })))
  options.signal?.throwIfAborted()
  const missing = outcomes.flatMap((outcome, index) =>
    Array.isArray(outcome) ? [{ part: parts[index] as Part, tried: outcome }] : [],
  )
  if (missing.length > 0) throw unavailable(missing, lock)
  const images = Object.fromEntries(outcomes.map((outcome, index) => [parts[index], outcome])) as ImageLock['images']
  const before = JSON.stringify(lock)
  Object.assign(lock.images, images)
  if (JSON.stringify(lock) !== before) writeImageLock(config.stateDirectory, lock)
  return images
}

interface Context extends EnsureOptions {
  engine: Engine
  config: StackConfig
}

/** The image, or why none of its candidates can be had. */
async function ensureImage(part: Part, lock: ImageLock, context: Context): Promise<LockedImage | Refusal[]> {
  const { engine, config, always = false, onProgress, signal } = context
  const locked = always ? undefined : stillMeant(part, lock, config)
  const candidates = locked ? [locked.reference] : imageCandidates(part, config)
  const refusals: Refusal[] = []
  if (!always) {
    // What is here needs no network, whatever stands before it in the list.
    for (const image of candidates) {
      const chosen = await present(part, image, context, refusals)
      if (!chosen) continue
      onProgress({ part, image, state: 'present' })
      return chosen
    }
  }
  // No downloads for a stack that could not be started.
  await checkCompose(engine)
  for (const image of candidates.filter((image) => !refusals.some((refused) => refused.image === image))) {
    onProgress({ part, image, state: 'pulling' })
    try {
      await pullImage(engine, image, (bytes) => onProgress({ part, image, state: 'pulling', ...bytes }), signal)
    } catch (error) {
      if (signal?.aborted) return refusals
      refusals.push({ image, reason: (error as Error).message })
      onProgress({ part, image, state: 'failed' })
      // Asked of the registry again, what is here must do where it cannot be reached.
      const kept = always ? await present(part, image, context, refusals) : undefined
      if (kept) return kept
      continue
    }
    const chosen = await present(part, image, context, refusals)
    if (!chosen) continue
    onProgress({ part, image, state: 'done' })
    return chosen
  }
  return refusals
}

/** What was chosen, unless the user has changed what to choose from. */
function stillMeant(
  part: Part,
  { images: locked }: ImageLock,
  { images, version }: StackConfig,
): LockedImage | undefined {
  const image = locked[part]
  const isSame =
    JSON.stringify(image?.override) === JSON.stringify(images.override[part]) && image?.mirror === images.mirror
  // The gateway is this tool itself: it changes with it.
  const isOurs = part !== 'gateway' || images.override.gateway !== undefined || image?.version === version
  return isSame && isOurs ? image : undefined
}

/** The image if it is on this machine and made for it. */
async function present(
  part: Part,
  image: string,
  { engine, config }: Context,
  refusals: Refusal[],
): Promise<LockedImage | undefined> {
  const found = await engine.docker
    .getImage(image)
    .inspect()
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 404) throw error
    })
  if (!found) return undefined
  if (found.Architecture !== engine.architecture) {
    const reason = `is built for ${found.Architecture}, this engine runs ${engine.architecture}`
    refusals.push({ image, reason, isForeign: true })
    return undefined
  }
  const { override, mirror } = config.images
  return {
    reference: referenceOf(image, found),
    format: formatOf(part, image),
    version: isBackend(part) ? versionOf(part, image, found) : config.version,
    ...(override[part] ? { override: [...override[part]] } : {}),
    ...(mirror === undefined ? {} : { mirror }),
  }
}

/** By digest, with the tag for whoever reads it. What was built here has no digest and goes by its name. */
function referenceOf(image: string, { RepoDigests }: ImageInspectInfo): string {
  if (image.includes('@')) return image
  const name = image.replace(/:[^/:]+$/, '').replace(/^(?:docker\.io\/)?(?:library\/)?/, '')
  const digest = RepoDigests?.map((entry) => entry.split('@')).find(([repository]) => repository === name)?.[1]
  return digest === undefined ? image : `${image}@${digest}`
}

function versionOf(part: Backend, image: string, { Config }: ImageInspectInfo): string {
  const variable = BACKENDS[part].versionVariable
  const value = Config.Env?.find((entry) => entry.startsWith(`${variable}=`))?.split('=')[1]
  const [, tag = ''] = /:([^/:@]+)(?:@.*)?$/.exec(image) ?? []
  // Labels last: many images keep those of the distribution they are built on.
  const label = Config.Labels?.['org.opencontainers.image.version'] ?? Config.Labels?.version
  return value ?? (/\d/.test(tag) ? tag : undefined) ?? label ?? ''
}

function unavailable(missing: readonly { part: Part; tried: Refusal[] }[], lock: ImageLock): HyperError {
  const lines = missing.map(({ part, tried }) =>
    [`the image of ${part} cannot be had:`, ...tried.map(({ image, reason }) => `  ${image}: ${reason}`)].join('\n'),
  )
  const isLocked = missing.some(({ part, tried }) => tried.some(({ image }) => image === lock.images[part]?.reference))
  const anew = isLocked ? ' To choose among all candidates again: hyper-sandbox pull --update.' : ''
  const isForeign = missing.every(({ tried }) => tried.every((refusal) => refusal.isForeign))
  const first = isForeign ? 'Name images for this machine' : 'Connect to the network, name other images'
  return new HyperError('ENGINE_UNAVAILABLE', lines.join('\n'), {
    hint: `${first} with images: in hyper-sandbox.yaml, or use --engine embedded.${anew}`,
    meta: { reason: 'images', images: missing },
  })
}
