/** Whose Compose project a name stands for: a stack must neither adopt nor remove what another directory has made. */
import { existsSync } from 'node:fs'
import { HyperError } from '../server/error.ts'
import { COMPOSE_LABEL, LABEL, type Labels } from './labels.ts'
import type { StackConfig } from './stack.ts'

/**
 * @param found labels of every container and volume of the Compose project of this name
 * @throws CONFIG_INVALID when they are another's. A directory that is gone has moved here, or needs nothing any more.
 */
export function checkOwner(
  { name, projectDirectory, stateDirectory }: StackConfig,
  found: readonly (Labels | undefined)[],
): void {
  const directories = found.map((labels) => labels?.[LABEL.directory] ?? labels?.[COMPOSE_LABEL.workingDirectory])
  const isOurs = (directory: string) => directory === projectDirectory || directory === stateDirectory
  const other = directories.find((directory) => directory !== undefined && !isOurs(directory) && existsSync(directory))
  // Volumes of an included file have no label that tells, but stand beside some of ours.
  const isUnknown = found.length > 0 && directories.every((directory) => directory === undefined)
  if (other === undefined && !isUnknown) return
  const whose = other === undefined ? 'of another tool' : `of ${other}`
  throw new HyperError('CONFIG_INVALID', `the name ${name} is taken by the Compose project ${whose}`, {
    hint: 'Give this sandbox another with name: in hyper-sandbox.yaml.',
    meta: { name, ...(other === undefined ? {} : { directory: other }) },
  })
}
