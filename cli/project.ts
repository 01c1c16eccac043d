/** Which project a command means: the nearest project file upwards, else the working directory. */
import { createHash } from 'node:crypto'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { HyperError } from '../server/error.ts'

export const PROJECT_FILE = 'hyper-sandbox.yaml'

export interface Project {
  /** Absolute, links resolved. */
  directory: string
  /** `<directory>/.hyper-sandbox` */
  stateDirectory: string
  /** The project file, when there is one. */
  file: string | undefined
  /** Directory name and a hash of its path: two checkouts never collide. */
  defaultName: string
}

/** @throws CONFIG_INVALID when the file named does not exist */
export function findProject(cwd: string, configFile: string | undefined): Project {
  if (configFile !== undefined) {
    const file = resolve(cwd, configFile)
    if (!statSync(file, { throwIfNoEntry: false })?.isFile())
      throw new HyperError('CONFIG_INVALID', `there is no project file ${configFile}`, {
        hint: 'Name an existing file with --config, or leave --config out.',
      })
    return project(dirname(file), file)
  }
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const file = join(directory, PROJECT_FILE)
    if (existsSync(file)) return project(directory, file)
    if (directory === dirname(directory)) return project(cwd, undefined)
  }
}

function project(path: string, file: string | undefined): Project {
  const directory = realpathSync(path)
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 6)
  const label = basename(directory)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
  return {
    directory,
    stateDirectory: join(directory, '.hyper-sandbox'),
    file,
    defaultName: `${label || 'sandbox'}-${hash}`,
  }
}
