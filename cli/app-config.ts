/** An app's configuration: its entry in ours, then its own wrangler file, then the defaults. */
import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { checkCrons } from '../server/crons.ts'
import { type AppEntry, appConfigOf } from '../server/ports/app-entry.ts'
import type { AppConfig } from '../server/ports/apps.ts'

/** Its name may be left to the wrangler file, or to its path. */
export type NamelessEntry = Omit<AppEntry, 'name'> & { name?: string | undefined }

/**
 * @param directory what relative paths are taken from
 * @param note told of what is not used, in one sentence
 * @throws CONFIG_INVALID
 */
export async function readApp(
  entry: NamelessEntry,
  directory: string,
  note: (text: string) => void = () => {},
): Promise<AppConfig> {
  const path = resolve(directory, entry.path)
  const {
    name: ownName,
    main,
    env = {},
    json = {},
    kv,
    r2,
    ignored = [],
    file,
    ...own
  } = (await wranglerOf(path)) ?? {}
  if (ignored.length > 0)
    note(`${file} says ${ignored.join(', ')}, which ${ignored.length > 1 ? 'mean' : 'means'} nothing here`)
  const config = appConfigOf(
    {
      ...own,
      ...given(entry),
      name:
        entry.name ??
        ownName ??
        basename(path)
          .replace(/\.[cm]?[jt]s$/, '')
          .replaceAll(/[^\w.-]/g, '-'),
      path: main ?? path,
      env: { ...env, ...entry.env },
      kv: { ...kv, ...entry.kv },
      r2: { ...r2, ...entry.r2 },
    },
    directory,
  )
  const isGiven = (variable: string) => variable in config.env || variable in config.kv || variable in config.r2
  const found = { ...config, json: Object.fromEntries(Object.entries(json).filter(([variable]) => !isGiven(variable))) }
  await checkCrons(found)
  return found
}

async function wranglerOf(path: string) {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined
  const { readWrangler } = await import('./wrangler.ts')
  return await readWrangler(path)
}

function given<T extends object>(entry: T): T {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined)) as T
}
