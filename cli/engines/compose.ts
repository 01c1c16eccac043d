/** The services in containers on a Docker engine, found by their labels; `state.json` has what only `up` knew. */
import { PART_OF, type Part, type Stack } from '../../compose/stack.ts'
import { HyperError } from '../../server/error.ts'
import { isLocked } from '../lock.ts'
import type { Project } from '../project.ts'
import { notRunning } from '../running.ts'
import { listenForStop } from '../signals.ts'
import { type ComposeRun, type Run, readRun, removeRun, stateFiles } from '../state.ts'
import { withLock } from './compose-lock.ts'
import type { Engine, PartStatus } from './engine.ts'
import { isEphemeral, lookUpConfig } from './stack-config.ts'
import { Stacks } from './stacks.ts'

let made: Engine | undefined

export function createCompose(env: NodeJS.ProcessEnv): Engine {
  made ??= create(new Stacks(env))
  return made
}

function create(stacks: Stacks): Engine {
  const looking = new Map<string, Promise<Stack>>()
  const lookUp = (project: Project, run = composeRun(project)) => {
    const config = lookUpConfig(project, run)
    const known = looking.get(config.name) ?? stacks.open(config)
    looking.set(config.name, known)
    return known
  }

  return {
    name: 'compose',

    async inspect(project) {
      const run = composeRun(project)
      const busy = isLocked(stateFiles(project.stateDirectory).lock)
      const idle = busy ? ({ state: 'starting', run } as const) : ({ state: 'stopped' } as const)
      if (run?.phase !== 'ready') return idle
      const parts = await (await lookUp(project, run)).parts({ usage: false })
      const gateway = parts.find(({ part }) => part === 'gateway')
      return gateway?.state === 'running' ? { state: 'running', run } : idle
    },

    async pull(context, resolved, options) {
      const { pullImages } = await import('./compose-pull.ts')
      using stop = listenForStop(context.exit)
      return await pullImages(stacks, context.output, resolved, { ...options, stopRequested: stop.requested })
    },

    async up(context, resolved, options) {
      const { upOnCompose } = await import('./compose-up.ts')
      return await upOnCompose(stacks, context, resolved, options)
    },

    async down(project, { volumes, timeoutMs }) {
      const { stateDirectory } = project
      return await withLock(stateDirectory, timeoutMs, async () => {
        const run = composeRun(project)
        const removed = { containers: 0, volumes: 0 }
        for (const name of await namesOf(stacks, project, run)) {
          const stack = await stacks.open({ ...lookUpConfig(project, run), name })
          const gone = await stack.down({ volumes: volumes || isEphemeral(name), timeoutMs })
          removed.containers += gone.containers
          removed.volumes += gone.volumes
        }
        if (readRun(stateDirectory)?.engine === 'compose') removeRun(stateDirectory)
        if (removed.containers === 0 && removed.volumes === 0) return undefined
        return { text: removedText(removed), facts: removed }
      })
    },

    async restart(context, project, options) {
      const { restartOnCompose } = await import('./compose-restart.ts')
      return await restartOnCompose(stacks, context, project, options)
    },

    async parts(project, run) {
      const stack = await lookUp(project, run?.engine === 'compose' ? run : undefined)
      const states = await stack.parts({ usage: true })
      return states.map(({ part, ...state }): PartStatus => ({ part, services: servedBy(part, run), ...state }))
    },

    async logs(context, project, request) {
      const { showContainerLogs } = await import('./compose-logs.ts')
      return await showContainerLogs(await lookUp(project), context, request)
    },

    async applyApps(context, resolved, run, fresh) {
      const { applyOnCompose } = await import('./compose-apps.ts')
      if (run.engine === 'compose') await applyOnCompose(stacks, context, resolved, run, fresh)
    },

    async purgeStopped({ project }) {
      throw notRunning(project.directory, 'stopped')
    },

    async importInto() {
      throw new HyperError('USAGE', 'import brings what hyper nano kept into the embedded engine only', {
        hint: 'Type: hyper-sandbox down; hyper-sandbox up --engine embedded --detach; then import again.',
      })
    },
  }
}

/** Under which names something of this project may be: its present one, and what else was ever made from its directory. */
async function namesOf(stacks: Stacks, project: Project, run: ComposeRun | undefined): Promise<string[]> {
  const made = await stacks.madeIn(project.directory)
  return [...new Set([lookUpConfig(project, run).name, ...made.map(({ name }) => name)])]
}

function composeRun({ stateDirectory }: Project): ComposeRun | undefined {
  const run = readRun(stateDirectory)
  return run?.engine === 'compose' ? run : undefined
}

function servedBy(part: Part, run: Run | undefined) {
  return (run?.services ?? []).filter((name) => PART_OF[name] === part && run?.servers?.[name] === undefined)
}

/** Such as `removed 3 containers and 2 volumes`. */
function removedText({ containers, volumes }: { containers: number; volumes: number }): string {
  const counted = [
    ...(containers > 0 ? [`${containers} container${containers === 1 ? '' : 's'}`] : []),
    ...(volumes > 0 ? [`${volumes} volume${volumes === 1 ? '' : 's'}`] : []),
  ]
  return `removed ${new Intl.ListFormat('en').format(counted)}`
}
