/** The Docker engine of this machine, found once, and the stacks on it. */

import { createStack } from '../../compose/create-stack.ts'
import { connectEngine, type Engine as DockerEngine } from '../../compose/engine.ts'
import { type FoundStack, findStacks } from '../../compose/find-stacks.ts'
import { stackVolumes } from '../../compose/kept-data.ts'
import type { Stack, StackConfig } from '../../compose/stack.ts'

export class Stacks {
  readonly #env: NodeJS.ProcessEnv
  #engine: Promise<DockerEngine> | undefined

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env
  }

  /** @throws ENGINE_UNAVAILABLE */
  async open(config: StackConfig): Promise<Stack> {
    return createStack(config, await this.#found())
  }

  /** Whether a stack of this name has data. @throws ENGINE_UNAVAILABLE */
  async hasData(name: string): Promise<boolean> {
    const { docker } = await this.#found()
    return (await stackVolumes(docker, name)).length > 0
  }

  /** Those made from a directory, whatever they were called. @throws ENGINE_UNAVAILABLE */
  async madeIn(directory: string): Promise<FoundStack[]> {
    const all = await findStacks(await this.#found())
    return all.filter(({ projectDirectory }) => projectDirectory === directory)
  }

  #found(): Promise<DockerEngine> {
    this.#engine ??= connectEngine(this.#env)
    return this.#engine
  }
}
