/**
 * Node's own modules: for apps that ask for them by `nodejs_compat` (worker-runtime §12.2), and for what they import from npm, such as
 * hyper-connect; for other apps a clear refusal.
 */
import { builtinModules } from 'node:module'
import type { Plugin } from 'esbuild'
import type { AppConfig } from '../../../server/ports/apps.ts'

/** From this day on workerd has them without being asked. */
const DEFAULT_SINCE = '2026-08-04'
const REQUIRED = 'required-of-node'
const STAND_IN = 'stand-in'

const STAND_INS: Record<string, string> = {
  // Node's `fetch`; here the runtime's own is meant.
  undici: 'export const { fetch, Headers, Request, Response, FormData, File, WebSocket, EventSource } = globalThis',
  // What hyper-connect signs with goes to a jose that knows the web's keys and bytes, not Node's keys.
  'hyper-connect/crypto': `
    export { createHmac } from 'node:crypto'
    export const createSecretKey = (bytes) => new Uint8Array(bytes)`,
}

/** @param onUse told when a package needs what the app did not ask for */
export function nodeModules(
  { compatibilityDate, compatibilityFlags }: Pick<AppConfig, 'compatibilityDate' | 'compatibilityFlags'>,
  onUse: () => void,
): Plugin {
  const isOn = compatibilityDate >= DEFAULT_SINCE || compatibilityFlags.some((flag) => /^nodejs_compat/.test(flag))
  const names = builtinModules.filter((name) => !name.includes(':')).join('|')
  return {
    name: 'node-modules',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^undici$/ }, ({ path }) => ({ path, namespace: STAND_IN }))
      onResolve({ filter: new RegExp(`^(?:node:.*|${names})$`) }, ({ path, kind, importer, namespace }) => {
        const named = `node:${path.replace(/^node:/, '')}`
        const [, library] =
          /[\\/]node_modules[\\/](?!.*[\\/]node_modules[\\/])(@[^\\/]+[\\/][^\\/]+|[^\\/]+)/.exec(importer) ?? []
        const isOwn = namespace === 'file' && library === undefined
        if (!isOn && isOwn) {
          // A package may have the name.
          if (path !== named) return undefined
          return { errors: [{ text: `"${path}" is Node's: it needs compatibility_flags: [nodejs_compat]` }] }
        }
        if (!isOn) onUse()
        const standIn = `${library}/${path}`
        if (namespace === 'file' && standIn in STAND_INS) return { path: standIn, namespace: STAND_IN }
        return kind === 'require-call' ? { path: named, namespace: REQUIRED } : { path: named, external: true }
      })
      onLoad({ filter: /./, namespace: STAND_IN }, ({ path }) => ({ contents: STAND_INS[path] ?? '', loader: 'js' }))
      // A module of ES has no `require`: what CommonJS asks for becomes an import.
      onLoad({ filter: /./, namespace: REQUIRED }, ({ path }) => ({
        contents: `import library from ${JSON.stringify(path)}\nmodule.exports = library`,
        loader: 'js',
      }))
    },
  }
}
