/** Which file of an app is its entry: by the names that NANO and Workers know, else by what its `package.json` says (worker-runtime §4.1). */
import { existsSync, readFileSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { AppLoadError } from './load-error.ts'

/** What is looked for in a directory, in this order. */
const ENTRIES = ['index.js', 'index.mjs', 'index.ts', '_worker.js', 'worker.js'] as const
/** Where nothing else is said. */
const SOURCES = ['src/index.ts', 'src/index.js'] as const
const CONDITIONS = ['workerd', 'worker', 'browser', 'import', 'module', 'default']

/** @returns nothing for an app of static files alone. @throws AppLoadError FileNotFound, FileReadError, PathTooLong */
export function findEntry({ path, assets }: { path: string; assets?: string | undefined }): string | undefined {
  const found = statOf(path)
  if (!found) throw new AppLoadError('FileNotFound', `${path} does not exist`)
  if (!found.isDirectory()) return path
  const entry = firstOf(path, ENTRIES) ?? packageEntry(path) ?? firstOf(path, SOURCES)
  if (entry || assets !== undefined) return entry
  throw new AppLoadError('FileNotFound', `${path} has no entry file: it should be ${ENTRIES.slice(0, 3).join(', ')}`)
}

function firstOf(directory: string, names: readonly string[]): string | undefined {
  return names.map((name) => join(directory, name)).find((file) => existsSync(file))
}

function packageEntry(directory: string): string | undefined {
  const file = join(directory, 'package.json')
  if (!existsSync(file)) return undefined
  const { exports, module, main } = read(file)
  const named = target(exports) ?? [module, main].find((name) => typeof name === 'string')
  if (named === undefined) return undefined
  const entry = join(directory, named as string)
  if (statOf(entry)?.isFile()) return entry
  throw new AppLoadError('FileNotFound', `${file} names ${named} as its entry, which is no file`)
}

function read(file: string): { exports?: unknown; module?: unknown; main?: unknown } {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) ?? {}
  } catch (error) {
    throw new AppLoadError('FileReadError', `${file}: ${(error as Error).message}`)
  }
}

/** What `exports` gives an importer of the package itself. */
function target(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (typeof exports !== 'object' || exports === null) return undefined
  if ('.' in exports) return target(exports['.'])
  const condition = Object.keys(exports).find((name) => CONDITIONS.includes(name))
  return condition === undefined ? undefined : target((exports as Record<string, unknown>)[condition])
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new AppLoadError(code === 'ENAMETOOLONG' ? 'PathTooLong' : 'FileReadError', message)
  }
}
