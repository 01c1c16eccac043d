/** What an app prints, as workerd reports it: one JSON text a call (worker-runtime §12.6). */

export interface ConsoleLine {
  level: 'debug' | 'info' | 'warn' | 'error'
  message: string
}

const LEVELS: Record<string, ConsoleLine['level']> = {
  debug: 'debug',
  log: 'info',
  info: 'info',
  warn: 'warn',
  error: 'error',
}

/** What the runtime says of its own troubles, among places in its own code. Anchored: an app may print anything, of any length. */
const RUNTIME = /^(?:[^;\n]{1,200}; )?e = \S{1,200} failed: (.*)\nstack: /

/** @returns undefined for an empty line */
export function consoleLine(line: string): ConsoleLine | undefined {
  if (line.trim() === '') return undefined
  try {
    const { level, message } = JSON.parse(line) as { level?: unknown; message?: unknown }
    if (typeof message !== 'string') return { level: 'error', message: line }
    const [, said] = RUNTIME.exec(message) ?? []
    return { level: LEVELS[String(level)] ?? 'info', message: said === undefined ? message : `workerd: ${said}` }
  } catch {
    // The runtime's own words.
  }
  return { level: 'error', message: line }
}
