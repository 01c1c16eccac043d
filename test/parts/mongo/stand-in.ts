/** How the stand-in for MongoDB is started: its jars out of the parts cache, its launcher compiled there once for each text of it. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { findPart, keepPart } from '../cache.ts'

export const MONGO_JAVA_SERVER = {
  group: 'de.bwaldvogel',
  version: '1.47.0',
  artifacts: ['mongo-java-server', 'mongo-java-server-h2-backend'],
} as const

export const JARS = `mongo-java-server-${MONGO_JAVA_SERVER.version}`

/** For a process that starts quickly and stays small. */
export const JVM_FLAGS = [
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Xmx256m',
  '-Xshare:auto',
  '-Dslf4j.internal.verbosity=ERROR',
]

const SOURCE = join(import.meta.dirname, 'MongoStandIn.java')

/** What the launcher, as it is written now, is called in the parts cache. */
export function launcherPart(): string {
  return `mongo-stand-in-${createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 12)}`
}

/** @param jars a directory */
export async function compileLauncher(jars: string): Promise<string> {
  return await keepPart(launcherPart(), async (directory) => {
    await execa('javac', ['-cp', join(jars, '*'), '-d', directory, SOURCE])
  })
}

/** What to run, short of host, TCP port and data directory. */
export async function findStandIn(): Promise<string[] | { missing: string }> {
  const jars = findPart(JARS)
  if (!jars) return { missing: `${JARS} is not in the parts cache: npm run parts` }
  try {
    const launcher = await compileLauncher(jars)
    return ['java', ...JVM_FLAGS, '-cp', `${join(jars, '*')}:${launcher}`, 'MongoStandIn']
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { missing: 'no JDK: npm run parts' }
    throw error
  }
}
