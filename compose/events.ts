/** What the engine tells of a stack's containers, from the moment of asking. */
import { createInterface } from 'node:readline'
import type Docker from 'dockerode'
import { partOf } from './containers.ts'
import { COMPOSE_LABEL } from './labels.ts'
import type { Part } from './stack.ts'

export interface ContainerEvent {
  action: string
  id: string
  /** Nothing for a container of an included file. */
  part: Part | undefined
  attributes: Record<string, string>
}

const ACTIONS = ['start', 'kill', 'oom', 'die']

interface EngineEvent {
  Action: string
  Actor: { ID: string; Attributes: Record<string, string> }
}

/** Resolves once the engine listens for us: nothing that happens after is missed. Ends by `signal`, or with the engine. */
export async function containerEvents(
  docker: Docker,
  project: string,
  signal: AbortSignal,
): Promise<AsyncIterable<ContainerEvent>> {
  const filters: Docker.GetEventsOptions['filters'] = {
    type: ['container'],
    event: ACTIONS,
    label: [`${COMPOSE_LABEL.project}=${project}`],
  }
  return parse(await docker.getEvents({ filters, abortSignal: signal }), signal)
}

async function* parse(stream: NodeJS.ReadableStream, signal: AbortSignal): AsyncIterable<ContainerEvent> {
  const lines = createInterface({ input: stream })
  // Whoever stopped reading is not told any more, and an error that nobody is told ends the process.
  lines.on('error', () => {})
  try {
    for await (const line of lines) {
      const { Action, Actor } = JSON.parse(line) as EngineEvent
      yield { action: Action, id: Actor.ID, part: partOf(Actor.Attributes), attributes: Actor.Attributes }
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
