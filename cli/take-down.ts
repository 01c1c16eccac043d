/** `down`, on every engine that may have something of a project. */
import { HyperError } from '../server/error.ts'
import { mayHaveDocker } from './engines/choose.ts'
import { type Engine, engineNamed, engineOf, type Stopped } from './engines/engine.ts'
import type { Project } from './project.ts'
import { readRemembered } from './state.ts'

/** Nothing when nothing ran. @throws ENGINE_UNAVAILABLE when data was to be removed that this engine keeps; nothing is then */
export async function takeDown(
  project: Project,
  options: { volumes: boolean; timeoutMs: number },
  env: NodeJS.ProcessEnv,
): Promise<Stopped | undefined> {
  const engine = await engineOf(project, env)
  const other = engine.name === 'compose' ? undefined : await composeBeside(project, options, env)
  const stopped = await engine.down(project, options)
  const removed = await other?.down(project, options)
  if (!stopped || !removed) return stopped ?? removed
  return { text: `${stopped.text}; ${removed.text}`, facts: { ...removed.facts, ...stopped.facts } }
}

/** For containers that nothing here tells of any more, and for the data of an engine that was used before. */
async function composeBeside(
  project: Project,
  { volumes }: { volumes: boolean },
  env: NodeJS.ProcessEnv,
): Promise<Engine | undefined> {
  const { engine: last, stack } = readRemembered(project.stateDirectory)
  const hasData = stack !== undefined && volumes
  try {
    if (!hasData && (last !== undefined || !mayHaveDocker(env))) return undefined
    const compose = await engineNamed('compose', env)
    // Asked before anything is stopped.
    await compose.parts(project, undefined)
    return compose
  } catch (error) {
    if (!hasData && error instanceof HyperError && error.code === 'ENGINE_UNAVAILABLE') return undefined
    throw error
  }
}
