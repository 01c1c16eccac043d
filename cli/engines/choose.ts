/** Which engine a start means. Never another one than last time, unless someone says so. */
import { existsSync } from 'node:fs'
import { endpoints } from '../../compose/endpoint.ts'
import { HyperError } from '../../server/error.ts'
import type { Context } from '../command.ts'
import type { Resolved } from '../config.ts'
import { type EngineName, readRemembered, stateFiles } from '../state.ts'
import { type Engine, engineNamed, engineOf } from './engine.ts'

export interface Choice {
  engine: Engine
  /** Nobody asked for this engine and it keeps nothing yet: without it the embedded one will do. */
  mayFallBack: boolean
}

/** @throws ENGINE_UNAVAILABLE when the engine of this project does not answer */
export async function chooseEngine(
  { output, env }: Pick<Context, 'output' | 'env'>,
  { project, engine: asked }: Pick<Resolved, 'project' | 'engine'>,
): Promise<Choice> {
  const current = await engineOf(project, env)
  const explicit = asked === 'auto' ? undefined : asked
  const found = await current.inspect(project).catch((error) => {
    // Whoever asks for another engine need not have this one.
    if (explicit === undefined || explicit === current.name) throw error
    return { state: 'stopped' as const }
  })
  if (found.state !== 'stopped') {
    if (explicit !== undefined && explicit !== current.name) {
      output.warn(
        `it runs on the engine ${current.name}, not ${explicit}: to change that, hyper-sandbox down, then up --engine ${explicit}`,
      )
    }
    return { engine: current, mayFallBack: false }
  }
  const last = lastEngine(project.stateDirectory)
  if (explicit !== undefined && last !== undefined && explicit !== last) {
    output.warn(
      `what the engine ${last} keeps of this project stays there, apart from what ${explicit} keeps; back to it: up --engine ${last}`,
    )
  }
  const chosen = explicit ?? last
  if (chosen !== undefined) return { engine: await engineNamed(chosen, env), mayFallBack: false }
  const there = await whatThereIs((why) => output.note(`engine embedded, because ${why}`), env)
  return { engine: await engineNamed(there, env), mayFallBack: true }
}

/** The engine that `up` would begin with, without asking what runs. */
export async function plannedEngine(
  { project, engine: asked }: Pick<Resolved, 'project' | 'engine'>,
  env: NodeJS.ProcessEnv,
): Promise<EngineName> {
  const explicit = asked === 'auto' ? undefined : asked
  return explicit ?? lastEngine(project.stateDirectory) ?? (await whatThereIs(() => {}, env))
}

function lastEngine(stateDirectory: string): EngineName | undefined {
  const { engine } = readRemembered(stateDirectory)
  return engine ?? (existsSync(stateFiles(stateDirectory).data) ? 'embedded' : undefined)
}

/** Whether there is a place to ask; nothing of Docker's is loaded for that. @throws ENGINE_UNAVAILABLE for a context that is none */
export function mayHaveDocker(env: NodeJS.ProcessEnv): boolean {
  return endpoints(env).some(({ host, isExplicit }) => isExplicit || existsSync(host.replace(/^\w+:\/\//, '')))
}

async function whatThereIs(onRefused: (why: string) => void, env: NodeJS.ProcessEnv): Promise<EngineName> {
  try {
    if (!mayHaveDocker(env)) return 'embedded'
    const { findEngine } = await import('../../compose/engine.ts')
    await findEngine(env)
    return 'compose'
  } catch (error) {
    if (!(error instanceof HyperError) || error.code !== 'ENGINE_UNAVAILABLE') throw error
    onRefused(error.message)
    return 'embedded'
  }
}
