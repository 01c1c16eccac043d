/** The repository's TypeScript as text, with what each file imports: for tests about the code itself. */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { transformSync } from 'esbuild'

export const ROOT = join(import.meta.dirname, '..')

export interface SourceFile {
  /** From the root, with `/`. */
  path: string
  text: string
  /** Without comments and string contents. */
  code: string
  /** Modules it names, types included: paths from the root, else `node:fs`, `zod`, `@scope/name`. */
  imports: string[]
}

/** The files a glob finds, in order. */
export function sourceFiles(pattern: string): SourceFile[] {
  const paths = globSync(pattern, { cwd: ROOT }).map((path) => path.replaceAll('\\', '/'))
  return paths.sort().map((path) => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    return { path, text, code: codeOnly(text), imports: importsOf(path, text) }
  })
}

/** Biome has put every import into one of these shapes. */
const IMPORTS = [
  /^(?:import|export)\s[^'"`;]*?\bfrom '([^']+)'/gm,
  /^import '([^']+)'/gm,
  /\bimport\('([^']+)'\)/g,
  /\bnew URL\('(\.[^']+)', import\.meta\.url\)/g,
]

function importsOf(path: string, text: string): string[] {
  const specifiers = IMPORTS.flatMap((shape) => [...text.matchAll(shape)].map(([, specifier = '']) => specifier))
  return [...new Set(specifiers)].map((specifier) => {
    if (specifier.startsWith('.')) return posix.join(dirname(path), specifier)
    if (specifier.startsWith('node:')) return specifier
    return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  })
}

function codeOnly(text: string): string {
  const { code } = transformSync(text, { loader: 'ts', legalComments: 'none' })
  return code.replaceAll(/"(?:[^"\\\n]|\\.)*"/g, '""')
}
