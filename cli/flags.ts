/** The flags of one command line, each from the line itself or from its environment variable; the line wins. */
import { type ErrorCode, HyperError } from '../server/error.ts'

const ON = ['1', 'true', 'yes', 'on']
const OFF = ['0', 'false', 'no', 'off']

export interface Flag {
  /** Long name in kebab case; its environment variable is `HYPER_SANDBOX_<NAME>`. */
  readonly name: string
  readonly short?: string
  /** `<x>`: takes a value; `[x]`: may take one; absent: a switch. */
  readonly value?: string
  readonly about: string
}

/** `true` for a switch, or for an optional value left out. */
export type FlagValue = string | true

export class Flags {
  readonly #line: ReadonlyMap<string, FlagValue>
  #environment: ReadonlyMap<string, FlagValue>

  /** @throws CONFIG_INVALID for a variable of a switch that is neither on nor off */
  constructor(line: ReadonlyMap<string, FlagValue>, known: readonly Flag[], env: NodeJS.ProcessEnv) {
    this.#line = line
    const environment = new Map<string, FlagValue>()
    for (const flag of known) {
      const value = fromVariable(flag, env)
      if (value !== undefined) environment.set(flag.name, value)
    }
    this.#environment = environment
  }

  has(name: string): boolean {
    return this.get(name) !== undefined
  }

  get(name: string): FlagValue | undefined {
    return this.#line.get(name) ?? this.#environment.get(name)
  }

  text(name: string): string | undefined {
    const value = this.get(name)
    return value === true ? undefined : value
  }

  /** The same without these, for a verb that means something else by them. */
  without(names: readonly string[]): Flags {
    const rest = (all: ReadonlyMap<string, FlagValue>) => new Map([...all].filter(([name]) => !names.includes(name)))
    const flags = new Flags(rest(this.#line), [], {})
    flags.#environment = rest(this.#environment)
    return flags
  }

  /** How the user wrote it: `--port`, or its variable. */
  spelled(name: string): string {
    return this.#line.has(name) ? `--${name}` : variableOf(name)
  }

  /** The error for a value that cannot be: a mistake of usage on the line, of configuration in the environment. */
  invalid(name: string, message: string, hint?: string): HyperError {
    const fallback = this.#line.has(name)
      ? `See what --${name} takes with --help.`
      : `Change or unset ${variableOf(name)}.`
    const code: ErrorCode = this.#line.has(name) ? 'USAGE' : 'CONFIG_INVALID'
    return new HyperError(code, `${this.spelled(name)} ${message}`, { hint: hint ?? fallback })
  }

  /** What the line says, as arguments for another process; the environment it inherits anyway. */
  toArguments(except: readonly string[]): string[] {
    return [...this.#line]
      .filter(([name]) => !except.includes(name))
      .map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`))
  }
}

export function isOn(text: string | undefined): boolean {
  return ON.includes(text?.toLowerCase() ?? '')
}

export function variableOf(name: string): string {
  return `HYPER_SANDBOX_${name.toUpperCase().replaceAll('-', '_')}`
}

function fromVariable(flag: Flag, env: NodeJS.ProcessEnv): FlagValue | undefined {
  const variable = variableOf(flag.name)
  const text = env[variable]
  if (text === undefined || text === '') return undefined
  if (flag.value?.startsWith('<')) return text
  if (isOn(text)) return true
  if (OFF.includes(text.toLowerCase())) return undefined
  if (flag.value) return text
  throw new HyperError('CONFIG_INVALID', `${variable} is neither on nor off: '${text}'`, {
    hint: `Set it to 1 or 0, or unset it.`,
  })
}
