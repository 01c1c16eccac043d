/** Which images may serve as a part, by name: the user's, else ours, else ours on the user's mirror. */
import { isBackend } from './part.ts'
import { registryOf } from './registry-credentials.ts'
import { BACKENDS } from './services/backends.ts'
import { gatewayImages } from './services/gateway.ts'
import type { Part, StackConfig } from './stack.ts'

/** In the order of trial, each with a tag or a digest. */
export function imageCandidates(part: Part, { images, version }: Pick<StackConfig, 'images' | 'version'>): string[] {
  const override = images.override[part]
  if (override !== undefined && override.length > 0) return override.map(withTag)
  const own = isBackend(part) ? BACKENDS[part].images : gatewayImages(version)
  return images.mirror === undefined ? [...own] : own.flatMap((image) => onMirror(image, images.mirror ?? ''))
}

/** The kind of files that an image writes, told by its name. */
export function formatOf(part: Part, image: string): string {
  return isBackend(part) ? BACKENDS[part].formatOf(image) : part
}

/** Some mirrors of Docker Hub know official images by their full name only. */
function onMirror(image: string, mirror: string): string[] {
  const registry = registryOf(image)
  const path = registry === undefined ? image : image.slice(registry.length + 1)
  const prefix = mirror.replace(/\/+$/, '')
  return path.includes('/') ? [`${prefix}/${path}`] : [`${prefix}/${path}`, `${prefix}/library/${path}`]
}

/** A name without a tag would stand for all of them. An image's id is no name. */
function withTag(image: string): string {
  if (image.includes('@') || image.startsWith('sha256:') || /:[^/]+$/.test(image)) return image
  return `${image}:latest`
}
