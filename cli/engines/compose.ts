/** The services in containers on a Docker engine. */
import { HyperError } from '../../server/error.ts'
import type { Engine } from './engine.ts'

function unavailable(): never {
  throw new HyperError('ENGINE_UNAVAILABLE', 'the compose engine is not part of this version', {
    hint: 'Use --engine embedded: it needs nothing but Node and keeps its data in the project.',
  })
}

export const compose: Engine = {
  name: 'compose',
  inspect: async () => ({ state: 'stopped' }),
  prepare: async () => unavailable(),
  up: async () => unavailable(),
  down: async () => undefined,
  restart: async () => unavailable(),
  parts: async () => [],
  logs: async () => unavailable(),
  purgeStopped: async () => unavailable(),
  importInto: async () => unavailable(),
}
