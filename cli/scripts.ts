/** `run`, `eval` and `repl`: JavaScript without a server, with the globals that apps have (worker-runtime §§1.1, 1.5). */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { scripts } from '../adapters/registry.ts'
import { HyperError } from '../server/error.ts'
import type { LoadError } from '../server/ports/apps.ts'
import type { Context } from './command.ts'
import type { Output } from './output.ts'

/** @returns 1 for a script that fails */
export async function runFile({ args, cwd, output }: Context): Promise<number> {
  const [file = ''] = args
  using options = scriptOptions(output)
  let failure: string | undefined
  try {
    failure = await scripts.run(resolve(cwd, file), options)
  } catch (error) {
    const { name, message, location, frame } = error as LoadError
    if (name === ('Error' as string)) throw error
    throw new HyperError('APP_NOT_LOADED', [`${location ?? file}: ${message}`, frame].filter(Boolean).join('\n'))
  }
  if (failure === undefined) return 0
  output.note(failure)
  return 1
}

/** Prints what a source comes to. */
export async function evaluateOnce({ args: [source = ''], output }: Context): Promise<number> {
  using options = scriptOptions(output)
  await using evaluator = await scripts.evaluator(options)
  const result = await evaluator.evaluate(source)
  if ('value' in result) output.line(result.value)
  else if ('error' in result) output.note(`Error${placeOf(result)}: ${result.error}`)
  else output.note('Error: SyntaxError: Unexpected end of input')
  return 'value' in result ? 0 : 1
}

const LEAVE = /^\s*(?:\.?exit|quit)\s*$/
const HISTORY = 1_000

/** Reads, evaluates and prints until it is left. Off a terminal only results are written. */
export async function readEvaluatePrint({ output }: Context): Promise<number> {
  using options = scriptOptions(output)
  await using evaluator = await scripts.evaluator(options)
  const isTerminal = process.stdin.isTTY === true && process.stdout.isTTY === true
  if (isTerminal)
    output.line('nano REPL (workerd)\nLeave with exit or Ctrl-D; the arrow keys bring back what was typed before.')
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout, historySize: HISTORY, removeHistoryDuplicates: true } : {}),
    terminal: isTerminal,
  })
  let typed = ''
  const prompt = () => {
    lines.setPrompt(typed === '' ? 'nano> ' : '...  ')
    if (isTerminal) lines.prompt()
  }
  lines.on('SIGINT', () => {
    output.line('^C')
    typed = ''
    prompt()
  })
  prompt()
  for await (const line of lines) {
    if (typed === '' && LEAVE.test(line)) break
    typed = typed === '' ? line : `${typed}\n${line}`
    if (typed.trim() === '') typed = ''
    else {
      const result = await evaluator.evaluate(typed)
      if (!('incomplete' in result)) typed = ''
      if ('value' in result) output.line(result.value)
      if ('error' in result) output.note(`Error${result.line > 0 ? ` at line ${result.line}` : ''}: ${result.error}`)
    }
    prompt()
  }
  lines.close()
  return 0
}

function placeOf({ line, column }: { line: number; column: number }): string {
  return line > 0 ? ` at line ${line}, column ${column}` : ''
}

/** What a script prints: `log` on stdout, what warns on stderr. */
function scriptOptions(output: Output) {
  const directory = join(realpathSync(mkdtempSync(join(tmpdir(), 'hyper-run-'))), 's')
  const parent = join(directory, '..')
  return {
    directory,
    onConsole({ level, message }: { level: string; message: string }) {
      if (level === 'info' || level === 'debug') output.line(message)
      else output.note(level === 'warn' ? `[WARN] ${message}` : message)
    },
    [Symbol.dispose]: () => rmSync(parent, { recursive: true, force: true }),
  }
}
