/** Which engine a start means. Never another one than last time, unless someone says so. */
import type { Context } from '../command.ts'
import type { Resolved } from '../config.ts'
import { type EngineName, readRemembered } from '../state.ts'
import { type Engine, engineNamed, engineOf } from './engine.ts'

export interface Choice {
  engine: Engine
  /** Nobody asked for this engine and it keeps nothing yet: without it the embedded one will do. */
  mayFallBack: boolean
}

/** @throws ENGINE_UNAVAILABLE when the engine of this project does not answer */
export async function chooseEngine({ output }: Pick<Context, 'output'>, resolved: Resolved): Promise<Choice> {
  const { project, engine: asked } = resolved
  const current = await engineOf(project)
  const explicit = asked === 'auto' ? undefined : asked
  const found = await current.inspect(project).catch((error) => {
    // Someone who asks for another engine need not have this one.
    if (explicit === undefined || explicit === current.name) throw error
    return { state: 'stopped' as const }
  })
  if (found.state !== 'stopped') {
    if (explicit !== undefined && explicit !== current.name)
      output.warn(
        `it runs on the engine ${current.name}, not ${explicit}: to change that, hyper-sandbox down, then up --engine ${explicit}`,
      )
    return { engine: current, mayFallBack: false }
  }
  const last = readRemembered(project.stateDirectory).engine
  if (explicit !== undefined && last !== undefined && explicit !== last) {
    output.warn(
      `data kept on the engine ${last} stays there, apart from what ${explicit} keeps; back to it: up --engine ${last}`,
    )
  }
  const chosen = explicit ?? last
  if (chosen !== undefined) return { engine: await engineNamed(chosen), mayFallBack: false }
  return { engine: await engineNamed(await whatThereIs()), mayFallBack: true }
}

async function whatThereIs(): Promise<EngineName> {
  return 'embedded'
}
