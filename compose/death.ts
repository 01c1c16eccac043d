/** Why a container died, and what to try, from its exit code and its last words. */
import type Docker from 'dockerode'
import { HyperError } from '../server/error.ts'
import { lastLines } from './logs.ts'
import type { Part } from './stack.ts'

const LAST_LINES = 20

export interface Death {
  part: Part
  exitCode: number
  oomKilled: boolean
  lines: readonly string[]
}

interface Explanation {
  when(death: Death): boolean
  what: string
  hint: string
}

const says = (pattern: RegExp) => (death: Death) => death.lines.some((line) => pattern.test(line))

const BEGIN_ANEW = "begin anew, without this sandbox's data: hyper-sandbox down --volumes"

/** The first that fits. */
const EXPLANATIONS: readonly Explanation[] = [
  {
    when: ({ oomKilled }) => oomKilled,
    what: 'it needed more memory than its limit',
    hint: 'For more, point the service at a server of your own with url: in hyper-sandbox.yaml, or use --engine embedded.',
  },
  {
    when: ({ part, exitCode }) => part === 'mongo' && exitCode === 132,
    what: 'this processor lacks instructions that MongoDB needs (AVX on x86, ARMv8.2-A on ARM)',
    hint: 'Use --engine embedded, or images.mongo: mongo:4.4 on a sandbox without data.',
  },
  {
    when: says(/exec format error/i),
    what: 'its image is for another processor',
    hint: 'Name an image for this machine with images: in hyper-sandbox.yaml.',
  },
  {
    when: says(/no space left on device/i),
    what: 'the disk is full',
    hint: 'Free some: docker system df tells what takes it, docker system prune removes what nothing uses.',
  },
  {
    when: says(
      /UPGRADE PROBLEM|Wrong mongod version|featureCompatibilityVersion|database version .* is incompatible|Can't handle RDB format version|unsupported format/i,
    ),
    what: 'its data is of another version',
    hint: `Set images: in hyper-sandbox.yaml to the version that wrote it, or ${BEGIN_ANEW}`,
  },
  {
    when: says(/corrupt|checksum error|Bad file format reading the append only file/i),
    what: 'its data is damaged',
    hint: `Look at what it says with: hyper-sandbox logs. Or ${BEGIN_ANEW}`,
  },
  {
    when: says(/permission denied|operation not permitted/i),
    what: 'it may not use its files',
    hint: `If its image has changed its user: ${BEGIN_ANEW}`,
  },
  {
    when: ({ exitCode }) => exitCode === 137,
    what: 'it was killed',
    hint: 'If nobody did that, the machine is short of memory: run fewer services with --only. Start it again: hyper-sandbox up',
  },
]

/** @returns BACKEND_UNAVAILABLE */
export function explainDeath(death: Death): HyperError {
  const { part, exitCode, oomKilled, lines } = death
  const explanation = EXPLANATIONS.find(({ when }) => when(death))
  const why = explanation ? `: ${explanation.what}` : ''
  const words = lines.length > 0 ? `; its last lines:\n${lines.map((line) => `  ${line}`).join('\n')}` : ''
  return new HyperError('BACKEND_UNAVAILABLE', `${part} ended with exit code ${exitCode}${why}${words}`, {
    hint: explanation?.hint ?? 'Look at what it says with: hyper-sandbox logs. Start it again: hyper-sandbox up',
    meta: { part, exitCode, oomKilled },
  })
}

/** What is left of a container that died, however soon it is looked at. */
export async function deathOf(
  docker: Docker,
  { part, id, exitCode, oomKilled = false }: { part: Part; id: string; exitCode: number; oomKilled?: boolean },
): Promise<Death> {
  const container = docker.getContainer(id)
  const [state, lines] = await Promise.all([
    container.inspect().then(
      ({ State }) => State,
      () => undefined,
    ),
    lastLines(container, LAST_LINES).catch(() => []),
  ])
  // Old engines tell no reason but this of a command that cannot be run.
  const reason = state?.Error ? [state.Error] : []
  return { part, exitCode, oomKilled: oomKilled || (state?.OOMKilled ?? false), lines: [...lines, ...reason] }
}
