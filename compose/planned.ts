/** What `up` would write as things are, without an engine: for whoever only wants to read it. */
import { composeFile, envFile, imagedParts } from './generate.ts'
import { readImageLock } from './image-lock.ts'
import { formatOf, imageCandidates } from './image-names.ts'
import type { StackImage } from './part.ts'
import type { Part, StackConfig } from './stack.ts'

/** @throws CONFIG_INVALID for a lock file that cannot be read */
export function plannedFiles(config: StackConfig): { compose: string; env: string } {
  const { images: locked } = readImageLock(config.stateDirectory)
  const images = Object.fromEntries(
    imagedParts(config).map((part) => [part, locked[part] ?? firstChoice(part, config)]),
  )
  const plan = { config, images, tcpPort: config.listen.tcpPort, kept: { volumes: {} } }
  return { compose: composeFile(plan), env: envFile(plan) }
}

function firstChoice(part: Part, config: StackConfig): StackImage {
  const [reference = ''] = imageCandidates(part, config)
  return { reference, format: formatOf(part, reference), version: '' }
}
