/** Node's own modules, for apps that ask for them by `nodejs_compat` (worker-runtime §12.2); for others a clear refusal. */
import { builtinModules } from 'node:module'
import type { Plugin } from 'esbuild'
import type { AppConfig } from '../../../server/ports/apps.ts'

/** From this day on workerd has them without being asked. */
const DEFAULT_SINCE = '2026-08-04'
const REQUIRED = 'required-of-node'

export function nodeModules({
  compatibilityDate,
  compatibilityFlags,
}: Pick<AppConfig, 'compatibilityDate' | 'compatibilityFlags'>): Plugin {
  const isOn = compatibilityDate >= DEFAULT_SINCE || compatibilityFlags.some((flag) => /^nodejs_compat/.test(flag))
  const bare = new RegExp(`^(?:${builtinModules.filter((name) => !name.includes(':')).join('|')})$`)
  return {
    name: 'node-modules',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^node:/ }, ({ path, kind }) => {
        if (!isOn) return { errors: [{ text: `"${path}" is Node's: it needs compatibility_flags: [nodejs_compat]` }] }
        return kind === 'require-call' ? { path, namespace: REQUIRED } : { path, external: true }
      })
      if (!isOn) return
      onResolve({ filter: bare }, ({ path, kind }) => {
        const named = `node:${path}`
        return kind === 'require-call' ? { path: named, namespace: REQUIRED } : { path: named, external: true }
      })
      // A module of ES has no `require`: what CommonJS asks for becomes an import.
      onLoad({ filter: /./, namespace: REQUIRED }, ({ path }) => ({
        contents: `import library from ${JSON.stringify(path)}\nmodule.exports = library`,
        loader: 'js',
      }))
    },
  }
}
