/** What runs of a sandbox anywhere on this machine, as far as its engine answers. */
import { HyperError } from '../server/error.ts'
import { engineOf } from './engines/engine.ts'
import type { Registered } from './registry.ts'
import type { EngineName, Run } from './state.ts'

export async function inspectRegistered(
  { name, projectDirectory, stateDirectory }: Registered,
  env: NodeJS.ProcessEnv,
): Promise<{
  engine: EngineName
  state: 'stopped' | 'starting' | 'running' | 'unknown'
  run: Run | undefined
}> {
  const project = { directory: projectDirectory, stateDirectory, file: undefined, defaultName: name }
  const engine = await engineOf(project, env)
  try {
    const found = await engine.inspect(project)
    return { engine: engine.name, state: found.state, run: found.state === 'running' ? found.run : undefined }
  } catch (error) {
    if (!(error instanceof HyperError) || error.code !== 'ENGINE_UNAVAILABLE') throw error
    return { engine: engine.name, state: 'unknown', run: undefined }
  }
}
