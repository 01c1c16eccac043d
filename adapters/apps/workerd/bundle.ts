/** An app's files as the modules workerd loads: one bundle, and what cannot be part of it beside it (worker-runtime §§4.1, 12.2). */
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import type { BuildFailure, BuildOptions, Message, Plugin, StdinOptions } from 'esbuild'
import type { AppConfig, LoadError } from '../../../server/ports/apps.ts'
import { callIfCallable } from './call-if-callable.ts'
import { isStateful } from './configuration.ts'
import { findEntry } from './entry.ts'
import { AppLoadError, codeFrame } from './load-error.ts'
import { nodeModules } from './node-modules.ts'

export interface Module {
  name: string
  kind: 'esModule' | 'wasm' | 'data'
  content: Uint8Array
}

export interface Bundle {
  /** The first is the app's entry. */
  modules: readonly Module[]
  /** Source map of the entry, as JSON. */
  map: string
  /** Absolute paths of every file it was made of: when one changes, so may it. */
  inputs: readonly string[]
  /** Packages in it need Node's modules, for which the app did not ask. */
  usesNode: boolean
  /** Equal for equal content. */
  digest: string
}

const MAX_ENTRY_BYTES = 10 * 1024 * 1024
export const ENTRY = 'app.js'

type Mode = 'development' | 'production'
type BundledApp = Pick<AppConfig, 'path' | 'compat' | 'compatibilityDate' | 'compatibilityFlags'> &
  Partial<Pick<AppConfig, 'assets'>>

/** Beside static files that need no code. */
const FILES_ALONE = `export default { fetch: () => new Response('Not Found', { status: 404 }) }`

/** @throws AppLoadError FileNotFound, FileReadError, PathTooLong, ScriptTooLarge, CompilationFailed */
export async function bundleApp(app: BundledApp, mode: Mode = 'development'): Promise<Bundle> {
  const entry = findEntry(app)
  if (entry && statSync(entry).size > MAX_ENTRY_BYTES)
    throw new AppLoadError('ScriptTooLarge', `${entry} is over 10 MB`)
  const root = entry ? dirname(entry) : app.path
  const beside: FileModule[] = []
  let usesNode = false
  const { build } = await import('esbuild')
  const result = await build({
    ...startOf(app, entry),
    absWorkingDir: root,
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['workerd', 'worker', 'browser'],
    external: ['cloudflare:*', 'workerd:*'],
    outfile: join(root, ENTRY),
    sourcemap: 'external',
    sourcesContent: true,
    metafile: true,
    logLevel: 'silent',
    keepNames: true,
    // What libraries ask of Node to know which of their builds is wanted.
    define: { 'process.env.NODE_ENV': JSON.stringify(mode) },
    loader: { '.txt': 'text', '.html': 'text', '.sql': 'text', '.md': 'text', '.svg': 'text' },
    plugins: [nodeModules(app, () => (usesNode = true)), modulesBeside(beside), methodCalls],
  }).catch((failure: BuildFailure) => {
    throw new AppLoadError('CompilationFailed', ...describe(failure, root))
  })
  const [map, code] = result.outputFiles.sort(({ path: a }, { path: b }) => b.localeCompare(a))
  const entryModule: Module = { name: ENTRY, kind: 'esModule', content: code?.contents ?? new Uint8Array() }
  const modules = [entryModule, ...beside.sort((a, b) => a.name.localeCompare(b.name))]
  const hash = createHash('sha256')
  for (const { name, content } of modules) hash.update(name).update('\0').update(content).update('\0')
  const inputs = Object.keys(result.metafile.inputs)
    .filter((input) => input !== '<stdin>')
    .map((input) => join(root, input.replace(/^[a-z-]+:/, '')))
    .concat(beside.map(({ file }) => file))
  return { modules, map: map?.text ?? '', inputs, usesNode, digest: hash.digest('base64url') }
}

function startOf(app: BundledApp, entry: string | undefined): Pick<BuildOptions, 'stdin' | 'entryPoints'> {
  if (entry === undefined) return { stdin: { contents: FILES_ALONE, resolveDir: app.path } }
  return isStateful(app) ? { stdin: loadedOnDemand(entry) } : { entryPoints: [entry] }
}

/** Code of an app is run where its objects live, not when its module is loaded (worker-runtime §12.9). */
function loadedOnDemand(entry: string): StdinOptions {
  return { contents: `export const load = () => import(${JSON.stringify(entry)})`, resolveDir: dirname(entry) }
}

interface FileModule extends Module {
  file: string
}

/** Its own resolving goes past it. */
const RESOLVING = 'modules-beside'

/** WebAssembly and data cannot be bundled: they are modules of their own, by name and content. */
function modulesBeside(modules: FileModule[]): Plugin {
  const KINDS = { wasm: 'wasm', bin: 'data' } as const
  return {
    name: RESOLVING,
    setup({ onResolve, resolve }) {
      onResolve(
        { filter: /\.(?:wasm|bin)(?:\?module)?$/ },
        async ({ path, resolveDir, importer, kind, pluginData }) => {
          if (pluginData === RESOLVING) return undefined
          const options = { resolveDir, importer, kind, pluginData: RESOLVING }
          const { path: file, errors } = await resolve(path.replace(/\?module$/, ''), options)
          if (errors.length > 0) return { errors }
          const content = await readFile(file)
          const extension = file.endsWith('.wasm') ? 'wasm' : 'bin'
          const digest = createHash('sha256').update(content).digest('hex').slice(0, 12)
          const name = `${basename(file, `.${extension}`)}-${digest}.${extension}`
          if (!modules.some((module) => module.name === name))
            modules.push({ name, kind: KINDS[extension], content, file })
          return { path: `./${name}`, external: true }
        },
      )
    },
  }
}

/** Code that was written for NANO calls what the standard reads. */
const methodCalls: Plugin = {
  name: 'call-if-callable',
  setup({ onLoad }) {
    onLoad({ filter: /\.m?js$/ }, async ({ path }) => {
      if (path.includes('node_modules')) return undefined
      return { contents: callIfCallable(await readFile(path, 'utf8'), path), loader: 'js' }
    })
  },
}

function describe(
  { errors }: BuildFailure,
  root: string,
): [message: string, where?: Pick<LoadError, 'location' | 'frame'>] {
  const [first] = errors
  if (!first) return ['it cannot be bundled']
  return [first.text, where(first, root)]
}

function where({ location }: Message, root: string): Pick<LoadError, 'location' | 'frame'> {
  if (!location) return {}
  const { file, line, column, length, lineText } = location
  return {
    location: `${relative(root, join(root, file))}:${line}:${column + 1}`,
    frame: codeFrame(line, lineText, column + 1, length),
  }
}
