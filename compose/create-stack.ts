/** One sandbox's stack on the engine found: each verb is a file of its own. */
import { ignoreGone, partOf, stackContainers } from './containers.ts'
import { checkCompose, type Engine } from './engine.ts'
import { watchForDeath } from './failure.ts'
import { partsOf } from './generate.ts'
import { ensureImages } from './images.ts'
import { stackLogs } from './logs.ts'
import { partStates } from './part-states.ts'
import type { Stack, StackConfig } from './stack.ts'
import { findOwn, makeDirectory, startStack } from './start-stack.ts'
import { takeDown } from './take-down.ts'

export function createStack(config: StackConfig, engine: Engine): Stack {
  const { docker } = engine
  const { name } = config
  return {
    async pull({ onProgress, always, signal }) {
      makeDirectory(config.stateDirectory)
      // Whoever pulls means to start: by then it has answered.
      void checkCompose(engine).catch(() => {})
      await ensureImages(engine, config, { onProgress, always, signal })
    },
    up: ({ signal }) => startStack(engine, config, signal),
    failure: (signal) => watchForDeath(docker, name, signal),
    async restart(parts) {
      const containers = await stackContainers(docker, name)
      await Promise.all(
        containers
          .filter(({ Labels }) => parts.some((part) => part === partOf(Labels)))
          .map(async ({ Id, State }) => {
            if (State === 'paused') await docker.getContainer(Id).unpause().catch(ignoreGone)
            await docker.getContainer(Id).restart()
          }),
      )
    },
    async down(options) {
      await findOwn(engine, config)
      return await takeDown(docker, name, options)
    },
    parts: (options) => partStates(docker, name, partsOf(config), options),
    logs: (options) => stackLogs(docker, name, options),
  }
}
