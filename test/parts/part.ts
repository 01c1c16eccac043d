/** One thing that tests run on and that this repository does not contain. */
import { execa, type Options } from 'execa'

export interface Part {
  name: string
  version: string
  /** Variables that name something else to use; the part is not needed when all of them are set. */
  instead?: readonly string[]
  /** Why tests do without it where it is missing; every other part is a must. */
  optional?: string
  isThere(): Promise<boolean>
  /** @throws Error with the reason why this machine cannot have it */
  get(): Promise<void>
}

/** Runs a program to its end without showing what it says, which is in the error if it fails. */
export async function run(file: string, args: readonly string[], options: Options = {}): Promise<string> {
  try {
    const { stdout } = await execa(file, args, { stdin: 'ignore', ...options })
    return String(stdout ?? '')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new Error(`there is no ${file} on this machine`)
    throw error
  }
}

/** The same with the machine owner's rights. */
export async function runAsRoot(file: string, args: readonly string[], options: Options = {}): Promise<string> {
  return isRoot() ? await run(file, args, options) : await run('sudo', ['--non-interactive', file, ...args], options)
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** Whether it runs, said by running it. */
export async function runs(file: string, ...args: string[]): Promise<boolean> {
  const { failed } = await execa(file, args, { reject: false, stdin: 'ignore' })
  return !failed
}
