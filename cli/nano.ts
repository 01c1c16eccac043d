/**
 * hyper nano's own command line (hyper-api §10.1), which parses without knowing its flags: a flag takes the word after it as
 * its value, whatever the flag, and what it does not know it ignores.
 */
import { parseArgs } from 'node:util'
import { HyperError } from '../server/error.ts'
import { isServiceName } from '../server/services.ts'
import { bringUp } from './bring-up.ts'
import type { Context } from './command.ts'
import { JSON_FLAG } from './command.ts'
import { RUN_FLAGS, TIMEOUT_FLAG, up } from './commands/up.ts'
import { KINDS } from './config.ts'
import { Flags, type FlagValue } from './flags.ts'
import type { Output } from './output.ts'
import { didYouMean } from './suggest.ts'

const NANO_FLAGS = ['data', 'cache', 'storage', 'domain', 'purge', 'experimental'] as const
const KNOWN = [...RUN_FLAGS, TIMEOUT_FLAG, JSON_FLAG]

export async function nano(
  context: Omit<Context, 'args' | 'flags'>,
  { argv, bin }: { argv: readonly string[]; bin: 'hyper-nano' | 'hyper-sandbox' },
): Promise<number> {
  const { output } = context
  const given = readLikeNano(argv)
  const ignores = bin === 'hyper-nano' || NANO_FLAGS.some((name) => given.has(name))
  for (const unknown of unknownFlags(given, argv)) {
    if (!ignores) throw unknown
    output.warn(`${unknown.message}; ignored, as hyper nano does`)
  }
  if (given.delete('experimental'))
    output.note('--experimental is not needed here; nothing on this command line is experimental')
  const flags = new Flags(asUpFlags(given, output), KNOWN, context.env)
  return await bringUp({ ...context, args: [], flags }, { nano: true })
}

/** Takes out what neither hyper nano nor we know. @throws USAGE for what only `up` can: ignoring it would surprise */
function unknownFlags(given: Map<string, FlagValue>, argv: readonly string[]): HyperError[] {
  const known = [...NANO_FLAGS, ...KNOWN.map(({ name }) => name)]
  return [...given.keys()]
    .filter((name) => !known.includes(name))
    .map((name) => {
      given.delete(name)
      const spelled = name.length === 1 ? `-${name}` : `--${name}`
      if (up.flags.some((flag) => flag.name === name || flag.short === name))
        throw new HyperError('USAGE', `${spelled} needs a verb`, { hint: `Type: hyper-sandbox up ${argv.join(' ')}` })
      return new HyperError('USAGE', `there is no flag ${spelled}${didYouMean(name, known)}`, {
        hint: 'See: hyper-sandbox help up',
      })
    })
}

/** Nano's values in the terms of `up`. */
function asUpFlags(given: ReadonlyMap<string, FlagValue>, output: Output): Map<string, FlagValue> {
  const flags = new Map(given)
  for (const [name, value] of given) {
    const flag = KNOWN.find((one) => one.name === name)
    if (isServiceName(name)) {
      // Strings are true, even 'false'; only the number nought is not.
      if (value !== true && isNought(value)) flags.delete(name)
      else flags.set(name, true)
    } else if (flag && flag.value === undefined) {
      flags.set(name, true)
    } else if (flag?.value?.startsWith('<') && value === true) {
      throw new HyperError('USAGE', `--${name} needs a value`)
    }
  }
  // Only what is also asked for is emptied.
  const purge = flags.get('purge')
  if (purge !== undefined) {
    const listed = purge === true ? KINDS : purge.split(',').map((kind) => kind.trim())
    for (const kind of listed.filter((one) => !isServiceName(one)))
      output.warn(`--purge: there is no service '${kind}'${didYouMean(kind, KINDS)}; ignored, as hyper nano does`)
    const kinds = KINDS.filter((kind) => listed.includes(kind) && flags.has(kind))
    if (kinds.length > 0) flags.set('purge', kinds.join(','))
    else flags.delete('purge')
  }
  return flags
}

/** Flags as Deno's parser reads them undeclared: the last of a name wins, `--` and words of their own mean nothing. */
function readLikeNano(argv: readonly string[]): Map<string, FlagValue> {
  const flags = new Map<string, FlagValue>()
  const { tokens } = parseArgs({ args: [...argv], strict: false, tokens: true, allowPositionals: true })
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'option-terminator') break
    // `--domain=` is a flag of another name there.
    if (token.kind !== 'option' || token.value === '') continue
    const next = tokens[index + 1]
    flags.set(token.name, token.value ?? (next?.kind === 'positional' ? next.value : true))
  }
  return flags
}

function isNought(value: string): boolean {
  return /^[-+]?(0x0+|0+(\.0*)?|\.0+)(e[-+]?\d+)?$/i.test(value)
}
