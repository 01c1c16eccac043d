/** The apps that `serve` serves, as they are asked for at the moment. */
import { dirname } from 'node:path'
import type { ConfiguredApps } from '../../server/app-set.ts'
import type { AppConfig } from '../../server/ports/apps.ts'
import { hostPatternOf } from '../../server/ports/hostnames.ts'
import { readApp } from '../app-config.ts'
import { type NanoConfig, type NanoSettings, readNanoConfig } from './nano-config.ts'
import type { AppSource } from './settings.ts'

export interface Source extends ConfiguredApps, NanoSettings, Pick<NanoConfig, 'defaults' | 'warnings'> {
  /** What paths of apps that are added are taken from. */
  directory: string
}

/** @throws CONFIG_INVALID for a file that cannot be used */
export async function readSource(asked: AppSource, cwd: string): Promise<Source> {
  if (asked.kind === 'config') {
    const { apps: entries, ...config } = readNanoConfig(asked.file, cwd)
    const directory = dirname(asked.file)
    const warnings = [...config.warnings]
    const apps = await Promise.all(entries.map((entry) => readApp(entry, directory, (note) => warnings.push(note))))
    return { ...config, warnings, apps, catchAllOf: (running) => catchAllOf(running, config.default_app), directory }
  }
  const none = { defaults: {}, warnings: [], directory: cwd }
  if (asked.kind === 'none') return { ...none, apps: [], catchAllOf: (running) => catchAllOf(running, undefined) }
  const { name, path } = asked
  return { ...none, apps: [await readApp({ name, path }, cwd)], catchAllOf: () => name }
}

/** One app answers every host; of several the one that is named, or the first (worker-runtime §3). */
function catchAllOf(apps: readonly AppConfig[], wanted: string | undefined): string | undefined {
  const [first, ...others] = apps
  if (others.length === 0 || wanted === 'first') return first?.name
  if (wanted === undefined) return undefined
  const hostname = hostPatternOf(wanted)
  return apps.find(({ name, hostnames }) => name === wanted || (hostname && hostnames.includes(hostname)))?.name
}
